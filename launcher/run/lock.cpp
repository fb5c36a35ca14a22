// SPDX-License-Identifier: MIT
#include "launcher/run/lock.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <time.h>

#include <charconv>

namespace hv::run {
namespace {

flock whole_file() {
  flock lock{};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  return lock;
}

/// Whether `path` still names the file that `fd` has open: its last holder may
/// have removed it between our open and our lock.
bool is_current(const Root& root, const std::string& path, const UniqueFd& fd) {
  struct stat opened {};
  const auto named = root.status(path);
  return named && ::fstat(fd.get(), &opened) == 0 && opened.st_ino == named->st_ino &&
         opened.st_dev == named->st_dev;
}

Result<UniqueFd> open_lock(const Root& root, const std::string& path) {
  return root.open_file(path, O_RDWR | O_CREAT, 0600, Links::refuse);
}

/// Interrupts a blocking system call of this thread again and again from
/// `after` on; one signal alone could come just before the call.
class Alarm {
 public:
  explicit Alarm(std::chrono::milliseconds after) {
    struct sigaction action {};
    action.sa_handler = [](int) {};  // Without SA_RESTART: the call ends with EINTR.
    ::sigaction(SIGALRM, &action, &before_);
    sigevent event{};
    event.sigev_notify = SIGEV_SIGNAL;
    event.sigev_signo = SIGALRM;
    armed_ = ::timer_create(CLOCK_MONOTONIC, &event, &timer_) == 0;
    const auto count = std::max<std::int64_t>(after.count(), 1);
    const itimerspec spec{.it_interval = {.tv_sec = 0, .tv_nsec = 10'000'000},
                          .it_value = {.tv_sec = count / 1000, .tv_nsec = count % 1000 * 1'000'000}};
    if (armed_) ::timer_settime(timer_, 0, &spec, nullptr);
  }
  Alarm(const Alarm&) = delete;
  Alarm& operator=(const Alarm&) = delete;
  ~Alarm() {
    if (armed_) ::timer_delete(timer_);
    ::sigaction(SIGALRM, &before_, nullptr);
  }

 private:
  timer_t timer_{};
  bool armed_ = false;
  struct sigaction before_ {};
};

std::optional<Holder> verified(const Root& root, const struct stat& lock, int number, pid_t pid) {
  UniqueFd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  if (!pidfd) return std::nullopt;
  const auto held = root.status_behind(fmt::format("/proc/{}/fd/{}", pid, number));
  if (!held || held->st_ino != lock.st_ino || held->st_dev != lock.st_dev) return std::nullopt;
  // Still alive after we looked: then it was this process that we looked at.
  pollfd ended{.fd = pidfd.get(), .events = POLLIN, .revents = 0};
  if (::poll(&ended, 1, 0) != 0) return std::nullopt;
  return Holder{std::move(pidfd), pid};
}

}  // namespace

Result<std::optional<UniqueFd>> try_lock(const Root& root, const std::string& path) {
  for (;;) {
    auto fd = TRY(open_lock(root, path));
    auto lock = whole_file();
    if (::fcntl(fd.get(), F_OFD_SETLK, &lock) < 0) {
      if (errno == EAGAIN || errno == EACCES) return std::nullopt;
      return fail_errno("lock {}", path);
    }
    if (is_current(root, path, fd)) return fd;
  }
}

Result<UniqueFd> lock_within(const Root& root, const std::string& path,
                             std::chrono::milliseconds patience) {
  const Alarm alarm(patience);
  for (;;) {
    auto fd = TRY(open_lock(root, path));
    auto lock = whole_file();
    if (::fcntl(fd.get(), F_OFD_SETLKW, &lock) < 0) {
      if (errno == EINTR)
        return fail(Fault::timed_out, "still-locked", "{} is still held after {} s", path,
                    static_cast<double>(patience.count()) / 1000);
      return fail_errno("lock {}", path);
    }
    if (is_current(root, path, fd)) return fd;
  }
}

bool is_locked(const Root& root, const std::string& path) {
  const auto fd = root.open_file(path, O_RDONLY, 0, Links::refuse);
  auto lock = whole_file();
  return fd && ::fcntl(fd->get(), F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
}

std::optional<Holder> find_holder(const Root& root, const std::string& path, int number,
                                  pid_t hint) {
  const auto lock = root.status(path);
  if (!lock) return std::nullopt;
  if (hint > 0)
    if (auto holder = verified(root, *lock, number, hint)) return holder;
  const auto processes = root.list("/proc");
  if (!processes) return std::nullopt;
  for (const auto& name : *processes) {
    pid_t pid = 0;
    const auto [stop, error] = std::from_chars(name.data(), name.data() + name.size(), pid);
    if (error != std::errc{} || stop != name.data() + name.size()) continue;
    if (auto holder = verified(root, *lock, number, pid)) return holder;
  }
  return std::nullopt;
}

}  // namespace hv::run
