// SPDX-License-Identifier: MIT
#include "launcher/run/start.h"

#include "launcher/commands/carry_out.h"
#include "launcher/commands/commands.h"
#include "launcher/commands/output.h"
#include "launcher/commands/shutdown.h"
#include "launcher/commands/units.h"
#include "launcher/run/lock.h"
#include "launcher/run/observe.h"
#include "launcher/run/own_slice.h"
#include "launcher/run/prepare.h"
#include "launcher/run/readiness.h"
#include "launcher/run/request.h"
#include "launcher/run/unit.h"

#include <boost/json.hpp>

namespace hv::commands {
namespace {

run::FirstState first_state_of(const Arguments& arguments) {
  return arguments.has("paused") ? run::FirstState::paused : run::FirstState::running;
}

run::StartOptions options_for(const Context& context, const Planned& planned,
                              const Arguments& arguments) {
  run::StartOptions options{.first_state = first_state_of(arguments),
                            .state = run::state_of(planned.plan)};
  options.state.profile = planned.loaded.path;
  options.state.profile_hash = planned.loaded.hash;
  if (planned.plan.watch) {
    options.watch_command = watch_argv(context, planned.plan.vm);
    options.environment = watch_environment(context);
  }
  return options;
}

void report_started(const Context& context, const plan::Plan& plan, const Arguments& arguments) {
  if (context.json) {
    print_json({{"name", plan.vm},
                {"state", arguments.has("paused") ? "paused" : "running"},
                {"accelerator", plan.accelerator}});
    return;
  }
  say(context, fmt::format("{} {} ({}, {} vCPU{}, {} MiB)", plan.vm,
                           arguments.has("paused") ? "is paused" : "runs", plan.accelerator,
                           plan.vcpus, plan.vcpus == 1 ? "" : "s", plan.memory_mib));
}

/// The profile prefers huge pages, and the kernel could not make them after all.
bool may_do_without_huge_pages(const Planned& planned, const Outcome& started) {
  return !started && started.error().front().id == "no-hugepages" &&
         planned.loaded.profile.huge_pages.policy.value == profiles::HugePagePolicy::prefer;
}

/// This very start once more.
std::vector<std::string> start_argv(const Context& context, const std::string& vm,
                                    const Arguments& arguments) {
  std::vector<std::string> argv = {context.program};
  if (context.user) argv.emplace_back("--user");
  if (context.json) argv.emplace_back("--json");
  argv.emplace_back("start");
  if (arguments.has("paused")) argv.emplace_back("--paused");
  argv.push_back(vm);
  return argv;
}

/// Another guest was quicker to take what the plan had chosen.
bool is_claimed(const Outcome& started) {
  return !started && started.error().front().id == "claimed";
}

Outcome act_on(const Context& context, const Planned& planned,
               const std::function<Outcome(const Planned&)>& act) {
  const run::Place place{context.root, context.paths, planned.plan.vm};
  if (auto errors = run::check_files(place, planned.plan); !errors.empty())
    return std::unexpected(placed(std::move(errors), planned.loaded));
  auto done = act(planned);
  if (!done) return std::unexpected(placed(std::move(done).error(), planned.loaded));
  return done;
}

/// Where there is no systemd, or the profile is one that it does not know.
Outcome start_directly(const Context& context, Planned& planned, const Arguments& arguments) {
  return carry_out(context, arguments.vm(), planned, [&](const Planned& now) {
    const run::Place place{context.root, context.paths, now.plan.vm};
    return outcome_of(run::start(place, now.plan, options_for(context, now, arguments)));
  });
}

/// The service manager runs the stages; what goes wrong in them is told to us.
Outcome start_unit(const Context& context, const Units& units, const Planned& planned,
                   const Arguments& arguments) {
  const run::Place place{context.root, context.paths, planned.plan.vm};
  if (auto errors = run::check_files(place, planned.plan); !errors.empty())
    return std::unexpected(placed(std::move(errors), planned.loaded));
  const auto request = TRY_OUTCOME(run::Request::make(place, run::Request::Verb::start,
                                                      arguments.has("paused") ? paused_start : ""));
  const auto unit = run::unit_of(place.vm);
  auto started = units.start(unit);
  if (!started && request.errors().empty()) {
    // It may have been started too often; but now somebody wants it.
    units.forgive(unit);
    started = units.start(unit);
  }
  if (started && request.errors().empty()) return {};
  auto errors = request.errors();
  if (!started) {
    (void)units.stop(unit, Units::Until::done);  // Or it would be tried again by and by.
    units.forgive(unit);
    if (errors.empty()) errors.push_back(std::move(started).error());
  }
  return std::unexpected(std::move(errors));
}

Outcome wait_until_ready(const Context& context, const Planned& planned) {
  const run::Place place{context.root, context.paths, planned.plan.vm};
  return outcome_of(run::await_ready(place, planned.plan.ready));
}

Outcome start_one(Context& context, const std::string& vm, const Arguments& arguments) {
  // Said before the host is looked at: it is the likelier mistake.
  if (const auto place = place_of(context, vm);
      place && run::is_locked(context.root, place->lock()) &&
      run::observe(*place, run::Detail::activity, std::chrono::seconds(1)).pid != 0)
    return failed({.fault = Fault::state,
                   .id = "already-running",
                   .message = fmt::format("'{}' is running already", place->vm),
                   .hint = fmt::format("`hvlaunch status {}` shows it", place->vm)});

  auto planned = load_plan(context, vm);
  if (!planned) return std::unexpected(std::move(planned).error());
  for (const auto& warning : planned->plan.warnings) warn(warning.message);
  const auto units = planned->plan.vm == vm ? Units::of(context) : std::nullopt;
  if (!units && run::must_change_slice(context.root, planned->plan))
    return failed(run::change_slice(vm, start_argv(context, vm, arguments)));
  const auto awaited = arguments.has("paused") ? "" : run::waited_for(planned->plan.ready);
  if (!awaited.empty() && context.terminal)
    say(context, fmt::format("{}: waiting for {}, at most {} s", planned->plan.vm, awaited,
                             planned->plan.ready.timeout_seconds.value));
  auto started = units ? start_unit(context, *units, *planned, arguments)
                       : start_directly(context, *planned, arguments);
  if (started && !units && !awaited.empty()) started = wait_until_ready(context, *planned);
  if (started) report_started(context, planned->plan, arguments);
  return started;
}

}  // namespace

Outcome carry_out(const Context& context, const std::string& vm, Planned& planned,
                  const std::function<Outcome(const Planned&)>& act) {
  auto done = act_on(context, planned, act);
  constexpr int tries = 32;  // Of guests that are all started at once.
  for (int i = 0; i < tries && is_claimed(done); ++i) {
    auto again = load_plan(context, vm);
    // What the profile insists on, no other plan does without.
    if (!again || again->plan.claims.functions == planned.plan.claims.functions) break;
    planned = *std::move(again);
    done = act_on(context, planned, act);
  }
  if (!may_do_without_huge_pages(planned, done)) return done;
  warn(done.error().front().message + "; going on with ordinary pages");
  auto ordinary = load_plan(context, vm, {.ordinary_pages = true});
  if (!ordinary) return std::unexpected(std::move(ordinary).error());
  planned = *std::move(ordinary);
  return act_on(context, planned, act);
}

Outcome start_command(Context& context, const Arguments& arguments) {
  return start_one(context, arguments.vm(), arguments);
}

Outcome restart_command(Context& context, const Arguments& arguments) {
  const auto place = TRY_OUTCOME(place_of(context, arguments.vm()));
  // The profile must be right before the guest is stopped for it.
  if (auto planned = load_plan(context, arguments.vm()); !planned)
    return std::unexpected(std::move(planned).error());
  if (run::is_locked(context.root, place.lock()))
    TRY_OUTCOME(shut_down(context, place, run::Rung::agent, Report::talk));
  return start_one(context, arguments.vm(), arguments);
}

}  // namespace hv::commands
