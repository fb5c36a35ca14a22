// SPDX-License-Identifier: MIT
#include "vfio/blocking.h"

#include "launcher/base/text.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <algorithm>
#include <array>
#include <limits>
#include <optional>

namespace hv::vfio {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

/// What the child tells, in one write to a pipe.
struct Answer {
  int error = 0;
  std::size_t count = 0;          ///< Bytes written, or read into `text`.
  std::array<char, 4000> text{};  ///< Less than PIPE_BUF with the rest.
};

enum class Way : std::uint8_t { read, write, unload };

/// The child's whole life. Between fork and _exit only what is safe in a signal
/// handler: another thread may have held any lock.
[[noreturn]] void ask(int attribute, int pipe, Way way, std::string_view value, pid_t parent) {
  // A write that comes after hvlaunch was killed would undo what `recover` has just done.
  (void)::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(1);
  // Should it stay behind, it must hold nothing of ours: no VM's lock, no
  // terminal, no pipe whose reader waits for the end.
  (void)::setsid();
  const int moved_attribute = ::fcntl(attribute, F_DUPFD, 2);  // Not over the other one.
  const int moved_pipe = ::fcntl(pipe, F_DUPFD, 2);
  if (moved_attribute < 0 || moved_pipe < 0 || ::dup2(moved_attribute, 0) < 0 ||
      ::dup2(moved_pipe, 1) < 0 || ::close_range(2, ~0U, 0) < 0)
    ::_exit(1);
  Answer answer;
  const auto count = way == Way::write  ? ::write(0, value.data(), value.size())
                     : way == Way::read ? ::read(0, answer.text.data(), answer.text.size())
                                        : ::syscall(SYS_delete_module, value.data(), O_NONBLOCK);
  if (count < 0)
    answer.error = errno;
  else
    answer.count = static_cast<std::size_t>(count);
  (void)!::write(1, &answer, sizeof answer);
  ::_exit(0);
}

bool ends_before(const UniqueFd& pidfd, steady_clock::time_point deadline) {
  for (;;) {
    const auto left = std::chrono::ceil<milliseconds>(deadline - steady_clock::now()).count();
    constexpr std::int64_t longest = std::numeric_limits<int>::max();
    pollfd ended{.fd = pidfd.get(), .events = POLLIN, .revents = 0};
    const int ready =
        ::poll(&ended, 1, static_cast<int>(std::clamp<std::int64_t>(left, 0, longest)));
    if (ready > 0) return true;
    if (ready == 0 || errno != EINTR) return false;
  }
}

void reap(const UniqueFd& pidfd) {
  siginfo_t info{};
  // ECHILD: whoever started hvlaunch has SIGCHLD ignored, and the kernel reaps.
  while (::waitid(P_PIDFD, static_cast<id_t>(pidfd.get()), &info, WEXITED) < 0 && errno == EINTR)
    continue;
}

/// False: it sleeps where no signal wakes it, and stays behind.
bool ended_or_killed(const UniqueFd& pidfd, milliseconds patience) {
  bool ended = ends_before(pidfd, steady_clock::now() + patience);
  const bool in_time = ended;
  if (!ended) {
    constexpr milliseconds to_die{20};
    (void)::syscall(SYS_pidfd_send_signal, pidfd.get(), SIGKILL, nullptr, 0);
    ended = ends_before(pidfd, steady_clock::now() + to_die);
  }
  if (ended) reap(pidfd);
  return in_time;
}

/// Nothing: no answer in time.
Result<std::optional<Answer>> answer_of(const UniqueFd& attribute, Way way, std::string_view value,
                                        milliseconds patience) {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) < 0) return fail_errno("make a pipe");
  const UniqueFd read_end(ends[0]);
  UniqueFd write_end(ends[1]);
  const pid_t parent = ::getpid();
  const pid_t child = ::fork();
  if (child < 0) return fail_errno("start a helper process");
  if (child == 0) ask(attribute.get(), write_end.get(), way, value, parent);
  write_end = UniqueFd();
  const UniqueFd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, child, 0)));
  if (!pidfd) return fail_errno("hold helper process {}", child);
  if (!ended_or_killed(pidfd, patience)) return std::nullopt;
  Answer answer;
  if (::read(read_end.get(), &answer, sizeof answer) != sizeof answer)
    return std::unexpected(with_hint(
        {.fault = Fault::failed,
         .id = "driver-crashed",
         .message = "the process that asked the driver was killed"},
        "the kernel may have crashed in the driver: see `dmesg`, and start the host again"));
  return answer;
}

std::unexpected<Error> no_answer(std::string doing, milliseconds patience) {
  auto error = errno_error(ETIMEDOUT, fmt::format("{}: no answer in {} s", doing,
                                                  std::chrono::duration<double>(patience).count()));
  error.fault = Fault::timed_out;
  error.id = "driver-hangs";
  return std::unexpected(std::move(error));
}

}  // namespace

Result<> write_within(const Root& root, const std::string& path, std::string_view value,
                      milliseconds patience) {
  const auto doing = [&] { return fmt::format("write '{}' to {}", printable(value), path); };
  const auto fd = TRY(root.open_file(path, O_WRONLY | O_TRUNC));
  const auto answer = TRY(answer_of(fd, Way::write, value, patience), "writing {}", path);
  if (!answer) return no_answer(doing(), patience);
  if (answer->error != 0) return std::unexpected(errno_error(answer->error, doing()));
  if (answer->count != value.size())
    return fail(Fault::failed, "short-write", "{} took {} of {} bytes", path, answer->count,
                value.size());
  return {};
}

Result<> unload_within(const std::string& module, milliseconds patience) {
  const auto doing = [&] { return fmt::format("unload the module {}", module); };
  const UniqueFd unused(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  if (!unused) return fail_errno("open /dev/null");
  const auto answer = TRY(answer_of(unused, Way::unload, module, patience), "{}", doing());
  if (!answer) return no_answer(doing(), patience);
  if (answer->error == 0 || answer->error == ENOENT) return {};
  return std::unexpected(errno_error(answer->error, doing()));
}

Result<std::string> read_within(const Root& root, const std::string& path, milliseconds patience) {
  const auto doing = [&] { return fmt::format("read {}", path); };
  const auto fd = TRY(root.open_file(path, O_RDONLY));
  const auto answer = TRY(answer_of(fd, Way::read, {}, patience), "reading {}", path);
  if (!answer) return no_answer(doing(), patience);
  if (answer->error != 0) return std::unexpected(errno_error(answer->error, doing()));
  std::string text(answer->text.data(), answer->count);
  if (text.ends_with('\n')) text.pop_back();
  return text;
}

}  // namespace hv::vfio
