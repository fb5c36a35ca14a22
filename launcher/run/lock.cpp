// SPDX-License-Identifier: MIT
#include "launcher/run/lock.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <time.h>

#include <algorithm>
#include <array>
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

/// Only the guest holds its lock as `lock_number`: that is how it is told from
/// us, who hold it for a while.
Result<UniqueFd> open_lock(const Root& root, const std::string& path, bool make) {
  constexpr int first_of_ours = 64;
  const auto fd = TRY(make ? root.open_file(path, O_RDWR | O_CREAT, 0600, Links::refuse)
                           : root.open_file(path, O_RDWR, 0, Links::refuse));
  UniqueFd ours(::fcntl(fd.get(), F_DUPFD_CLOEXEC, first_of_ours));
  if (!ours) return fail_errno("open {}", path);
  return ours;
}

/// Interrupts a blocking system call of this thread again and again from
/// `after` on; one signal alone could come just before the call. One at a time:
/// what a signal does is the whole process's.
class Alarm {
 public:
  explicit Alarm(std::chrono::milliseconds after) {
    struct sigaction action {};
    action.sa_handler = [](int) {};  // Without SA_RESTART: the call ends with EINTR.
    ::sigaction(SIGALRM, &action, &action_before_);
    sigset_t alarm;  // Whoever started us may have it blocked.
    sigemptyset(&alarm);
    sigaddset(&alarm, SIGALRM);
    ::pthread_sigmask(SIG_UNBLOCK, &alarm, &mask_before_);
    sigevent event{};
    event.sigev_notify = SIGEV_THREAD_ID;
    event.sigev_signo = SIGALRM;
    event._sigev_un._tid = ::gettid();
    armed_ = ::timer_create(CLOCK_MONOTONIC, &event, &timer_) == 0;
    const auto count = std::max<std::int64_t>(after.count(), 1);
    const itimerspec spec{
        .it_interval = {.tv_sec = 0, .tv_nsec = 10'000'000},
        .it_value = {.tv_sec = count / 1000, .tv_nsec = count % 1000 * 1'000'000}};
    if (armed_) ::timer_settime(timer_, 0, &spec, nullptr);
  }
  Alarm(const Alarm&) = delete;
  Alarm& operator=(const Alarm&) = delete;
  ~Alarm() {
    if (armed_) ::timer_delete(timer_);
    ::pthread_sigmask(SIG_SETMASK, &mask_before_, nullptr);
    ::sigaction(SIGALRM, &action_before_, nullptr);
  }

  /// False: nothing would end the wait.
  [[nodiscard]] bool armed() const { return armed_; }

 private:
  timer_t timer_{};
  bool armed_ = false;
  struct sigaction action_before_ {};
  sigset_t mask_before_{};
};

/// The processes that have a lock open, seen through /proc.
class Search {
 public:
  Search(const Root& root, std::string path, int number)
      : root_(root), path_(std::move(path)), number_(number), lock_(root.status(path_)) {}

  [[nodiscard]] std::optional<Holder> verified(pid_t pid) const {
    UniqueFd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
    if (!pidfd || !has_it_open(pid) || !has_it_locked(pid) || keeps_it(pid)) return std::nullopt;
    // Still alive after we looked: then it was this process that we looked at.
    pollfd ended{.fd = pidfd.get(), .events = POLLIN, .revents = 0};
    if (::poll(&ended, 1, 0) != 0) return std::nullopt;
    return Holder{std::move(pidfd), pid};
  }

  [[nodiscard]] std::optional<Holder> among_all() const {
    const auto processes = root_.list("/proc");
    if (!processes) return std::nullopt;
    for (const auto& name : *processes) {
      pid_t pid = 0;
      const auto [stop, error] = std::from_chars(name.data(), name.data() + name.size(), pid);
      if (error != std::errc{} || stop != name.data() + name.size()) continue;
      // One system call for a process that is not it: a host has thousands.
      if (!has_it_open(pid)) continue;
      if (auto holder = verified(pid)) return holder;
    }
    return std::nullopt;
  }

