// SPDX-License-Identifier: MIT
#include "launcher/run/process.h"

#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>

namespace hv::run {

std::string describe_ending(const Ending& ending) {
  if (ending.signal == 0) return fmt::format("ended with status {}", ending.exit_status);
  return fmt::format("was killed by signal {} ({})", ending.signal, ::strsignal(ending.signal));
}

Ending ending_from(int wait_status) {
  if (WIFSIGNALED(wait_status)) return {.signal = WTERMSIG(wait_status)};
  return {.exit_status = WEXITSTATUS(wait_status)};
}

Result<> send_signal(const UniqueFd& pidfd, int signal) {
  if (::syscall(SYS_pidfd_send_signal, pidfd.get(), signal, nullptr, 0) < 0 && errno != ESRCH)
    return fail_errno("send signal {}", signal);
  return {};
}

bool ends_within(const UniqueFd& pidfd, std::chrono::milliseconds time) {
  const auto deadline = std::chrono::steady_clock::now() + time;
  for (;;) {
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    pollfd ended{.fd = pidfd.get(), .events = POLLIN, .revents = 0};
    constexpr std::int64_t longest = std::numeric_limits<int>::max();
    const auto wait_ms = std::clamp<std::int64_t>(left.count(), 0, longest);
    const int ready = ::poll(&ended, 1, static_cast<int>(wait_ms));
    if (ready > 0) return true;
    if (ready == 0 || errno != EINTR) return false;
  }
}

std::optional<Ending> ending_of(const UniqueFd& pidfd) {
  // PIDFD_GET_INFO of <linux/pidfd.h>, which Debian 12's headers do not have.
  struct Info {
    std::uint64_t mask;
    std::uint64_t cgroup;
    std::array<std::uint32_t, 11> ids;
    std::int32_t exit_code;
  };
  constexpr std::uint64_t wants_exit = 1U << 3U;
  Info info{.mask = wants_exit, .cgroup = 0, .ids = {}, .exit_code = 0};
  const bool told =
      ::ioctl(pidfd.get(), _IOWR(0xFF, 11, Info), &info) == 0 && (info.mask & wants_exit) != 0;
  if (!told) return std::nullopt;
  return ending_from(info.exit_code);
}

bool is_taken_apart(const Root& root, pid_t pid) {
  if (pid <= 0) return false;
  const auto files = root.list(fmt::format("/proc/{}/fd", pid));
  return files && files->empty();
}

Result<Process> Process::adopt(pid_t child) {
  UniqueFd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, child, 0)));
  if (!pidfd) {
    auto error = errno_error(errno, fmt::format("hold process {}", child));
    // Not waited for yet: the number is still its own.
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    return std::unexpected(std::move(error));
  }
  return Process(std::move(pidfd), child);
}

Process::~Process() {
  if (!pidfd_) return;
  (void)send_signal(pidfd_, SIGKILL);  // What can be done has been; wait() reaps it.
  (void)wait();
}

bool Process::has_ended_within(std::chrono::milliseconds time) const {
  return ends_within(pidfd_, time);
}

Result<Ending> Process::wait() {
  siginfo_t info{};
  while (::waitid(P_PIDFD, static_cast<id_t>(pidfd_.get()), &info, WEXITED) < 0)
    if (errno != EINTR) return fail_errno("wait for {}", pid_);
  pidfd_ = UniqueFd();
  if (info.si_code == CLD_EXITED) return Ending{.exit_status = info.si_status};
  return Ending{.signal = info.si_status};
}

}  // namespace hv::run
