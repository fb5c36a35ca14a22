// SPDX-License-Identifier: MIT
//
// Internal: a listening UNIX socket.
#pragma once

#include "qmp/wire.h"

#include <sys/types.h>

#include <string>

namespace qmp {

/// Listens from construction on; its file goes with it.
class Listener {
 public:
  /// Puts the socket at `path` in one step, in place of one that nobody serves
  /// any more; refuses to take the place of anything else. Whoever may write to a file of
  /// `mode` there can connect.
  [[nodiscard]] static Result<Listener> open(const std::string& path, mode_t mode);

  Listener(Listener&&) noexcept = default;
  Listener& operator=(Listener&&) = delete;
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;
  ~Listener();

  [[nodiscard]] int fd() const { return fd_.get(); }

 private:
  Listener(wire::Fd fd, std::string path, dev_t device, ino_t inode)
      : fd_(std::move(fd)), path_(std::move(path)), device_(device), inode_(inode) {}

  wire::Fd fd_;
  std::string path_;
  dev_t device_;
  ino_t inode_;
};

}  // namespace qmp
