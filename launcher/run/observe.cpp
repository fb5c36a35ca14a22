// SPDX-License-Identifier: MIT
#include "launcher/run/observe.h"

#include "launcher/base/text.h"
#include "launcher/run/lock.h"
#include "launcher/run/monitor.h"
#include "launcher/run/process.h"
#include "qmp/read.h"

#include <time.h>
#include <unistd.h>
#include <boost/json/value.hpp>

#include <array>
#include <charconv>

namespace hv::run {
namespace {

std::uint64_t number(std::string_view text) {
  std::uint64_t value = 0;
  (void)std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

/// A field of /proc/PID/stat, counted as proc(5) does; the name in parentheses
/// may hold anything.
std::uint64_t stat_field(std::string_view stat, std::size_t field) {
  const auto after_name = stat.rfind(") ");
  if (after_name == std::string_view::npos) return 0;
  const auto fields = split(stat.substr(after_name + 2), ' ');
  constexpr std::size_t first = 3;
  return field - first < fields.size() ? number(fields[field - first]) : 0;
}

std::chrono::seconds uptime_of(const Root& root, pid_t pid) {
  const auto stat = root.read(fmt::format("/proc/{}/stat", pid));
  timespec now{};
  if (!stat || ::clock_gettime(CLOCK_BOOTTIME, &now) < 0) return {};
  constexpr std::size_t start_time = 22;
  const auto started =
      stat_field(*stat, start_time) / static_cast<std::uint64_t>(::sysconf(_SC_CLK_TCK));
  return std::chrono::seconds(now.tv_sec - static_cast<std::int64_t>(started));
}

std::uint64_t resident_kib(const Root& root, pid_t pid) {
  const auto text = root.read(fmt::format("/proc/{}/statm", pid));
  if (!text) return 0;
  const auto fields = split(*text, ' ');
  return fields.size() < 2
             ? 0
             : number(fields[1]) * (static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE)) / 1024);
}

/// The first field of schedstat: nanoseconds on a CPU (Documentation/scheduler/sched-stats.rst).
std::chrono::nanoseconds cpu_time(const Root& root, pid_t pid, pid_t thread) {
  const auto text = root.read(fmt::format("/proc/{}/task/{}/schedstat", pid, thread));
  return std::chrono::nanoseconds(text ? number(*text) : 0);
}

void ask_qemu(const Place& place, Detail detail, std::chrono::milliseconds timeout,
              Observation& seen) {
  seen.activity = Activity::unresponsive;
  auto client = qmp::Client::connect(place.monitor(), {.timeout = timeout});
  if (!client) return;
  const std::array requests = {qmp::Request{"query-status"}, qmp::Request{"query-cpus-fast"}};
  const auto asked = std::span(requests).first(detail == Detail::everything ? 2 : 1);
  auto replies = client->execute_all(asked);
  if (!replies || !replies->front()) return;
  const auto status = qmp::QueryStatus::read(*replies->front());
  if (!status) return;
  seen.qemu_status = printable(status->status);
  seen.activity = status->running ? Activity::running : Activity::paused;
  if (replies->size() < 2 || !replies->back()) return;
  const auto cpus = qmp::QueryCpusFast::read(*replies->back());
  if (!cpus) return;
  for (const auto& cpu : *cpus)
    seen.vcpus.push_back(
        {.index = cpu.index,
         .thread = cpu.thread_id,
         .cpu_time = cpu_time(place.root, static_cast<pid_t>(seen.pid), cpu.thread_id)});
}

}  // namespace

std::string_view to_string(Activity activity) {
  switch (activity) {
    case Activity::stopped: return "stopped";
    case Activity::starting: return "starting";
    case Activity::running: return "running";
    case Activity::paused: return "paused";
    case Activity::unresponsive: return "unresponsive";
    case Activity::stopping: return "stopping";
  }
  std::unreachable();
}

Observation observe(const Place& place, Detail detail, std::chrono::milliseconds timeout) {
  Observation seen;
  const bool locked = is_locked(place.root, place.lock());
  // A lock file that was removed under a guest is looked for where it matters.
  if (!locked && (detail != Detail::everything || place.root.exists(place.lock()))) return seen;
  seen.state = load_state(place);
  const auto hint = static_cast<pid_t>(seen.state ? seen.state->pid : 0);
  const auto holder = find_holder(place.root, place.lock(), lock_number, hint);
  if (!holder) {
    if (!locked)
      seen.state.reset();
    else
      seen.activity = is_taken_apart(place.root, hint) ? Activity::stopping : Activity::starting;
    return seen;
  }
  seen.pid = holder->pid;
  ask_qemu(place, detail, timeout, seen);
  if (detail == Detail::activity) return seen;
  seen.uptime = uptime_of(place.root, holder->pid);
  seen.resident_kib = resident_kib(place.root, holder->pid);
  seen.watched = is_locked(place.root, place.file("watch.lock"));
  return seen;
}

std::vector<std::string> active_vms(const Root& root, const Paths& paths) {
  auto names = root.list(paths.runtime).value_or(std::vector<std::string>{});
  std::erase_if(names, [](const std::string& name) { return !profiles::is_vm_name(name); });
  return names;
}

}  // namespace hv::run
