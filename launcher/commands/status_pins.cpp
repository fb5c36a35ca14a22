// SPDX-License-Identifier: MIT
#include "launcher/commands/status_pins.h"
#include "launcher/base/text.h"
#include "launcher/commands/load.h"
#include "launcher/commands/output.h"
#include "launcher/run/isolation.h"
#include "launcher/run/lock.h"
#include "launcher/run/monitor.h"
#include "launcher/run/pins.h"
#include "launcher/run/records.h"

#include <boost/json.hpp>

#include <algorithm>

namespace hv::commands {
namespace {

namespace json = boost::json;

Result<std::vector<run::PinnedThread>> threads_of(const run::Place& place) {
  const auto state = run::load_state(place);
  const auto qemu = run::find_holder(place.root, place.lock(), run::lock_number,
                                     static_cast<pid_t>(state ? state->pid : 0));
  if (!qemu) return std::unexpected(run::not_running(place));
  const auto pins = state ? run::pins_of(*state) : plan::ThreadPins();
  if (pins.vcpus.empty()) return {};
  auto monitor = TRY(run::connect_monitor(place));
  return run::compare_pins(place, qemu->pid, monitor, pins);
}

json::value quiet_json(const run::Quiet& quiet) {
  if (quiet.cpus.empty()) return nullptr;
  return json::object{{"cpus", to_string(quiet.cpus)},
                      {"slices", json::value_from(quiet.slices)},
                      {"interrupts", quiet.interrupts}};
}

void show_quiet(const run::Quiet& quiet) {
  if (quiet.cpus.empty()) return;
  const auto cpus = to_string(quiet.cpus);
  print(quiet.slices.empty()
            ? fmt::format("the host's programs stay off CPU {}", cpus)
            : fmt::format("CPU {} is open again to {}", cpus, join(quiet.slices, ", ")));
  print(fmt::format("; interrupts that may come there: {}\n", quiet.interrupts));
}

}  // namespace

Outcome show_pins(const Context& context, const run::Place& place) {
  const auto threads = TRY_OUTCOME(threads_of(place));
  const auto quiet = run::quiet_of(place);
  const auto drifted = std::ranges::count_if(threads, &run::PinnedThread::drifted);
  if (context.json) {
    json::array list;
    for (const auto& thread : threads)
      list.push_back(json::object{{"what", thread.what},
                                  {"thread", thread.id},
                                  {"intended", to_string(thread.intended)},
                                  {"actual", to_string(thread.actual)},
                                  {"scheduler", thread.scheduler},
                                  {"drifted", thread.drifted()}});
    print_json(json::object{{"name", place.vm},
                            {"threads", std::move(list)},
                            {"drifted", drifted},
                            {"isolated", quiet_json(quiet)}});
    return {};
  }
  if (threads.empty()) {
    say(context, fmt::format("{}: nothing is pinned", place.vm));
    return {};
  }
  std::vector<std::vector<std::string>> rows = {
      {"WHAT", "THREAD", "INTENDED", "ACTUAL", "SCHEDULER", ""}};
  for (const auto& thread : threads)
    rows.push_back({thread.what, std::to_string(thread.id), to_string(thread.intended),
                    to_string(thread.actual), thread.scheduler,
                    thread.drifted() ? "drifted" : "as planned"});
  print(table(rows));
  show_quiet(quiet);
  if (drifted != 0)
    say(context, fmt::format("{} of {} threads are not where they were put: somebody has moved "
                             "them since the start",
                             drifted, threads.size()));
  return {};
}

}  // namespace hv::commands
