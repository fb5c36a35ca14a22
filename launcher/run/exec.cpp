// SPDX-License-Identifier: MIT
#include "launcher/run/exec.h"

#include "launcher/base/unix_socket.h"
#include "launcher/run/cage.h"
#include "launcher/run/pins.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <linux/sockios.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>

namespace hv::run {
namespace {

Result<UniqueFd> listen_on(const Place& place, const std::string& path) {
  const auto address = TRY(unix_address(path));
  TRY(place.root.remove(path));
  UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd || ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) < 0 ||
      ::listen(fd.get(), 8) < 0)
    return fail_errno("listen on {}", path);
  return fd;
}

/// A tap in `bridge`. It has no life of its own: when QEMU's descriptor is
/// closed the kernel removes the interface, however QEMU ends.
Result<UniqueFd> open_tap(const Place& place, const std::string& bridge) {
  auto tap = TRY(place.root.open_file("/dev/net/tun", O_RDWR | O_NONBLOCK));
  ifreq request{};
  std::string_view("hv%d").copy(request.ifr_name, IFNAMSIZ - 1);
  request.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR;
  if (::ioctl(tap.get(), TUNSETIFF, &request) < 0) return fail_errno("make a tap");
  const std::string name = request.ifr_name;

  const UniqueFd control(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  request = {};
  name.copy(request.ifr_name, IFNAMSIZ - 1);
  if (::ioctl(control.get(), SIOCGIFINDEX, &request) < 0) return fail_errno("find tap {}", name);
  const int index = request.ifr_ifindex;
  request = {};
  bridge.copy(request.ifr_name, IFNAMSIZ - 1);
  request.ifr_ifindex = index;
  if (::ioctl(control.get(), SIOCBRADDIF, &request) < 0)
    return fail_errno("put tap {} into bridge {}", name, bridge);
  request = {};
  name.copy(request.ifr_name, IFNAMSIZ - 1);
  request.ifr_flags = IFF_UP;
  if (::ioctl(control.get(), SIOCSIFFLAGS, &request) < 0) return fail_errno("bring {} up", name);
  return tap;
}

Result<UniqueFd> tap_for_guest(const Place& place, const std::string& bridge) {
  auto tap = open_tap(place, bridge);
  if (tap) return tap;
  auto error = in_context(std::move(tap).error(), fmt::format("making a tap in bridge {}", bridge));
  if (error.fault != Fault::permission) return std::unexpected(std::move(error));
  return std::unexpected(with_hint(
      std::move(error),
      "only root may make one: start the guest as root, or set \"network\": {\"mode\": \"user\"}"));
}

Result<UniqueFd> open_direct(const Root& root, const std::string& path) {
  auto file = root.open_file(path, O_RDWR | O_DIRECT);
  if (file || file.error().os_error != EINVAL) return file;
  return std::unexpected(with_hint(
      {.fault = Fault::missing,
       .id = "no-direct-io",
       .message = fmt::format("the file system of {} cannot pass the host's cache by", path)},
      "take \"cache\": \"writeback\" in \"storage\", or put the disk on another file system"));
}

Result<UniqueFd> open_handle(const Place& place, const plan::Descriptor& descriptor, int lock) {
  switch (descriptor.handle) {
    case plan::Handle::lock: {
      UniqueFd fd(::fcntl(lock, F_DUPFD_CLOEXEC, 3));
      if (!fd) return fail_errno("pass the lock on");
      return fd;
    }
    case plan::Handle::listener: return listen_on(place, descriptor.path);
    case plan::Handle::connection: return connect_unix(descriptor.path);
    case plan::Handle::tap: return tap_for_guest(place, descriptor.path);
    case plan::Handle::directory:
      return place.root.open_file(descriptor.path, O_PATH | O_DIRECTORY);
    case plan::Handle::direct_file: return open_direct(place.root, descriptor.path);
    case plan::Handle::file: return place.root.open_file(descriptor.path, O_RDONLY);
    case plan::Handle::vhost_net:
    case plan::Handle::vhost_vsock:
    case plan::Handle::writable_file: return place.root.open_file(descriptor.path, O_RDWR);
  }
  std::unreachable();
}

/// A descriptor, and the number that the arguments name it by.
using Passed = std::vector<std::pair<UniqueFd, int>>;

Result<Passed> open_all(const Place& place, const plan::Plan& plan, int lock) {
  constexpr int out_of_the_way = 100;
  Passed passed;
  for (const auto& descriptor : plan.descriptors) {
    const auto fd = TRY(open_handle(place, descriptor, lock));
    passed.emplace_back(::fcntl(fd.get(), F_DUPFD_CLOEXEC, out_of_the_way), descriptor.number);
    if (!passed.back().first) return fail_errno("pass descriptor {}", descriptor.number);
  }
  return passed;
}

/// All others are closed at exec.
Result<> put_in_place(const Passed& passed) {
  if (::close_range(3, ~0U, CLOSE_RANGE_CLOEXEC) < 0) return fail_errno("close descriptors");
  for (const auto& [fd, number] : passed)
    if (::dup2(fd.get(), number) < 0) return fail_errno("pass descriptor {}", number);
  return {};
}

Result<> redirect_output(const Place& place) {
  const auto log = TRY(place.root.open_file(place.file("qemu.log"), O_WRONLY | O_CREAT | O_APPEND,
                                            0600, Links::refuse));
  const UniqueFd nothing(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  if (!nothing || ::dup2(nothing.get(), 0) < 0 || ::dup2(log.get(), 1) < 0 ||
      ::dup2(log.get(), 2) < 0)
    return fail_errno("redirect QEMU's output");
  return {};
}

/// What a program inherits besides descriptors, as QEMU should find it.
void reset_process() {
  (void)::setsid();  // Fails only for a leader of a session, which is as good.
  ::umask(077);
  if (::chdir("/") < 0) return;
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  for (int number = 1; number < NSIG; ++number) ::signal(number, SIG_DFL);
  // A core of QEMU would hold the guest's memory.
  constexpr rlimit no_core{.rlim_cur = 0, .rlim_max = 0};
  ::setrlimit(RLIMIT_CORE, &no_core);
}

Result<> allow_locked_memory(std::uint64_t mib) {
  if (mib == 0) return {};
  rlimit limit{};
  ::getrlimit(RLIMIT_MEMLOCK, &limit);
  const auto wanted = mib << 20U;
  if (limit.rlim_cur >= wanted) return {};
  limit.rlim_cur = wanted;
  limit.rlim_max = std::max<rlim_t>(limit.rlim_max, wanted);
  if (::setrlimit(RLIMIT_MEMLOCK, &limit) == 0) return {};
  return std::unexpected(with_hint(
      {.fault = Fault::permission,
       .id = "memlock-limit",
       .message =
           fmt::format("QEMU must be able to lock {} MiB of memory, and this user may not", mib)},
      fmt::format("as root: put `{{user}} hard memlock {}` into /etc/security/limits.d, or "
                  "LimitMEMLOCK= into the unit; then log in again",
                  wanted >> 10U)));
}

}  // namespace

Error become_qemu(const Place& place, const plan::Plan& plan, int lock) {
  reset_process();
  if (auto done = redirect_output(place); !done) return std::move(done).error();
  if (auto done = allow_locked_memory(plan.locked_memory_mib); !done)
    return std::move(done).error();
  if (auto done = enter_emulator_cpus(plan.pins); !done) return std::move(done).error();
  const auto passed = open_all(place, plan, lock);
  if (!passed) return in_context(passed.error(), "handing descriptors to QEMU");
  // In a mount namespace of its own, `place.root` may be a tree that has come apart.
  auto cage = ReadyCage::make(place.root, plan.cage, plan.binary);
  if (!cage) return std::move(cage).error();
  // From here on there is no way to files: QEMU's descriptors take the numbers.
  if (auto done = put_in_place(*passed); !done)
    return in_context(std::move(done).error(), "handing descriptors to QEMU");

  auto arguments = argv_of(plan);
  std::vector<char*> argv;
  argv.reserve(arguments.size() + 1);
  for (auto& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  std::string locale = "LC_ALL=C";
  std::string path = "PATH=/usr/bin:/bin";
  if (auto done = (*std::move(cage)).enter(); !done)
    return in_context(std::move(done).error(), "entering QEMU's cage");
  std::array<char*, 3> environment = {locale.data(), path.data(), nullptr};
  ::execve(plan.binary.c_str(), argv.data(), environment.data());
  return errno_error(errno, "execute " + plan.binary);
}

}  // namespace hv::run
