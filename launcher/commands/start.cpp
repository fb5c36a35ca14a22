// SPDX-License-Identifier: MIT
#include "launcher/run/start.h"

#include "launcher/commands/commands.h"
#include "launcher/commands/load.h"
#include "launcher/commands/output.h"
#include "launcher/commands/shutdown.h"
#include "launcher/run/lock.h"
#include "launcher/run/observe.h"
#include "launcher/run/own_slice.h"
#include "launcher/run/prepare.h"

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

Outcome start_planned(const Context& context, const Planned& planned, const Arguments& arguments) {
  const auto& plan = planned.plan;
  const run::Place place{context.root, context.paths, plan.vm};
  if (auto errors = run::check_files(place, plan); !errors.empty())
    return std::unexpected(placed(std::move(errors), planned.loaded));
  if (auto started = run::start(place, plan, options_for(context, planned, arguments)); !started)
    return std::unexpected(placed({std::move(started).error()}, planned.loaded));
  return {};
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
  if (run::must_change_slice(context.root, planned->plan))
    return failed(run::change_slice(vm, start_argv(context, vm, arguments)));
  for (const auto& warning : planned->plan.warnings) warn(warning.message);
  auto started = start_planned(context, *planned, arguments);
  constexpr int tries = 32;  // Of guests that are all started at once.
  for (int i = 0; i < tries && is_claimed(started); ++i) {
    auto again = load_plan(context, vm);
    // What the profile insists on, no other plan does without.
    if (!again || again->plan.claims.functions == planned->plan.claims.functions) break;
    planned = std::move(again);
    started = start_planned(context, *planned, arguments);
  }
  if (may_do_without_huge_pages(*planned, started)) {
    warn(started.error().front().message + "; going on with ordinary pages");
    planned = load_plan(context, vm, {.ordinary_pages = true});
    if (!planned) return std::unexpected(std::move(planned).error());
    started = start_planned(context, *planned, arguments);
  }
  if (started) report_started(context, planned->plan, arguments);
  return started;
}

}  // namespace

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
