// SPDX-License-Identifier: MIT
//
// Stands in QEMU's place. Asked what it can do, it is the real QEMU; started as
// a guest, it tries what whoever took QEMU over would try, and prints for each
// "denied" or "DONE", and how the kernel answered. See tests/integration/test_cage.py.
//
// What is tried on files is named by the environment file beside it, "targets":
// lines "<kind> <path>", with kinds read, write, remove, connect, execute.
#include <fcntl.h>
#include <linux/landlock.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

namespace {

int tried = 0;

void report(const std::string& what, bool done) {
  const int error = errno;
  ++tried;
  std::printf("%s\t%s\t%s\n", done ? "DONE" : "denied", what.c_str(),
              done ? "" : std::strerror(error));
  std::fflush(stdout);  // The next try may be the end.
}

/// A system call by its number; what it returns on success is not negative.
template <class... Arguments>
void call(const char* what, long number, Arguments... arguments) {
  errno = 0;
  report(what, ::syscall(number, arguments...) >= 0);
}

bool opens(const std::string& path, int flags) {
  const int fd = ::open(path.c_str(), flags | O_CLOEXEC | O_NONBLOCK, 0600);
  if (fd >= 0) ::close(fd);
  return fd >= 0;
}

bool connects(const std::string& path) {
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return false;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  // An abstract name begins with a NUL: written here as '@'.
  if (path.starts_with('@')) address.sun_path[0] = '\0';
  const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size());
  return ::connect(fd, reinterpret_cast<const sockaddr*>(&address), length) == 0;
}

void try_targets(const std::string& list) {
  std::ifstream lines(list);
  for (std::string kind, path; lines >> kind >> path;) {
    errno = 0;
    bool done = false;
    if (kind == "read") done = opens(path, O_RDONLY);
    if (kind == "write") done = opens(path, O_WRONLY);
    if (kind == "create") done = opens(path, O_WRONLY | O_CREAT);
    if (kind == "remove") done = ::unlink(path.c_str()) == 0;
    if (kind == "connect") done = connects(path);
    report(kind + " " + path, done);
  }
}

void try_processes(pid_t other) {
  call("signal another process", SYS_kill, other, 0);
  call("signal init", SYS_kill, 1, 0);
  call("signal every process", SYS_kill, -1, 0);
  call("signal a thread of another process", SYS_tgkill, other, other, 0);
  call("tkill", SYS_tkill, other, 0);
  call("queue a signal", SYS_rt_sigqueueinfo, other, 0, nullptr);
  call("pidfd_open", SYS_pidfd_open, other, 0);
  call("pidfd_send_signal", SYS_pidfd_send_signal, 0, 0, nullptr, 0);
  call("pidfd_getfd", SYS_pidfd_getfd, 0, 0, 0);
  call("ptrace another process", SYS_ptrace, PTRACE_SEIZE, other, nullptr, nullptr);
  call("ptrace me", SYS_ptrace, PTRACE_TRACEME, 0, nullptr, nullptr);
  char byte = 0;
  iovec memory{&byte, 1};
  call("read another's memory", SYS_process_vm_readv, other, &memory, 1, &memory, 1, 0);
  call("write another's memory", SYS_process_vm_writev, other, &memory, 1, &memory, 1, 0);
  call("kcmp", SYS_kcmp, ::getpid(), other, 0, 0, 0);
  call("fork", SYS_clone, SIGCHLD, nullptr, nullptr, nullptr, nullptr);
  call("vfork", SYS_vfork);
  call("clone3", SYS_clone3, nullptr, 0);
  call("raise a priority", SYS_setpriority, PRIO_PROCESS, 0, -5);
  call("real-time scheduling", SYS_sched_setscheduler, 0, SCHED_FIFO, &byte);
  call("sched_setattr", SYS_sched_setattr, 0, &byte, 0);
  unsigned long cpus = ~0UL;
  call("another's CPUs", SYS_sched_setaffinity, other, sizeof cpus, &cpus);
  call("ioprio_set", SYS_ioprio_set, 1, 0, 0);
  rlimit limit{};
  call("another's limits", SYS_prlimit64, other, RLIMIT_NOFILE, nullptr, &limit);
  limit = {.rlim_cur = 1, .rlim_max = RLIM_INFINITY};
  call("limits of its own", SYS_prlimit64, 0, RLIMIT_CORE, &limit, nullptr);
  call("move pages of another", SYS_move_pages, other, 0, nullptr, nullptr, nullptr, 0);
  call("migrate another", SYS_migrate_pages, other, 0, nullptr, nullptr);
  call("process_madvise", SYS_process_madvise, 0, &memory, 1, 0, 0);
}

void try_programs(const char* self) {
  for (const auto* const path : {"/bin/sh", "/usr/bin/env", "/usr/bin/python3", "/bin/cat"}) {
    char* const argv[] = {const_cast<char*>(path), nullptr};
    errno = 0;
    ::execve(path, argv, nullptr);
    report(std::string("execute ") + path, false);
  }
  const int memory = ::memfd_create("program", 0);
  std::ifstream binary("/usr/bin/true", std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(binary), {}};
  (void)!::write(memory, bytes.data(), bytes.size());
  char* const argv[] = {const_cast<char*>("true"), nullptr};
  call("execute memory", SYS_execveat, memory, "", argv, argv + 1, AT_EMPTY_PATH);
  (void)self;
}

