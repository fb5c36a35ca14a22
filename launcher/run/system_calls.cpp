// SPDX-License-Identifier: MIT
#include "launcher/run/system_calls.h"

#include <linux/prctl.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <memory>
#include <span>
#include <utility>
#include <vector>

// CLONE_THREAD of <linux/sched.h>, which clashes with <sched.h>.
#define HV_CLONE_THREAD 0x00010000U

namespace hv::run {
namespace {

using Names = std::span<const char* const>;

// What QEMU, glib and glibc use, by what for.
constexpr const char* files[] = {
    "access",    "close", "dup",        "dup3",       "faccessat2", "fallocate", "fcntl",
    "fdatasync", "fstat", "fstatfs",    "fsync",      "ftruncate",  "getcwd",    "getdents64",
    "ioctl",     "lseek", "newfstatat", "openat",     "pread64",    "preadv",    "pwrite64",
    "pwritev",   "read",  "readlink",   "readlinkat", "readv",      "statfs",    "statx",
    "unlink",    "write", "writev"};
constexpr const char* memory[] = {"brk",          "madvise", "membarrier",
                                  "memfd_create", "mremap",  "munmap"};
constexpr const char* threads[] = {"arch_prctl",
                                   "exit",
                                   "exit_group",
                                   "futex",
                                   "getegid",
                                   "geteuid",
                                   "getgid",
                                   "getpid",
                                   "getrusage",
                                   "gettid",
                                   "getuid",
                                   "restart_syscall",
                                   "rseq",
                                   "rt_sigaction",
                                   "rt_sigprocmask",
                                   "rt_sigreturn",
                                   "rt_sigtimedwait",
                                   "sched_getaffinity",
                                   "sched_yield",
                                   "set_robust_list",
                                   "set_tid_address",
                                   "sigaltstack",
                                   "sysinfo",
                                   "uname"};
constexpr const char* clocks[] = {"clock_getres",   "clock_gettime",  "clock_nanosleep",
                                  "gettimeofday",   "nanosleep",      "timer_create",
                                  "timer_delete",   "timer_gettime",  "timer_settime",
                                  "timerfd_create", "timerfd_settime"};
constexpr const char* waiting[] = {"epoll_create1", "epoll_ctl", "epoll_pwait",
                                   "epoll_wait",    "eventfd2",  "pipe2",
                                   "poll",          "ppoll",     "signalfd4"};
constexpr const char* inherited_sockets[] = {"accept4",    "getpeername", "getsockname",
                                             "getsockopt", "listen",      "recvmsg",
                                             "sendmsg",    "setsockopt",  "shutdown"};
/// QEMU itself, and its own, further filter.
constexpr const char* beginning[] = {"execve", "getrandom", "seccomp"};

constexpr const char* own_sockets[] = {"accept", "bind", "recvfrom", "sendto"};
constexpr const char* node_memory[] = {"get_mempolicy", "mbind", "sched_setaffinity",
                                       "set_mempolicy"};
constexpr const char* locked_memory[] = {"mlock", "mlock2", "mlockall", "munlock"};
constexpr const char* uring[] = {"io_uring_enter", "io_uring_register", "io_uring_setup"};
constexpr const char* native_aio[] = {"io_destroy", "io_getevents", "io_pgetevents", "io_setup",
                                      "io_submit"};

using Filter = std::unique_ptr<void, decltype([](void* filter) { ::seccomp_release(filter); })>;
using Compared = std::vector<scmp_arg_cmp>;

/// A filter in the making; the first error stays.
class Rules {
 public:
  explicit Rules(std::uint32_t otherwise) : filter_(::seccomp_init(otherwise)) {
    if (!filter_) result_ = -ENOMEM;
  }

  void allow(Names names) {
    for (const auto* const name : names) allow_if(name, {});
  }

  /// Several for one system call: any of them.
  void allow_if(const char* name, const Compared& arguments) {
    add(SCMP_ACT_ALLOW, name, arguments);
  }

  void deny(const char* name, int error) {
    add(SCMP_ACT_ERRNO(static_cast<std::uint32_t>(error)), name, {});
  }

  [[nodiscard]] Result<> load() {
    // For all threads, and without a way to find out by a longer call.
    if (result_ == 0) result_ = ::seccomp_load(filter_.get());
    if (result_ < 0) return std::unexpected(errno_error(-result_, "limit system calls"));
    return {};
  }

