// SPDX-License-Identifier: MIT
//
// The service manager that runs this process, if one does: systemd's protocol
// of datagrams (sd_notify(3), whose wire format is stable), and the descriptors
// it keeps from one process of a unit to the next.
//
//   const ServiceManager manager(context.variable("NOTIFY_SOCKET"));
//   TRY(manager.store("lock", lock.get()));  // The next ExecStart= gets it.
//
// libsystemd has all this, and five libraries that it brings along double the
// time that a command takes.
#pragma once

#include "launcher/base/error.h"
#include "launcher/base/unique_fd.h"

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

namespace hv {

class ServiceManager {
 public:
  /// `socket` as $NOTIFY_SOCKET gives it; empty: nobody listens, and telling
  /// does nothing.
  explicit ServiceManager(std::string socket) : socket_(std::move(socket)) {}

  [[nodiscard]] bool is_there() const { return !socket_.empty(); }

  /// Lines like "READY=1". That they were taken in, nobody says.
  [[nodiscard]] Result<> tell(std::string_view lines) const;

  /// Shown by `systemctl status`.
  void show_status(std::string_view words) const;

  /// The time limit of what the unit does now is no less than `time` from here.
  void ask_for(std::chrono::seconds time) const;

  /// Gives it a duplicate of `fd` to keep for the unit. It has it when this returns.
  [[nodiscard]] Result<> store(std::string_view name, int fd) const;

  /// It no longer keeps those of that name when this returns.
  [[nodiscard]] Result<> forget(std::string_view name) const;

 private:
  [[nodiscard]] Result<> send(std::string_view lines, int fd) const;
  [[nodiscard]] Result<> wait_until_taken_in() const;

  std::string socket_;
};

/// A descriptor that the service manager gave this process.
struct GivenFd {
  std::string name;
  UniqueFd fd;
};

/// From $LISTEN_PID, $LISTEN_FDS and $LISTEN_FDNAMES; none if they are for
/// another process. They are moved up, out of the way of the numbers that
/// mean something in QEMU, and are closed at exec.
[[nodiscard]] std::vector<GivenFd> given_descriptors(std::string_view pid, std::string_view count,
                                                     std::string_view names);

}  // namespace hv
