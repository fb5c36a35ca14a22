// SPDX-License-Identifier: MIT
#include "launcher/qemu/probe_child.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstring>

namespace hv::qemu {
namespace {

struct Pipe {
  UniqueFd reading;
  UniqueFd writing;
};

Result<Pipe> make_pipe(int flags) {
  std::array<int, 2> fds{};
  if (::pipe2(fds.data(), flags | O_CLOEXEC) < 0) return fail_errno("make a pipe");
  return Pipe{UniqueFd(fds[0]), UniqueFd(fds[1])};
}

/// Above the numbers that the child gets, so that dup2 cannot hit a source.
Result<UniqueFd> moved_up(UniqueFd fd) {
  UniqueFd moved(::fcntl(fd.get(), F_DUPFD_CLOEXEC, ProbeChild::socket_number + 1));
  if (!moved) return fail_errno("duplicate a descriptor");
  return moved;
}

struct Program {
  const char* path;
  char* const* argv;
  char* const* environment;
  int null;
  int talk;
  int socket;
  int failure;  ///< Takes the errno of what went wrong; closed by a good exec.
  pid_t parent;
};

/// Runs between fork and exec: nothing but system calls here.
[[noreturn]] void become(const Program& program) {
  sigset_t none;
  sigemptyset(&none);
  // A probe must not outlive us, not even if we are killed with SIGKILL. The
  // parent may have died before prctl.
  if (::prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && ::getppid() == program.parent &&
      ::sigprocmask(SIG_SETMASK, &none, nullptr) == 0 && ::dup2(program.null, 0) >= 0 &&
      ::dup2(program.null, 1) >= 0 && ::dup2(program.talk, 2) >= 0 &&
      ::dup2(program.socket, ProbeChild::socket_number) >= 0 &&
      ::close_range(ProbeChild::socket_number + 1, ~0U, CLOSE_RANGE_CLOEXEC) == 0)
    ::execve(program.path, program.argv, program.environment);
  const int error_number = errno;
  (void)!::write(program.failure, &error_number, sizeof error_number);  // Nobody else to tell.
  ::_exit(127);
}

/// clone3(2), because it makes the pidfd together with the child, and sets
/// every signal handler of the child to its default.
Result<UniqueFd> clone_child(const Program& program) {
  int pidfd = -1;
  clone_args arguments{};
  arguments.flags = CLONE_PIDFD | CLONE_CLEAR_SIGHAND;
  arguments.pidfd = reinterpret_cast<std::uintptr_t>(&pidfd);
  arguments.exit_signal = SIGCHLD;
  const auto pid = ::syscall(SYS_clone3, &arguments, sizeof arguments);
  if (pid < 0) return fail_errno("start a process");
  if (pid == 0) become(program);
  return UniqueFd(pidfd);
}

std::vector<char*> pointers_to(const std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  pointers.reserve(texts.size() + 1);
  for (const auto& text : texts) pointers.push_back(const_cast<char*>(text.c_str()));
  pointers.push_back(nullptr);
  return pointers;
}

std::string how_it_ended(const siginfo_t& info) {
  if (info.si_code == CLD_EXITED) return fmt::format("ended with exit status {}", info.si_status);
  const char* const name = ::sigdescr_np(info.si_status);
  return fmt::format("was killed by signal {} ({})", info.si_status,
                     name != nullptr ? name : "unknown");
}

/// What poll(2) takes: rounded up, so that it never returns before the deadline.
int milliseconds_until(Deadline deadline) {
  const auto left =
      std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
  return static_cast<int>(std::max<std::chrono::milliseconds::rep>(left.count(), 0));
}

}  // namespace

Result<ProbeChild> ProbeChild::start(const std::vector<std::string>& argv, UniqueFd socket) {
  UniqueFd null(::open("/dev/null", O_RDWR | O_CLOEXEC));
  if (!null) return fail_errno("open /dev/null");
  // Non-blocking: a child that floods its stderr loses words, and never waits for us.
  auto talk = TRY(make_pipe(O_NONBLOCK));
  auto failure = TRY(make_pipe(0));
  null = TRY(moved_up(std::move(null)));
  talk.writing = TRY(moved_up(std::move(talk.writing)));
  failure.writing = TRY(moved_up(std::move(failure.writing)));
  socket = TRY(moved_up(std::move(socket)));

  const auto arguments = pointers_to(argv);
  const std::vector<std::string> clean = {"LC_ALL=C", "PATH=/usr/bin:/bin"};
  const auto environment = pointers_to(clean);
  auto pidfd = TRY(clone_child({.path = argv.front().c_str(),
                                .argv = arguments.data(),
                                .environment = environment.data(),
                                .null = null.get(),
                                .talk = talk.writing.get(),
                                .socket = socket.get(),
                                .failure = failure.writing.get(),
                                .parent = ::getpid()}));
  ProbeChild child(std::move(pidfd), std::move(talk.reading));
  failure.writing = UniqueFd();
  int error_number = 0;
  ssize_t count = 0;
  do count = ::read(failure.reading.get(), &error_number, sizeof error_number);
  while (count < 0 && errno == EINTR);
  if (count != 0)
    return std::unexpected(errno_error(error_number, fmt::format("start '{}'", argv.front())));
  return child;
}

ProbeChild::~ProbeChild() {
  if (pidfd_) (void)reap(std::chrono::steady_clock::now());  // How it ended: nobody asked.
}

std::string ProbeChild::reap(Deadline deadline) {
  if (!pidfd_) return "is gone";
  pollfd ended{.fd = pidfd_.get(), .events = POLLIN, .revents = 0};
  int ready = 0;
  do ready = ::poll(&ended, 1, milliseconds_until(deadline));
  while (ready < 0 && errno == EINTR);
  if (ready <= 0) (void)::syscall(SYS_pidfd_send_signal, pidfd_.get(), SIGKILL, nullptr, 0U);

  siginfo_t info{};
  int reaped = 0;
  do reaped = ::waitid(P_PIDFD, static_cast<id_t>(pidfd_.get()), &info, WEXITED);
  while (reaped < 0 && errno == EINTR);
  pidfd_ = UniqueFd();
  if (ready <= 0) return "did not end and was killed";
  return reaped == 0 ? how_it_ended(info) : "is gone";
}

std::string ProbeChild::last_words() const {
  std::string text;
  std::array<char, 4096> buffer;
  constexpr std::size_t pipe_size = 1U << 16U;  // More than a pipe holds was never kept.
  while (text.size() < pipe_size) {
    const auto count = ::read(talk_.get(), buffer.data(), buffer.size());
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) break;
    text.append(buffer.data(), static_cast<std::size_t>(count));
  }
  while (text.ends_with('\n')) text.pop_back();
  constexpr std::size_t lines = 5;
  constexpr std::size_t longest = 2000;
  std::size_t start = text.size();
  for (std::size_t line = 0; line < lines && start != 0; ++line) {
    const auto newline = text.rfind('\n', start - 1);
    start = newline == std::string::npos ? 0 : newline;
  }
  text.erase(0, std::max(start, text.size() - std::min(text.size(), longest)));
  if (text.starts_with('\n')) text.erase(0, 1);
  return text;
}

}  // namespace hv::qemu
