// SPDX-License-Identifier: MIT
#include "launcher/run/unit.h"

#include "launcher/base/text.h"
#include "launcher/run/process.h"

#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <chrono>

namespace hv::run {
namespace {

constexpr std::chrono::milliseconds to_end_by_itself{500};
constexpr std::chrono::seconds to_be_killed{10};

/// The control group of a process (cgroup v2; the line "0::/…"); empty: it has ended.
std::string group_of(const Root& root, pid_t pid) {
  const auto text = root.read(fmt::format("/proc/{}/cgroup", pid));
  if (!text) return "";
  for (const auto line : split(*text, '\n'))
    if (line.starts_with("0::")) return std::string(line.substr(3));
  return "";
}

/// "/a.slice/hvlaunch@web.service/.control" up to the unit's own directory; empty: not of the unit.
std::string up_to_unit(std::string_view group, std::string_view vm) {
  const auto unit = "/" + unit_of(vm);
  const auto at = group.find(unit);
  if (at == std::string_view::npos) return "";
  const auto end = at + unit.size();
  return end == group.size() || group[end] == '/' ? std::string(group.substr(0, end)) : "";
}

/// Of the unit's own group, of QEMU's, and of the one that systemd makes beside
/// it for the later stages.
std::vector<pid_t> members(const Root& root, const std::string& group) {
  std::vector<pid_t> pids;
  if (group.empty()) return pids;
  for (const auto* const part : {"", "/guest", "/.control"}) {
    const auto text = root.read("/sys/fs/cgroup" + group + part + "/cgroup.procs");
    if (!text) continue;
    for (const auto line : split(*text, '\n')) {
      pid_t pid = 0;
      (void)std::from_chars(line.data(), line.data() + line.size(), pid);
      if (pid > 0 && pid != ::getpid()) pids.push_back(pid);
    }
  }
  return pids;
}

/// Held by pidfd, and seen to be of the unit after that: the number may be another's by now.
std::vector<UniqueFd> processes(const Place& place, const std::string& group) {
  std::vector<UniqueFd> held;
  for (const auto pid : members(place.root, group)) {
    UniqueFd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
    if (pidfd && runs_in_unit(place.root, place.vm, pid)) held.push_back(std::move(pidfd));
  }
  return held;
}

bool all_end_within(const std::vector<UniqueFd>& pidfds, std::chrono::milliseconds time) {
  const auto deadline = std::chrono::steady_clock::now() + time;
  return std::ranges::all_of(pidfds, [&](const UniqueFd& pidfd) {
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    return ends_within(pidfd, std::max(left, std::chrono::milliseconds(0)));
  });
}

}  // namespace

std::string unit_of(std::string_view vm) {
  return fmt::format("hvlaunch@{}.service", vm);
}

std::string watch_unit_of(std::string_view vm) {
  return fmt::format("hvlaunch-watch@{}.service", vm);
}

std::string unit_group_of(const Root& root, std::string_view vm, pid_t pid) {
  return up_to_unit(group_of(root, pid), vm);
}

bool runs_in_unit(const Root& root, std::string_view vm, pid_t pid) {
  return !up_to_unit(group_of(root, pid), vm).empty();
}

Result<bool> end_await(const Place& place, pid_t qemu) {
  constexpr std::string_view stage("\0await\0", 7);
  bool found = false;
  for (const auto pid : members(place.root, up_to_unit(group_of(place.root, qemu), place.vm))) {
    const UniqueFd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
    const auto words = place.root.read_raw(fmt::format("/proc/{}/cmdline", pid));
    if (!pidfd || !words || !words->contains(stage) || !runs_in_unit(place.root, place.vm, pid))
      continue;
    TRY(send_signal(pidfd, SIGTERM));
    found = ends_within(pidfd, to_be_killed);
  }
  return found;
}

Result<> empty_own_unit(const Place& place) {
  const auto group = up_to_unit(group_of(place.root, ::getpid()), place.vm);
  if (group.empty()) return {};
  auto left = processes(place, group);
  if (all_end_within(left, to_end_by_itself)) return {};
  // Again, for what they started meanwhile.
  constexpr int tries = 8;
  for (int i = 0; i < tries && !left.empty(); ++i) {
    for (const auto& pidfd : left) TRY(send_signal(pidfd, SIGKILL));
    if (!all_end_within(left, to_be_killed)) break;
    left = processes(place, group);
  }
  if (left.empty()) return {};
  return std::unexpected(with_hint(
      {.fault = Fault::timed_out,
       .id = "unkillable",
       .message = fmt::format("processes of {} were killed and do not end", unit_of(place.vm))},
      "one is stuck in the kernel, most likely in a device or file system that does not "
      "answer: see `dmesg`"));
}

}  // namespace hv::run
