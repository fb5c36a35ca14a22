// SPDX-License-Identifier: MIT
//
// Guests while the host is suspended: hvlaunch-sleep.service runs the first of these
// commands before sleep.target, and the second when the host is awake again.
#include "launcher/commands/commands.h"
#include "launcher/commands/load.h"
#include "launcher/commands/output.h"
#include "launcher/commands/shutdown.h"
#include "launcher/run/agent.h"
#include "launcher/run/lock.h"
#include "launcher/run/monitor.h"
#include "launcher/run/observe.h"
#include "launcher/run/records.h"
#include "profiles/words.h"

#include <boost/json.hpp>

namespace hv::commands {
namespace {

using profiles::HostSleep;

/// A guest that runs, and what its profile said when it was started.
struct Sleeper {
  run::Place place;
  HostSleep wish;
};

/// Beside the guest's other files, and gone with them: it was running before.
std::string mark_of(const run::Place& place) {
  return place.file("asleep");
}

std::vector<Sleeper> sleepers(const Context& context) {
  std::vector<Sleeper> found;
  for (const auto& name : run::active_vms(context.root, context.paths)) {
    const auto place = place_of(context, name);
    if (!place) continue;
    const auto state = run::load_state(*place);
    const auto hint = static_cast<pid_t>(state ? state->pid : 0);
    if (!run::find_holder(context.root, place->lock(), run::lock_number, hint)) continue;
    auto wish = HostSleep::pause;
    for (const auto& [word, value] : profiles::host_sleep_words)
      if (state && word == state->host_sleep) wish = value;
    found.push_back({*place, wish});
  }
  return found;
}

Result<> pause(const run::Place& place) {
  auto monitor = TRY(run::connect_monitor(place));
  const auto status = TRY(run::ask(monitor, ::qmp::QueryStatus{}));
  if (!status.running) return {};  // It stays as somebody left it.
  TRY(place.root.replace(mark_of(place), ""));
  TRY(run::ask(monitor, ::qmp::Stop{}));
  return {};
}

/// Its clock has stood still meanwhile; a guest agent sets it right.
Result<> wake(const run::Place& place) {
  if (!place.root.exists(mark_of(place))) return {};
  auto monitor = TRY(run::connect_monitor(place));
  const auto status = TRY(run::ask(monitor, ::qmp::QueryStatus{}));
  if (!status.running) TRY(run::ask(monitor, ::qmp::Cont{}));
  TRY(place.root.remove(mark_of(place)));
  constexpr std::chrono::milliseconds patience{500};
  if (run::agent_listens(monitor, patience)) TRY(run::tell_agent(place, "guest-set-time"));
  return {};
}

Result<> put_to_sleep(const Context& context, const Sleeper& guest) {
  if (guest.wish == HostSleep::shutdown)
    return shut_down(context, guest.place, run::Rung::agent, Report::talk);
  return guest.wish == HostSleep::pause ? pause(guest.place) : Result<>();
}

}  // namespace

Outcome host_sleep_command(Context& context, const Arguments& /*arguments*/) {
  const auto guests = sleepers(context);
  Errors awake;
  for (const auto& [place, wish] : guests)
    if (wish == HostSleep::inhibit)
      awake.push_back(with_hint(
          {.fault = Fault::state,
           .id = "host-stays-awake",
           .message = fmt::format("'{}' keeps this host from being suspended", place.vm)},
          fmt::format("`hvlaunch stop {}` first; or let it, with \"host_sleep\": \"pause\" or "
                      "\"shutdown\" in its profile",
                      place.vm)));
  if (!awake.empty()) return std::unexpected(std::move(awake));
  for (const auto& guest : guests)  // One that hangs does not keep the host awake.
    if (auto done = put_to_sleep(context, guest); !done)
      warn(fmt::format("{}: {}", guest.place.vm, done.error().message));
  return {};
}

Outcome host_wake_command(Context& context, const Arguments& /*arguments*/) {
  Errors errors;
  for (const auto& [place, wish] : sleepers(context))
    if (auto done = wake(place); !done)
      errors.push_back(in_context(std::move(done).error(), "waking " + place.vm));
  if (!errors.empty()) return std::unexpected(std::move(errors));
  return {};
}

}  // namespace hv::commands
