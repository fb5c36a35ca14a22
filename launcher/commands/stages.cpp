// SPDX-License-Identifier: MIT
//
// The stages of a start as commands of their own, for service managers that
// supervise them. `hvlaunch start` runs the same functions.
#include "launcher/base/service_manager.h"
#include "launcher/commands/carry_out.h"
#include "launcher/commands/commands.h"
#include "launcher/commands/output.h"
#include "launcher/commands/shutdown.h"
#include "launcher/commands/units.h"
#include "launcher/run/boot_attempts.h"
#include "launcher/run/cleanup.h"
#include "launcher/run/handover.h"
#include "launcher/run/observe.h"
#include "launcher/run/readiness.h"
#include "launcher/run/request.h"
#include "launcher/run/unit.h"
#include "launcher/run/unit_stages.h"
#include "launcher/run/watch.h"

#include <fcntl.h>
#include <signal.h>
#include <boost/json/value.hpp>

#include <algorithm>
#include <charconv>

namespace hv::commands {
namespace {

/// The descriptor on which `watch` says that it is up, as leave_behind() gives it.
constexpr int ready_descriptor = 3;

run::Place place_for(const Context& context, const Planned& planned) {
  return {context.root, context.paths, planned.plan.vm};
}

ServiceManager manager_of(const Context& context) {
  return ServiceManager(context.variable("NOTIFY_SOCKET"));
}

/// How often systemd wants to hear of us (WatchdogSec=).
std::chrono::microseconds watchdog_period(const Context& context) {
  const auto text = context.variable("WATCHDOG_USEC");
  std::int64_t microseconds = 0;
  (void)std::from_chars(text.data(), text.data() + text.size(), microseconds);
  return std::chrono::microseconds(std::max<std::int64_t>(microseconds, 0));
}

/// What went wrong, also for the command that had the unit started.
Outcome told(const run::Place& place, Outcome outcome) {
  if (!outcome) run::answer(place, run::Request::Verb::start, outcome.error());
  return outcome;
}

/// systemd looks at the status of the main process alone before it starts a unit
/// again (RestartPreventExitStatus=), not at that of `prepare`. So `prepare`
/// leaves a note that it would fail again, and `cleanup` has the unit stopped.
std::string note_of(const run::Place& place) {
  return fmt::format("{}/.{}.refused", place.paths.runtime, place.vm);
}

bool would_fail_again(const Outcome& outcome) {
  if (outcome) return false;
  const auto fault = outcome.error().front().fault;
  return fault != Fault::failed && fault != Fault::timed_out;
}

void end_restarts(const Context& context, const run::Place& place) {
  if (!context.root.exists(note_of(place))) return;
  (void)context.root.remove(note_of(place));
  // At worst it is tried again, as often as the unit says.
  if (const auto units = Units::of(context))
    (void)units->stop(run::unit_of(place.vm), Units::Until::queued);
}

Outcome prepare_guest(Context& context, const Arguments& arguments) {
  auto planned = load_plan(context, arguments.vm());
  if (!planned) return std::unexpected(planned.error());
  for (const auto& warning : planned->plan.warnings) warn(warning.message);
  const auto place = place_for(context, *planned);
  const auto wish = run::requested(place, run::Request::Verb::start);
  return told(
      place, carry_out(context, arguments.vm(), *planned, [&](const Planned& now) {
        run::StartOptions options{.first_state = wish == paused_start ? run::FirstState::paused
                                                                      : run::FirstState::running,
                                  .state = run::state_of(now.plan)};
        options.state.profile = now.loaded.path;
        options.state.profile_hash = now.loaded.hash;
        return outcome_of(run::prepare_stage(place, now.plan, options, manager_of(context)));
      }));
}

}  // namespace

std::vector<std::string> watch_argv(const Context& context, const std::string& vm) {
  std::vector<std::string> argv = {context.program};
  if (context.user) argv.emplace_back("--user");
  argv.insert(argv.end(), {"watch", vm, "--ready"});
  return argv;
}

std::vector<std::string> watch_environment(const Context& context) {
  std::vector<std::string> environment;
  for (const auto* const name :
       {"HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_RUNTIME_DIR", "XDG_CACHE_HOME"})
    if (const auto value = context.variable(name); !value.empty())
      environment.push_back(fmt::format("{}={}", name, value));
  return environment;
}

Outcome prepare_command(Context& context, const Arguments& arguments) {
  auto done = prepare_guest(context, arguments);
  if (!would_fail_again(done) || !manager_of(context).is_there()) return done;
  if (const auto place = place_of(context, arguments.vm()))
    if (context.root.make_directories(context.paths.runtime, 0700))
      (void)context.root.replace(note_of(*place), "");  // At worst it is tried again.
  return done;
}

Outcome exec_command(Context& context, const Arguments& arguments) {
  auto given = given_descriptors(context.variable("LISTEN_PID"), context.variable("LISTEN_FDS"),
                                 context.variable("LISTEN_FDNAMES"));
  const auto place = TRY_OUTCOME(guest_of(context, arguments.vm()));
  return told(place, failed(run::exec_stage(place, manager_of(context), std::move(given))));
}

Outcome tune_command(Context& context, const Arguments& arguments) {
  const auto place = TRY_OUTCOME(guest_of(context, arguments.vm()));
  const auto first_state =
      arguments.has("paused") ? run::FirstState::paused : run::FirstState::running;
  const auto begin_watch = [&] {
    const auto units =
        context.variable("NOTIFY_SOCKET").empty() ? std::nullopt : Units::of(context);
    if (!units) return;
    // The guest runs without it, and it can be started later.
    if (auto started = units->start(run::watch_unit_of(place.vm)); !started)
      warn(started.error().message);
  };
  return told(place,
              outcome_of(run::tune_stage(place, first_state, manager_of(context), begin_watch)));
}

Outcome await_command(Context& context, const Arguments& arguments) {
  const auto place = TRY_OUTCOME(guest_of(context, arguments.vm()));
  const auto manager = manager_of(context);
  const auto [plan, first_state] = TRY_OUTCOME(run::take_over(place));
  const auto awaited = run::waited_for(plan.ready);
  if (awaited.empty() || first_state == run::FirstState::paused) return {};
  constexpr std::chrono::seconds for_us{30};
  manager.ask_for(std::chrono::seconds(plan.ready.timeout_seconds.value) + for_us);
  manager.show_status(fmt::format("waiting for {}", awaited));
  auto ready = run::await_ready(place, plan.ready);
  manager.show_status(ready ? "ready" : ready.error().message);
  return told(place, outcome_of(std::move(ready)));
}

Outcome watch_command(Context& context, const Arguments& arguments) {
  const auto place = TRY_OUTCOME(guest_of(context, arguments.vm()));
  UniqueFd ready(arguments.has("ready") ? ready_descriptor : -1);
  if (ready) ::fcntl(ready.get(), F_SETFD, FD_CLOEXEC);
  ::signal(SIGPIPE, SIG_IGN);  // Whoever waited may be gone; the guest is not.
  const auto tell = [&](std::string_view words) {
    const UniqueFd once(ready.release());
    if (once) (void)!::write(once.get(), words.data(), words.size());  // Nobody waits: so be it.
  };
  const auto manager = manager_of(context);
  const auto up = [&] {
    (void)manager.tell("READY=1");  // It would wait, and start us again.
    if (!ready) say(context, fmt::format("watching {}", place.vm));
    tell(run::watch_is_up);
  };
  auto done = run::watch(place, up, {.period = watchdog_period(context), .beat = [&] {
                                       (void)manager.tell("WATCHDOG=1");
                                     }});
  if (!done) tell(done.error().message);
  return outcome_of(std::move(done));
}

/// In a unit it is left to another stage to clean up, and that the guest has
/// ended by itself is no failure.
Outcome powerdown_command(Context& context, const Arguments& arguments) {
  const auto manager = manager_of(context);
  if (!manager.is_there()) return stop_command(context, arguments);
  const auto place = TRY_OUTCOME(guest_of(context, arguments.vm()));
  const auto state = run::load_state(place);
  const auto ladder = state ? state->shutdown : run::Ladder{};
  const auto whole = run::longest(ladder);
  manager.ask_for(whole);
  // `hvlaunch stop` has begun this and says what it does; unless it dies of it.
  (void)run::await_requester(place, run::Request::Verb::stop, whole);
  manager.ask_for(whole);
  const auto on_rung = [&](run::Rung rung, std::chrono::seconds time) {
    manager.show_status(
        fmt::format("shutting down: {}, at most {} s", to_string(rung), time.count()));
  };
  const auto first = arguments.has("force") ? run::Rung::quit : run::Rung::agent;
  auto climbed = run::powerdown(place, ladder, first, on_rung, run::Afterwards::leave);
  if (!climbed && climbed.error().id == "not-running") return {};
  return outcome_of(std::move(climbed));
}

Outcome cleanup_command(Context& context, const Arguments& arguments) {
  const auto place = TRY_OUTCOME(guest_of(context, arguments.vm()));
  (void)run::end_attempt(place);  // A start that failed has not taken the host down.
  end_restarts(context, place);
  const auto cleaned = TRY_OUTCOME(run::cleanup_stage(place, manager_of(context)));
  if (!cleaned) return {};
  const auto record = run::load_record(place);
  if (!record || !record->last_exit) return {};
  for (const auto& line : record->last_exit->log) say(context, line);
  say(context, fmt::format("{}: {}", place.vm, record->last_exit->detail));
  return {};
}

Outcome recover_command(Context& context, const Arguments& arguments) {
  auto names = arguments.operands;
  if (names.empty()) names = run::active_vms(context.root, context.paths);
  Errors errors;
  for (const auto& name : names) {
    const auto place = place_of(context, name);
    const auto done = place ? run::recover(*place) : Result<bool>(std::unexpected(place.error()));
    if (!done)
      errors.push_back(done.error());
    else if (*done)
      say(context, fmt::format("{}: cleaned up after it", name));
  }
  if (!errors.empty()) return std::unexpected(std::move(errors));
  return {};
}

}  // namespace hv::commands
