// SPDX-License-Identifier: MIT
#pragma once

#include "launcher/base/error.h"
#include "launcher/base/root.h"
#include "launcher/base/unique_fd.h"

#include <sys/types.h>

#include <chrono>
#include <optional>
#include <string>

namespace hv::run {

/// How a child ended.
struct Ending {
  int exit_status = 0;
  int signal = 0;  ///< 0: it ended by itself.
};

/// "ended with status 1", "was killed by signal 11 (Segmentation fault)".
[[nodiscard]] std::string describe_ending(const Ending& ending);

/// From a status as wait(2) gives it.
[[nodiscard]] Ending ending_from(int wait_status);

/// Whether `pid` is a process on its way out: it has no files any more. The
/// kernel closes them for it, which may take a driver's time, and only then
/// lets go of what they locked. For words: nothing may be done to it by `pid`.
[[nodiscard]] bool is_taken_apart(const Root& root, pid_t pid);

/// A child of ours, held by pidfd. Killed and reaped when it goes out of
/// scope, unless released.
class Process {
 public:
  /// Takes charge of a child that nobody has waited for yet.
  [[nodiscard]] static Result<Process> adopt(pid_t child);

  Process(Process&&) noexcept = default;
  Process& operator=(Process&&) = delete;
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;
  ~Process();

  [[nodiscard]] pid_t pid() const { return pid_; }
  [[nodiscard]] bool has_ended_within(std::chrono::milliseconds time) const;

  /// Waits for the end and reaps it.
  [[nodiscard]] Result<Ending> wait();

  /// Leaves it running.
  void release() noexcept { pidfd_ = UniqueFd(); }

 private:
  Process(UniqueFd pidfd, pid_t pid) : pidfd_(std::move(pidfd)), pid_(pid) {}

  UniqueFd pidfd_;
  pid_t pid_;
};

/// Sends a signal through a pidfd. A process that has ended is no error.
[[nodiscard]] Result<> send_signal(const UniqueFd& pidfd, int signal);

/// How a process ended that is not ours to wait for. Nothing where the kernel
/// does not tell (before 6.15).
[[nodiscard]] std::optional<Ending> ending_of(const UniqueFd& pidfd);

/// Whether the process of `pidfd` ends within `time`.
[[nodiscard]] bool ends_within(const UniqueFd& pidfd, std::chrono::milliseconds time);

}  // namespace hv::run