 private:
  void add(std::uint32_t action, const char* name, const Compared& arguments) {
    const int number = ::seccomp_syscall_resolve_name(name);
    // Each architecture has its own few; what it has not needs no rule.
    if (result_ < 0 || number == __NR_SCMP_ERROR || number < 0) return;
    result_ = ::seccomp_rule_add_array(filter_.get(), action, number,
                                       static_cast<unsigned>(arguments.size()), arguments.data());
  }

  Filter filter_;
  int result_ = 0;
};

std::vector<Names> wholly_allowed(const plan::Cage& cage) {
  std::vector<Names> groups = {files,    memory, threads, clocks, waiting, inherited_sockets,
                               beginning};
  if (cage.internet || cage.unix_sockets) groups.emplace_back(own_sockets);
  if (cage.places_memory) groups.emplace_back(node_memory);
  if (cage.locks_memory) groups.emplace_back(locked_memory);
  if (cage.io_uring) groups.emplace_back(uring);
  if (cage.native_aio) groups.emplace_back(native_aio);
  return groups;
}

void allow_sockets(const plan::Cage& cage, Rules& rules) {
  const auto family = [&](int number) {
    rules.allow_if("socket", {SCMP_A0(SCMP_CMP_EQ, static_cast<scmp_datum_t>(number))});
  };
  if (cage.internet) {
    family(AF_INET);
    family(AF_INET6);
  }
  if (cage.unix_sockets) {
    family(AF_UNIX);
    rules.allow_if("socketpair", {SCMP_A0(SCMP_CMP_EQ, AF_UNIX)});
  }
  if (cage.connects) rules.allow_if("connect", {});
}

/// Memory that can be written and executed is for TCG alone.
void allow_mapping(const plan::Cage& cage, Rules& rules) {
  if (cage.makes_code) {
    rules.allow_if("mmap", {});
    rules.allow_if("mprotect", {});
    return;
  }
  rules.allow_if("mmap", {SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0)});
  rules.allow_if("mmap", {SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_WRITE, 0)});
  rules.allow_if("mprotect", {SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0)});
}

/// Of itself and its threads, and of nobody else.
void allow_on_itself(Rules& rules) {
  const auto self = static_cast<scmp_datum_t>(::getpid());  // The same after execve.
  rules.allow_if("tgkill", {SCMP_A0(SCMP_CMP_EQ, self)});
  rules.allow_if("kill", {SCMP_A0(SCMP_CMP_EQ, self)});
  rules.allow_if("prlimit64", {SCMP_A0(SCMP_CMP_EQ, 0), SCMP_A2(SCMP_CMP_EQ, 0)});
  rules.allow_if("clone", {SCMP_A0(SCMP_CMP_MASKED_EQ, HV_CLONE_THREAD, HV_CLONE_THREAD)});
  // Its flags are in memory, where no filter sees them: glibc then takes clone.
  rules.deny("clone3", ENOSYS);
  constexpr int harmless[] = {PR_SET_NAME,    PR_GET_NAME, PR_SET_TIMERSLACK, PR_SET_NO_NEW_PRIVS,
                              PR_SET_SECCOMP, PR_MCE_KILL, PR_CAPBSET_READ};
  for (const int operation : harmless)
    rules.allow_if("prctl", {SCMP_A0(SCMP_CMP_EQ, static_cast<scmp_datum_t>(operation))});
}

/// What QEMU tries, and does without: no reason to end it in a strict cage.
void refuse_what_is_optional(const plan::Cage& cage, Rules& rules) {
  if (!cage.io_uring) rules.deny("io_uring_setup", ENOSYS);
  if (!cage.places_memory) rules.deny("get_mempolicy", ENOSYS);
}

}  // namespace

Result<> limit_system_calls(const plan::Cage& cage) {
  const bool strict = cage.confinement == profiles::Confinement::strict;
  Rules rules(strict ? SCMP_ACT_KILL_PROCESS : SCMP_ACT_ERRNO(EPERM));
  for (const auto group : wholly_allowed(cage)) rules.allow(group);
  allow_sockets(cage, rules);
  allow_mapping(cage, rules);
  allow_on_itself(rules);
  refuse_what_is_optional(cage, rules);
  return rules.load();
}

std::size_t count_system_calls(const plan::Cage& cage) {
  std::size_t count = 7;  // mmap, mprotect, tgkill, kill, prlimit64, clone, prctl.
  for (const auto group : wholly_allowed(cage)) count += group.size();
  if (cage.internet || cage.unix_sockets) ++count;  // socket.
  if (cage.unix_sockets) ++count;                   // socketpair.
  if (cage.connects) ++count;
  return count;
}

}  // namespace hv::run
