// SPDX-License-Identifier: MIT
//
// The one door to the host's files: /sys, /proc, /dev, /run and the state
// directories. Callers name files as the kernel does ("/sys/bus/pci/devices");
// Root resolves them below a directory, which is "/" on a real host and a
// recorded tree in tests. Symlinks, absolute ones too, stay inside (openat2
// with RESOLVE_IN_ROOT).
#pragma once

#include "launcher/base/error.h"
#include "launcher/base/unique_fd.h"

#include <sys/stat.h>

#include <string>
#include <string_view>
#include <vector>

namespace hv {

/// Follow a symlink at the end of a path, or refuse it (ELOOP): for places
/// where somebody else may have planted one.
enum class Links : std::uint8_t { follow, refuse };

class Root {
 public:
  [[nodiscard]] static Result<Root> open(const std::string& directory = "/");

  /// Of a directory that is open already.
  [[nodiscard]] static Root below(UniqueFd directory) { return Root(std::move(directory)); }

  /// The file's text without the newline sysfs ends it with. At most `limit`
  /// bytes; a longer file is an error.
  [[nodiscard]] Result<std::string> read(const std::string& path,
                                         std::size_t limit = std::size_t{16} << 20U) const;

  /// The same with every byte as it is.
  [[nodiscard]] Result<std::string> read_raw(const std::string& path,
                                             std::size_t limit = std::size_t{16} << 20U) const;

  /// The first `count` bytes, or fewer if the file is shorter.
  [[nodiscard]] Result<std::string> read_start(const std::string& path, std::size_t count) const;

  /// The last `count` bytes of a regular file, or fewer if it is shorter.
  [[nodiscard]] Result<std::string> read_end(const std::string& path, std::size_t count) const;

  /// Writes `value` to an existing file in one write(2), as sysfs attributes need.
  [[nodiscard]] Result<> write(const std::string& path, std::string_view value) const;

  /// Entry names in byte order, without "." and "..".
  [[nodiscard]] Result<std::vector<std::string>> list(const std::string& path) const;

  /// Where a symlink points to, as it is written.
  [[nodiscard]] Result<std::string> read_link(const std::string& path) const;

  [[nodiscard]] bool exists(const std::string& path) const;

  /// What fstat(2) says of it.
  [[nodiscard]] Result<struct stat> status(const std::string& path,
                                           Links links = Links::follow) const;

  /// openat2(2); O_CLOEXEC is always added.
  [[nodiscard]] Result<UniqueFd> open_file(const std::string& path, int flags, mode_t mode = 0,
                                           Links links = Links::follow) const;

  /// Makes the directory and what is missing above it, each with `mode`.
  [[nodiscard]] Result<> make_directories(const std::string& path, mode_t mode) const;

  /// Writes a new file beside `path`, syncs it and renames it over `path`: a
  /// reader sees the old text or the new, never half of it.
  [[nodiscard]] Result<> replace(const std::string& path, std::string_view text,
                                 mode_t mode = 0600) const;

  /// Writes a file from its beginning and syncs it. For a name that nobody
  /// reads before it is renamed.
  [[nodiscard]] Result<> create(const std::string& path, std::string_view text,
                                mode_t mode = 0600) const;

  /// Waits until the file is on disk.
  [[nodiscard]] Result<> sync(const std::string& path) const;

  [[nodiscard]] Result<> rename(const std::string& from, const std::string& to) const;

  /// Removes a file or an empty directory; one that is not there is no error.
  [[nodiscard]] Result<> remove(const std::string& path) const;

  /// Removes a directory of ours and the files in it; of a symlink, the link.
  /// Never follows one.
  [[nodiscard]] Result<> remove_directory(const std::string& path) const;

 private:
  explicit Root(UniqueFd directory) : directory_(std::move(directory)) {}

  struct Parent {
    UniqueFd directory;
    std::string name;
  };
  /// The directory above `path`, opened, for the calls that take no openat2.
  [[nodiscard]] Result<Parent> parent_of(const std::string& path) const;

  UniqueFd directory_;
};

}  // namespace hv
