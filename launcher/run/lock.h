// SPDX-License-Identifier: MIT
//
// The lock of a VM: whoever holds it is the VM. `start` takes it and QEMU
// inherits it, so it is held for exactly as long as the guest lives, and no
// crash of ours can leave it behind.
//
// It is an open-file-description lock (fcntl(2), F_OFD_SETLK): those belong to
// the open file, which survives fork and exec, and can be queried without
// taking them.
#pragma once

#include "launcher/base/error.h"
#include "launcher/base/root.h"
#include "launcher/base/unique_fd.h"

#include <chrono>
#include <optional>
#include <string>

namespace hv::run {

/// Takes the lock, or gives nothing if somebody holds it. The directory of
/// `path` must exist.
[[nodiscard]] Result<std::optional<UniqueFd>> try_lock(const Root& root, const std::string& path);

/// Waits for the lock; Fault::timed_out after `patience`. ENOENT if the file is
/// gone: then its last holder has cleaned up. Not for several threads at once.
[[nodiscard]] Result<UniqueFd> lock_within(const Root& root, const std::string& path,
                                           std::chrono::milliseconds patience);

/// A lock that is nobody's but for a while: its file is there only meanwhile.
class Turn {
 public:
  /// Waits for it; Fault::timed_out after `patience`. Not for several threads at once.
  [[nodiscard]] static Result<Turn> take(const Root& root, std::string path,
                                         std::chrono::milliseconds patience);
  Turn(Turn&&) = default;
  Turn& operator=(Turn&&) = delete;
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;
  /// Removes the file while it is held: whoever waits sees that, and makes it anew.
  ~Turn() {
    if (lock_) (void)root_->remove(path_);
  }

  /// The lock itself, which is not to end here: a duplicate elsewhere goes on holding it.
  [[nodiscard]] UniqueFd pass_on() && { return std::move(lock_); }

 private:
  Turn(const Root& root, std::string path, UniqueFd lock)
      : root_(&root), path_(std::move(path)), lock_(std::move(lock)) {}

  const Root* root_;
  std::string path_;
  UniqueFd lock_;
};

/// Whether `fd`, which somebody handed to us, is the file at `path` and has it locked.
[[nodiscard]] bool holds_lock(const Root& root, const std::string& path, const UniqueFd& fd);

/// Whether somebody holds it. False if there is no such file.
[[nodiscard]] bool is_locked(const Root& root, const std::string& path);

/// The process that holds the lock as its descriptor `number`, by pidfd, and
/// its pid for display. The hint may be stale or forged: a process is only
/// returned after it was seen to hold the lock. Finds the holder of a file that
/// was removed, too.
struct Holder {
  UniqueFd pidfd;
  pid_t pid = 0;
};
[[nodiscard]] std::optional<Holder> find_holder(const Root& root, const std::string& path,
                                                int number, pid_t hint);

}  // namespace hv::run
