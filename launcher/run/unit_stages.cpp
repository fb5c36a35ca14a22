// SPDX-License-Identifier: MIT
#include "launcher/run/unit_stages.h"

#include "launcher/run/boot_attempts.h"
#include "launcher/run/cleanup.h"
#include "launcher/run/exec.h"
#include "launcher/run/guest_group.h"
#include "launcher/run/handover.h"
#include "launcher/run/huge_pages.h"
#include "launcher/run/limits.h"
#include "launcher/run/monitor.h"
#include "launcher/run/prepare.h"
#include "launcher/run/process.h"
#include "launcher/run/quarantine.h"
#include "launcher/run/unit.h"

#include <algorithm>
#include <ctime>

namespace hv::run {
namespace {

/// Names of what the service manager keeps.
constexpr std::string_view kept_lock = "lock";
constexpr std::string_view kept_pools = "pools";
constexpr std::string_view kept_exec = "exec";
constexpr std::string_view kept_group = "group";

std::string exec_lock(const Place& place) {
  return place.file("exec");
}

Result<> make_ready(const Place& place, const plan::Plan& plan, const StartOptions& options,
                    const ServiceManager& manager, const UniqueFd& lock) {
  auto journal = TRY(Journal::open(place.root, place.file("journal"), undo_for(place.paths)));
  auto pools = TRY(claim_and_prepare(place, plan, journal));
  auto state = options.state;
  state.started_at = std::time(nullptr);
  TRY(save_state(place, state));
  TRY(hand_over(place, plan, options.first_state));
  if (manager.is_there()) {
    const auto not_yet = TRY(try_lock(place.root, exec_lock(place)));
    if (not_yet) TRY(manager.store(kept_exec, not_yet->get()));
    TRY(manager.store(kept_lock, lock.get()));
    if (pools) TRY(manager.store(kept_pools, (*std::move(pools)).pass_on().get()));
    // `exec` sees the control groups read-only, but for what was opened before.
    if (const auto group = open_unit_group(place)) TRY(manager.store(kept_group, group->get()));
  }
  journal.keep();
  return {};
}

/// The VM's lock: what `prepare` took and the service manager kept, or our own
/// where there is none.
Result<UniqueFd> lock_for_qemu(const Place& place, std::vector<GivenFd>& given) {
  const auto kept = std::ranges::find(given, kept_lock, &GivenFd::name);
  if (kept != given.end() && holds_lock(place.root, place.lock(), kept->fd))
    return std::move(kept->fd);
  auto lock = TRY(try_lock(place.root, place.lock()));
  if (lock) return *std::move(lock);
  return fail(Fault::state, "already-running", "'{}' is running already", place.vm);
}

/// To where QEMU's limits are.
Result<> enter_group(const Place& place, std::vector<GivenFd>& given) {
  const auto limits = load_limits(place);
  const auto kept = std::ranges::find(given, kept_group, &GivenFd::name);
  auto entered =
      kept == given.end()
          ? Result<>(fail(Fault::missing, "no-unit", "this is not the unit of '{}'", place.vm))
          : enter_guest_group(Root::below(std::move(kept->fd)), limits);
  // Who has none runs anywhere.
  return limits.intended.empty() ? Result<>() : entered;
}

/// Waits until `exec` has become QEMU, or has died.
Result<> await_exec(const Place& place, const ServiceManager& manager) {
  if (!manager.is_there()) return {};
  constexpr std::chrono::seconds patience{30};
  const auto done = lock_within(place.root, exec_lock(place), patience);
  if (!done && done.error().os_error != ENOENT) return std::unexpected(done.error());
  return place.root.remove(exec_lock(place));
}

Result<> bring_up(const Place& place, const Handover& handed, const Holder& qemu, Journal& journal,
                  FirstState first_state) {
  auto monitor = connect_monitor(place, start_patience);
  if (!monitor && ends_within(qemu.pidfd, std::chrono::seconds(1))) {
    const auto ending = ending_of(qemu.pidfd);
    return std::unexpected(
        start_failure(place, handed.plan, ending ? describe_ending(*ending) : "ended"));
  }
  if (!monitor) return std::unexpected(std::move(monitor).error());
  TRY(remember_machine(place, handed.plan.record.machine));
  return settle_in(place, qemu.pid, *monitor, handed.plan.pins, journal, first_state);
}

}  // namespace

Result<> prepare_stage(const Place& place, const plan::Plan& plan, const StartOptions& options,
                       const ServiceManager& manager) {
  auto lock = TRY(claim(place));
  auto ready = make_ready(place, plan, options, manager, lock);
  if (ready) return ready;
  // As if it had never been started: not even a cause of death.
  (void)place.root.remove(place.file("state.json"));
  for (const auto name : {kept_lock, kept_exec, kept_pools, kept_group}) (void)manager.forget(name);
  (void)cleanup(place, std::move(lock), {});
  return ready;
}

Error exec_stage(const Place& place, const ServiceManager& manager, std::vector<GivenFd> given) {
  // First of all: only what ends with this process may hold them from here on.
  for (const auto name : {kept_lock, kept_exec, kept_group})
    if (auto done = manager.forget(name); !done) return std::move(done).error();
  const auto lock = lock_for_qemu(place, given);
  if (!lock) return lock.error();
  const auto handed = take_over(place);
  if (!handed) return handed.error();
  if (auto done = enter_group(place, given); !done)
    return in_context(std::move(done).error(), "limiting the guest");
  if (auto state = load_state(place)) {
    state->pid = ::getpid();
    (void)save_state(place, *state);  // A hint, to find QEMU sooner.
  }
  return become_qemu(place, handed->plan, lock->get());
}

Result<> tune_stage(const Place& place, FirstState first_state, const ServiceManager& manager,
                    const std::function<void()>& begin_watch) {
  const auto handed = TRY(take_over(place));
  TRY(await_exec(place, manager));
  const auto state = load_state(place);
  const auto qemu = find_holder(place.root, place.lock(), lock_number,
                                static_cast<pid_t>(state ? state->pid : 0));
  if (!qemu) {
    (void)place.root.remove(place.file("state.json"));
    return std::unexpected(start_failure(place, handed.plan, "ended"));
  }
  if (handed.plan.watch) begin_watch();
  auto journal = TRY(Journal::open(place.root, place.file("journal"), undo_for(place.paths)));
  const auto paused = first_state == FirstState::paused || handed.first_state == FirstState::paused;
  auto done =
      bring_up(place, handed, *qemu, journal, paused ? FirstState::paused : FirstState::running);
  journal.keep();
  (void)end_attempt(place);  // The host is up. At worst it is taken for another boot's.
  // As if it had never been started: not even a cause of death.
  if (!done) (void)place.root.remove(place.file("state.json"));
  TRY(manager.forget(kept_pools));
  if (manager.is_there()) end_turn_at_pools(place);
  return done;
}

Result<bool> cleanup_stage(const Place& place, const ServiceManager& manager) {
  if (!manager.is_there()) return recover(place);
  for (const auto name : {kept_lock, kept_exec, kept_pools, kept_group}) TRY(manager.forget(name));
  TRY(empty_own_unit(place));
  // It learns why the guest ended, and lets go when it has written it down.
  constexpr std::chrono::seconds for_watch{2};
  (void)lock_within(place.root, place.file("watch.lock"), for_watch);
  auto cleaned = TRY(recover(place));
  end_turn_at_pools(place);
  return cleaned;
}

}  // namespace hv::run
