// SPDX-License-Identifier: MIT
//
// The stages of a start as commands of their own, for service managers that
// supervise them. `hvlaunch start` runs the same functions.
#include "launcher/base/journal.h"
#include "launcher/commands/commands.h"
#include "launcher/commands/load.h"
#include "launcher/commands/output.h"
#include "launcher/commands/shutdown.h"
#include "launcher/run/boot_attempts.h"
#include "launcher/run/cleanup.h"
#include "launcher/run/exec.h"
#include "launcher/run/lock.h"
#include "launcher/run/observe.h"
#include "launcher/run/prepare.h"
#include "launcher/run/start.h"
#include "launcher/run/watch.h"

#include <fcntl.h>
#include <signal.h>
#include <boost/json/value.hpp>

#include <ctime>

namespace hv::commands {
namespace {

/// The descriptor on which `watch` says that it is up, as leave_behind() gives it.
constexpr int ready_descriptor = 3;

run::Place place_for(const Context& context, const Planned& planned) {
  return {context.root, context.paths, planned.plan.vm};
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
  const auto planned = load_plan(context, arguments.vm());
  if (!planned) return std::unexpected(planned.error());
  const auto place = place_for(context, *planned);
  if (auto errors = run::check_files(place, planned->plan); !errors.empty())
    return std::unexpected(placed(std::move(errors), planned->loaded));
  const auto lock = TRY_OUTCOME(run::claim(place));
  auto journal = TRY_OUTCOME(Journal::open(context.root, place.file("journal"), run::undo));
  TRY_OUTCOME(run::prepare(place, planned->plan, journal));
  auto state = run::state_of(planned->plan);
  state.profile = planned->loaded.path;
  state.profile_hash = planned->loaded.hash;
  state.started_at = std::time(nullptr);
  TRY_OUTCOME(run::save_state(place, state));
  journal.keep();
  return {};
}

Outcome exec_command(Context& context, const Arguments& arguments) {
  const auto planned = load_plan(context, arguments.vm());
  if (!planned) return std::unexpected(planned.error());
  const auto place = place_for(context, *planned);
  const auto lock = TRY_OUTCOME(run::try_lock(context.root, place.lock()));
  if (!lock)
    return failed({.fault = Fault::state,
                   .id = "already-running",
                   .message = fmt::format("'{}' is running already", place.vm)});
  return failed(run::become_qemu(place, planned->plan, lock->get()));
}

Outcome tune_command(Context& context, const Arguments& arguments) {
  const auto place = TRY_OUTCOME(guest_of(context, arguments.vm()));
  return outcome_of(run::tune(
      place, arguments.has("paused") ? run::FirstState::paused : run::FirstState::running));
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
  auto done = run::watch(place, [&] {
    if (!ready) say(context, fmt::format("watching {}", place.vm));
    tell(run::watch_is_up);
  });
  if (!done) tell(done.error().message);
  return outcome_of(std::move(done));
}

Outcome cleanup_command(Context& context, const Arguments& arguments) {
  const auto place = TRY_OUTCOME(guest_of(context, arguments.vm()));
  (void)run::end_attempt(place);  // A start that failed has not taken the host down.
  return outcome_of(run::recover(place));
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