 private:
  [[nodiscard]] bool has_it_open(pid_t pid) const {
    const auto link = fmt::format("{}/fd/{}", pid, number_);
    if (lock_) {
      struct stat held {};
      return ::fstatat(proc_.get(), link.c_str(), &held, 0) == 0 && held.st_ino == lock_->st_ino &&
             held.st_dev == lock_->st_dev;
    }
    // Somebody removed the file under its holder, which the kernel tells.
    std::array<char, 4096> target;
    const auto length = ::readlinkat(proc_.get(), link.c_str(), target.data(), target.size());
    return length > 0 && std::string_view(target.data(), static_cast<std::size_t>(length)) ==
                             path_ + " (deleted)";
  }

  /// Others of ours have the file open for a moment, to look at it.
  [[nodiscard]] bool has_it_locked(pid_t pid) const {
    const auto info = root_.read(fmt::format("/proc/{}/fdinfo/{}", pid, number_));
    return info && info->contains("OFDLCK");
  }

  /// A service manager, which keeps it for `exec` and is not to be signalled:
  /// systemd's own control group is init.scope, PID 1's and a user's.
  [[nodiscard]] bool keeps_it(pid_t pid) const {
    const auto groups = root_.read(fmt::format("/proc/{}/cgroup", pid));
    return groups && (groups->ends_with("/init.scope") || groups->contains("/init.scope\n"));
  }

  const Root& root_;
  std::string path_;
  int number_;
  Result<struct stat> lock_;
  UniqueFd proc_ = root_.open_file("/proc", O_PATH | O_DIRECTORY).value_or(UniqueFd());
};

}  // namespace

Result<std::optional<UniqueFd>> try_lock(const Root& root, const std::string& path) {
  for (;;) {
    auto fd = TRY(open_lock(root, path, true));
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
  const auto deadline = std::chrono::steady_clock::now() + patience;
  const Alarm alarm(patience);
  if (!alarm.armed())
    return fail(Fault::failed, "no-timer", "the kernel gives no timer to wait for {}", path);
  for (;;) {
    // Not made if it is gone: its last holder has cleaned up, and we must not litter.
    auto fd = TRY(open_lock(root, path, false));
    auto lock = whole_file();
    if (::fcntl(fd.get(), F_OFD_SETLKW, &lock) == 0) {
      if (is_current(root, path, fd)) return fd;
      continue;
    }
    if (errno != EINTR) return fail_errno("lock {}", path);
    if (std::chrono::steady_clock::now() >= deadline)
      return fail(Fault::timed_out, "still-locked", "{} is still held after {} s", path,
                  static_cast<double>(patience.count()) / 1000);
  }
}

Result<Turn> Turn::take(const Root& root, std::string path, std::chrono::milliseconds patience) {
  const auto deadline = std::chrono::steady_clock::now() + patience;
  for (;;) {
    if (auto lock = TRY(try_lock(root, path))) return Turn(root, std::move(path), *std::move(lock));
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
        deadline - std::chrono::steady_clock::now());
    auto lock = lock_within(root, path, std::max(left, std::chrono::milliseconds(1)));
    if (lock) return Turn(root, std::move(path), *std::move(lock));
    if (lock.error().os_error != ENOENT) return std::unexpected(std::move(lock).error());
  }
}

bool holds_lock(const Root& root, const std::string& path, const UniqueFd& fd) {
  if (!fd || !is_current(root, path, fd)) return false;
  auto lock = whole_file();
  return ::fcntl(fd.get(), F_OFD_SETLK, &lock) == 0;  // Ours already, or free to be ours.
}

bool is_locked(const Root& root, const std::string& path) {
  const auto fd = root.open_file(path, O_RDONLY, 0, Links::refuse);
  auto lock = whole_file();
  return fd && ::fcntl(fd->get(), F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
}

std::optional<Holder> find_holder(const Root& root, const std::string& path, int number,
                                  pid_t hint) {
  const Search search(root, path, number);
  if (hint > 0)
    if (auto holder = search.verified(hint)) return holder;
  return search.among_all();
}

}  // namespace hv::run
