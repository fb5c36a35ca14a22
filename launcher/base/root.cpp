// SPDX-License-Identifier: MIT
#include "launcher/base/root.h"

#include "launcher/base/text.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>

#include <algorithm>
#include <array>
#include <memory>

namespace hv {
namespace {

Result<> write_all(int fd, std::string_view text, const std::string& path) {
  while (!text.empty()) {
    const auto count = ::write(fd, text.data(), text.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return fail_errno("write {}", path);
    text.remove_prefix(static_cast<std::size_t>(count));
  }
  return {};
}

Result<> write_synced(int fd, std::string_view text, const std::string& path) {
  TRY(write_all(fd, text, path));
  if (::fsync(fd) < 0) return fail_errno("sync {}", path);
  return {};
}

/// Fills `text` from `offset` of a file on; less if the file ends.
Result<> fill(int fd, std::string& text, off_t offset, const std::string& path) {
  std::size_t filled = 0;
  while (filled < text.size()) {
    const auto more = ::pread(fd, text.data() + filled, text.size() - filled,
                              offset + static_cast<off_t>(filled));
    if (more < 0 && errno == EINTR) continue;
    if (more < 0) return fail_errno("read {}", path);
    if (more == 0) break;
    filled += static_cast<std::size_t>(more);
  }
  text.resize(filled);
  return {};
}

Result<std::vector<std::string>> entries_of(UniqueFd fd, const std::string& path) {
  const std::unique_ptr<DIR, decltype([](DIR* open) { ::closedir(open); })> dir(
      ::fdopendir(fd.get()));
  if (!dir) return fail_errno("list {}", path);
  (void)fd.release();  // The DIR owns it now.
  std::vector<std::string> names;
  for (;;) {
    errno = 0;  // Alone tells an error from the end.
    const dirent* const entry = ::readdir(dir.get());
    if (entry == nullptr && errno != 0) return fail_errno("list {}", path);
    if (entry == nullptr) break;
    if (const std::string_view name = entry->d_name; name != "." && name != "..")
      names.emplace_back(name);
  }
  std::ranges::sort(names);
  return names;
}

}  // namespace

Result<Root> Root::open(const std::string& directory) {
  UniqueFd fd(::open(directory.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!fd) return fail_errno("open {}", directory);
  return Root(std::move(fd));
}

Result<UniqueFd> Root::open_file(const std::string& path, int flags, mode_t mode,
                                 Links links) const {
  open_how how{};
  how.flags = static_cast<unsigned>(flags | O_CLOEXEC | (links == Links::refuse ? O_NOFOLLOW : 0));
  how.mode = mode;
  how.resolve = RESOLVE_IN_ROOT;
  // EAGAIN: something was renamed while the kernel went through a "..".
  for (int tries = 0; tries < 16; ++tries) {
    UniqueFd fd(
        static_cast<int>(::syscall(SYS_openat2, directory_.get(), path.c_str(), &how, sizeof how)));
    if (fd) return fd;
    if (errno != EAGAIN && errno != EINTR) break;
  }
  return fail_errno("open {}", path);
}

Result<std::string> Root::read(const std::string& path, std::size_t limit) const {
  auto text = TRY(read_raw(path, limit));
  if (text.ends_with('\n')) text.pop_back();
  return text;
}

Result<std::string> Root::read_raw(const std::string& path, std::size_t limit) const {
  const auto fd = TRY(open_file(path, O_RDONLY));
  std::string text;
  std::array<char, 16384> buffer;
  for (;;) {
    const auto count = ::read(fd.get(), buffer.data(), buffer.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return fail_errno("read {}", path);
    if (count == 0) break;
    text.append(buffer.data(), static_cast<std::size_t>(count));
    if (text.size() > limit)
      return fail(Fault::failed, "file-too-large", "{} is larger than {} bytes", path, limit);
  }
  return text;
}

Result<std::string> Root::read_start(const std::string& path, std::size_t count) const {
  const auto fd = TRY(open_file(path, O_RDONLY));
  std::string text(count, '\0');
  TRY(fill(fd.get(), text, 0, path));
  return text;
}

Result<std::string> Root::read_end(const std::string& path, std::size_t count) const {
  const auto fd = TRY(open_file(path, O_RDONLY));
  const auto size = ::lseek(fd.get(), 0, SEEK_END);
  if (size < 0) return fail_errno("read {}", path);
  const auto start = std::max<off_t>(0, size - static_cast<off_t>(count));
  std::string text(static_cast<std::size_t>(size - start), '\0');
  TRY(fill(fd.get(), text, start, path));
  return text;
}

Result<> Root::write(const std::string& path, std::string_view value) const {
  const auto fd = TRY(open_file(path, O_WRONLY | O_TRUNC));
  const auto count = ::write(fd.get(), value.data(), value.size());
  if (count < 0) return fail_errno("write '{}' to {}", printable(value), path);
  if (static_cast<std::size_t>(count) != value.size())
    return fail(Fault::failed, "short-write", "{} took {} of {} bytes", path, count, value.size());
  return {};
}

Result<std::vector<std::string>> Root::list(const std::string& path) const {
  return entries_of(TRY(open_file(path, O_RDONLY | O_DIRECTORY)), path);
}

Result<std::string> Root::read_link(const std::string& path) const {
  const auto fd = TRY(open_file(path, O_PATH, 0, Links::refuse));
  std::array<char, PATH_MAX> target;
  const auto size = ::readlinkat(fd.get(), "", target.data(), target.size());
  if (size < 0) return fail_errno("read link {}", path);
  return std::string(target.data(), static_cast<std::size_t>(size));
}

bool Root::exists(const std::string& path) const {
  return status(path).has_value();
}

Result<struct stat> Root::status(const std::string& path, Links links) const {
  const auto fd = TRY(open_file(path, O_PATH, 0, links));
  struct stat status {};
  if (::fstat(fd.get(), &status) < 0) return fail_errno("stat {}", path);
  return status;
}

Result<> Root::make_directories(const std::string& path, mode_t mode) const {
  for (auto end = path.find('/', 1);; end = path.find('/', end + 1)) {
    const auto upto = path.substr(0, end);
    if (!exists(upto)) {
      const auto [directory, name] = TRY(parent_of(upto));
      if (::mkdirat(directory.get(), name.c_str(), mode) < 0 && errno != EEXIST)
        return fail_errno("make directory {}", upto);
    }
    if (end == std::string::npos) return {};
  }
}

Result<> Root::replace(const std::string& path, std::string_view text, mode_t mode) const {
  const auto [directory, name] = TRY(parent_of(path));
  const auto fresh = fmt::format(".{}.{}", name, ::getpid());
  // One that is there was left by a process of our number that was killed.
  if (::unlinkat(directory.get(), fresh.c_str(), 0) < 0 && errno != ENOENT)
    return fail_errno("make {}", path);
  const UniqueFd fd(::openat(directory.get(), fresh.c_str(),
                             O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode));
  if (!fd) return fail_errno("make {}", path);
  auto written = write_synced(fd.get(), text, path);
  if (written && ::renameat(directory.get(), fresh.c_str(), directory.get(), name.c_str()) < 0)
    written = fail_errno("replace {}", path);
  if (!written) (void)::unlinkat(directory.get(), fresh.c_str(), 0);  // The first error counts.
  return written;
}

Result<> Root::create(const std::string& path, std::string_view text, mode_t mode) const {
  const auto fd = TRY(open_file(path, O_WRONLY | O_CREAT | O_TRUNC, mode, Links::refuse));
  return write_synced(fd.get(), text, path);
}

Result<> Root::sync(const std::string& path) const {
  const auto fd = TRY(open_file(path, O_RDONLY));
  if (::fsync(fd.get()) < 0) return fail_errno("sync {}", path);
  return {};
}

Result<> Root::rename(const std::string& from, const std::string& to) const {
  const auto old_place = TRY(parent_of(from));
  const auto new_place = TRY(parent_of(to));
  if (::renameat(old_place.directory.get(), old_place.name.c_str(), new_place.directory.get(),
                 new_place.name.c_str()) < 0)
    return fail_errno("rename {} to {}", from, to);
  return {};
}

Result<> Root::remove(const std::string& path) const {
  auto parent = parent_of(path);
  if (!parent && parent.error().os_error == ENOENT) return {};
  const auto [directory, name] = TRY(parent);
  if (::unlinkat(directory.get(), name.c_str(), 0) == 0 || errno == ENOENT) return {};
  if (errno == EISDIR && ::unlinkat(directory.get(), name.c_str(), AT_REMOVEDIR) == 0) return {};
  return fail_errno("remove {}", path);
}

Result<> Root::remove_directory(const std::string& path) const {
  auto opened = open_file(path, O_RDONLY | O_DIRECTORY, 0, Links::refuse);
  if (!opened && opened.error().os_error == ENOENT) return {};
  // Of a symlink (ENOTDIR, or ELOOP) only the link is ours.
  if (!opened) return remove(path);
  const auto directory = *std::move(opened);
  UniqueFd listed(::fcntl(directory.get(), F_DUPFD_CLOEXEC, 3));
  if (!listed) return fail_errno("list {}", path);
  for (const auto& name : TRY(entries_of(std::move(listed), path)))
    if (::unlinkat(directory.get(), name.c_str(), 0) < 0 && errno != ENOENT)
      return fail_errno("remove {}/{}", path, name);
  return remove(path);
}

Result<Root::Parent> Root::parent_of(const std::string& path) const {
  const auto slash = path.find_last_of('/');
  const auto name = path.substr(slash + 1);
  if (slash == std::string::npos || name.empty() || name == "." || name == "..")
    return fail(Fault::failed, "bad-path", "'{}' is not the absolute path of a file", path);
  auto directory = TRY(open_file(slash == 0 ? "/" : path.substr(0, slash), O_PATH | O_DIRECTORY));
  return Parent{std::move(directory), name};
}

}  // namespace hv