void try_identity() {
  call("setuid", SYS_setuid, 0);
  call("setresuid", SYS_setresuid, 0, 0, 0);
  call("setreuid", SYS_setreuid, 0, 0);
  call("setgid", SYS_setgid, 0);
  call("setresgid", SYS_setresgid, 0, 0, 0);
  call("setgroups", SYS_setgroups, 0, nullptr);
  call("setfsuid", SYS_setfsuid, 12345);
  call("capset", SYS_capset, nullptr, nullptr);
  call("setsid", SYS_setsid);
  call("setpgid", SYS_setpgid, 0, 0);
  call("personality", SYS_personality, 0x0040000);
  call("keep capabilities", SYS_prctl, PR_SET_KEEPCAPS, 1, 0, 0, 0);
  call("securebits", SYS_prctl, PR_SET_SECUREBITS, 0, 0, 0, 0);
  call("ambient capability", SYS_prctl, PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, 21, 0, 0);
  call("become a subreaper", SYS_prctl, PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
  call("be traced by anybody", SYS_prctl, PR_SET_PTRACER, -1L, 0, 0, 0);
  call("be dumped", SYS_prctl, PR_SET_DUMPABLE, 1, 0, 0, 0);
  call("move what /proc shows", SYS_prctl, PR_SET_MM, PR_SET_MM_BRK, 0, 0, 0);
}

void try_namespaces() {
  const struct {
    const char* name;
    int flag;
  } namespaces[] = {{"user", CLONE_NEWUSER},     {"mount", CLONE_NEWNS}, {"network", CLONE_NEWNET},
                    {"pid", CLONE_NEWPID},       {"ipc", CLONE_NEWIPC},  {"uts", CLONE_NEWUTS},
                    {"cgroup", CLONE_NEWCGROUP}, {"time", 0x80}};
  for (const auto& [name, flag] : namespaces)
    call((std::string("unshare ") + name).c_str(), SYS_unshare, flag);
  call("setns", SYS_setns, 0, 0);
  call("mount", SYS_mount, "none", "/mnt", "tmpfs", 0, nullptr);
  call("bind mount", SYS_mount, "/etc", "/mnt", nullptr, 4096, nullptr);
  call("umount", SYS_umount2, "/proc", 2);
  call("pivot_root", SYS_pivot_root, "/", "/");
  call("chroot", SYS_chroot, "/tmp");
  call("fsopen", SYS_fsopen, "tmpfs", 0);
  call("open_tree", SYS_open_tree, -100, "/", 1);
  call("move_mount", SYS_move_mount, -100, "/", -100, "/mnt", 0);
  call("mount_setattr", SYS_mount_setattr, -100, "/", 0, nullptr, 0);
}

void try_kernel() {
  char byte = 0;
  call("load a module", SYS_init_module, &byte, 1, "");
  call("load a module from a file", SYS_finit_module, 0, "", 0);
  call("unload a module", SYS_delete_module, "kvm", 0);
  call("kexec", SYS_kexec_load, 0, 0, nullptr, 0);
  call("kexec from a file", SYS_kexec_file_load, 0, 0, 0, nullptr, 0);
  call("switch Ctrl-Alt-Del off", SYS_reboot, 0xfee1dead, 672274793, 0, nullptr);
  call("swap on", SYS_swapon, "/dev/null", 0);
  call("swap off", SYS_swapoff, "/dev/null");
  call("host name", SYS_sethostname, "x", 1);
  call("domain name", SYS_setdomainname, "x", 1);
  call("set the clock", SYS_clock_settime, 0, nullptr);
  call("settimeofday", SYS_settimeofday, nullptr, nullptr);
  call("adjust the clock", SYS_adjtimex, nullptr);
  call("clock_adjtime", SYS_clock_adjtime, 0, nullptr);
#ifdef SYS_iopl
  call("I/O ports", SYS_iopl, 3);
  call("an I/O port", SYS_ioperm, 0x80, 1, 1);
  call("modify_ldt", SYS_modify_ldt, 0, &byte, 0);
#endif
  call("bpf", SYS_bpf, 0, nullptr, 0);
  call("perf", SYS_perf_event_open, nullptr, 0, -1, -1, 0);
  call("userfaultfd", SYS_userfaultfd, 0);
  call("read the kernel's log", SYS_syslog, 3, &byte, 1);
  call("accounting", SYS_acct, nullptr);
  call("quotas", SYS_quotactl, 0, nullptr, 0, nullptr);
  call("hang up", SYS_vhangup);
  call("keys: add", SYS_add_key, "user", "x", "y", 1, -3);
  call("keys: ask", SYS_request_key, "user", "x", nullptr, -3);
  call("keys: control", SYS_keyctl, 0, -3, 0);
  call("System V shared memory", SYS_shmget, 1, 4096, 01666);
  call("System V semaphores", SYS_semget, 1, 1, 01666);
  call("System V messages", SYS_msgget, 1, 01666);
  call("POSIX messages", SYS_mq_open, "x", O_CREAT | O_RDWR, 0666, nullptr);
  call("fanotify", SYS_fanotify_init, 0, 0);
  call("inotify", SYS_inotify_init1, 0);
  call("open by handle", SYS_open_by_handle_at, -100, nullptr, 0);
  call("io_uring", SYS_io_uring_setup, 1, nullptr);
  call("secret memory", SYS_memfd_secret, 0);
  call("process_mrelease", SYS_process_mrelease, 0, 0);
  call("lookup_dcookie", SYS_lookup_dcookie, 0, &byte, 1);
}

void try_files(const std::string& own, const std::string& other) {
  call("mkdir", SYS_mkdirat, -100, (own + "/new").c_str(), 0700);
  call("rmdir", SYS_unlinkat, -100, own.c_str(), AT_REMOVEDIR);
  call("mknod", SYS_mknodat, -100, (own + "/node").c_str(), S_IFCHR | 0666, 0x101);
  call("link", SYS_linkat, -100, other.c_str(), -100, (own + "/link").c_str(), 0);
  call("symlink", SYS_symlinkat, "/etc/shadow", -100, (own + "/planted").c_str());
  call("rename", SYS_renameat2, -100, (own + "/lock").c_str(), -100, (own + "/x").c_str(), 0);
  call("chmod", SYS_fchmodat, -100, other.c_str(), 0777);
  call("chown", SYS_fchownat, -100, other.c_str(), 1, 1, 0);
  call("truncate", SYS_truncate, other.c_str(), 0);
  call("set times", SYS_utimensat, -100, other.c_str(), nullptr, 0);
  call("set an attribute", SYS_setxattr, other.c_str(), "user.x", "y", 1, 0);
  call("remove an attribute", SYS_removexattr, other.c_str(), "user.x");
  call("go elsewhere", SYS_chdir, "/etc");
  call("sync everything", SYS_sync);
}

void try_network() {
  const struct {
    const char* name;
    int family, type, protocol;
  } sockets[] = {{"TCP", AF_INET, SOCK_STREAM, 0},
                 {"UDP", AF_INET6, SOCK_DGRAM, 0},
                 {"raw", AF_INET, SOCK_RAW, IPPROTO_ICMP},
                 {"raw IPv6", AF_INET6, SOCK_RAW, IPPROTO_ICMPV6},
                 {"packet", AF_PACKET, SOCK_RAW, 0},
                 {"netlink", AF_NETLINK, SOCK_RAW, 0},
                 {"kobject events", AF_NETLINK, SOCK_DGRAM, 15},
                 {"vsock", AF_VSOCK, SOCK_STREAM, 0},
                 {"Bluetooth", AF_BLUETOOTH, SOCK_RAW, 0},
                 {"crypto", AF_ALG, SOCK_SEQPACKET, 0},
                 {"XDP", AF_XDP, SOCK_RAW, 0},
                 {"CAN", AF_CAN, SOCK_RAW, 1},
                 {"TIPC", AF_TIPC, SOCK_STREAM, 0},
                 {"SMC", AF_SMC, SOCK_STREAM, 0},
                 {"UNIX", AF_UNIX, SOCK_STREAM, 0}};
  for (const auto& [name, family, type, protocol] : sockets)
    call((std::string(name) + " socket").c_str(), SYS_socket, family, type | SOCK_CLOEXEC,
         protocol);
}

/// What QEMU needs, and must still have: the cage is not a wall.
void keep(const char* what, bool works) {
  std::printf("%s\t%s\t%s\n", works ? "kept" : "LOST", what, works ? "" : std::strerror(errno));
}

void keep_what_qemu_needs(bool makes_code) {
  keep("memory of its own", ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE,
                                   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED);
  keep("libraries", opens("/usr/lib", O_RDONLY | O_DIRECTORY));
  keep("its lock", ::fcntl(3, F_GETFD) >= 0);
  keep("a name for its threads", ::prctl(PR_SET_NAME, "probe", 0, 0, 0) == 0);
  const bool code = ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
                           MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED;
  if (makes_code)
    keep("memory that is written and executed", code);
  else
    report("write and execute memory", code);
}

std::string beside(const char* self, std::string_view name) {
  const std::string path = self;
  return path.substr(0, path.rfind('/') + 1) + std::string(name);
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string_view> words(argv, argv + argc);
  bool guest = false;
  bool tcg = false;
  for (const auto word : words) {
    guest |= word.starts_with("guest=");
    tcg |= word == "tcg";
  }
  if (!guest) {
    ::execv("/usr/bin/qemu-system-x86_64", argv);
    return 127;
  }
  std::ifstream facts(beside(argv[0], "facts"));
  std::string own;
  std::string other;
  pid_t process = 0;
  facts >> own >> other >> process;
  keep_what_qemu_needs(tcg);
  try_targets(beside(argv[0], "targets"));
  try_files(own, other);
  try_processes(process);
  try_identity();
  try_namespaces();
  try_kernel();
  try_network();
  try_programs(argv[0]);
  std::printf("tried\t%d\n", tried);
}
