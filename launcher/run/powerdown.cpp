// SPDX-License-Identifier: MIT
#include "launcher/run/powerdown.h"

#include "launcher/run/agent.h"
#include "launcher/run/cleanup.h"
#include "launcher/run/lock.h"
#include "launcher/run/monitor.h"
#include "launcher/run/process.h"

#include <signal.h>
#include <boost/json.hpp>

#include <algorithm>
#include <array>

namespace hv::run {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

struct Step {
  Rung rung;
  std::string_view name;
};
constexpr std::array rungs = {Step{Rung::agent, "agent"}, Step{Rung::acpi, "acpi"},
                              Step{Rung::quit, "quit"}, Step{Rung::term, "term"},
                              Step{Rung::kill, "kill"}};

seconds time_for(const Ladder& ladder, Rung rung) {
  const auto& [agent, acpi, quit, term] = ladder;
  const auto at_most_a_day = [](std::uint64_t declared) {  // state.json may say anything.
    return seconds(std::min<std::uint64_t>(declared, 86400));
  };
  switch (rung) {
    case Rung::agent: return at_most_a_day(agent);
    case Rung::acpi: return at_most_a_day(acpi);
    case Rung::quit: return at_most_a_day(quit);
    case Rung::term: return at_most_a_day(term);
    case Rung::kill: return seconds(10);  // For the kernel to take the process apart.
  }
  std::unreachable();
}

/// One guest that is being ended.
class Climb {
 public:
  Climb(const Place& place, const Holder& qemu, const std::string& architecture)
      : place_(place), qemu_(qemu), has_power_key_(architecture == "riscv64") {}

  /// True if QEMU has ended within the rung's time; false: on to the next.
  Result<bool> try_rung(Rung rung, seconds time) {
    announce_stop(place_, to_string(rung), time);
    // A QEMU that hangs must not use up a long rung.
    patience_ = std::min(time, seconds(5));
    const auto now = qmp::Clock::now();
    answer_by_ = now + patience_;
    end_by_ = now + time;
    switch (rung) {
      case Rung::agent: return ask_agent();
      case Rung::acpi: return press_button();
      case Rung::quit: return quit();
      case Rung::term: return signal(SIGTERM);
      case Rung::kill: return signal(SIGKILL);
    }
    std::unreachable();
  }

 private:
  [[nodiscard]] bool has_ended() const { return ends_within(qemu_.pidfd, milliseconds(0)); }

  [[nodiscard]] bool ends_in_time() const {
    return ends_within(qemu_.pidfd, std::chrono::ceil<milliseconds>(end_by_ - qmp::Clock::now()));
  }

  bool ask_agent() {
    auto client = connect_monitor(place_, patience_);
    if (!client || !agent_listens(*client, answer_by_)) return has_ended();
    const auto agent = tell_agent(place_, "guest-shutdown");
    if (!agent) return has_ended();
    return ends_in_time();
  }

  bool press_button() {
    auto client = connect_monitor(place_, patience_);
    if (!client) return has_ended();
    const auto status = client->call(qmp::QueryStatus{}, answer_by_);
    // A guest that never ran has no one to press a button for.
    if (!status || status->status == "prelaunch" || status->status == "guest-panicked")
      return has_ended();
    if (!status->running && !client->call(qmp::Cont{}, answer_by_)) return has_ended();
    // Twice: Windows takes the first for waking up. And again: a guest that is
    // still booting has no ears yet.
    milliseconds pause{500};
    for (;;) {
      press_once(*client);
      const auto left = std::chrono::ceil<milliseconds>(end_by_ - qmp::Clock::now());
      if (ends_within(qemu_.pidfd, std::min(pause, left))) return true;
      if (left <= pause) return false;
      pause = seconds(5);
    }
  }

  /// Errors are not looked at: that the guest goes is what counts.
  void press_once(qmp::Client& client) const {
    (void)client.call(qmp::SystemPowerdown{}, patience_);
    if (!has_power_key_) return;
    const boost::json::object key = {{"type", "qcode"}, {"data", "power"}};
    (void)client.execute("send-key", {{"keys", boost::json::array{key}}}, patience_);
  }

  bool quit() {
    auto client = connect_monitor(place_, patience_);
    if (!client) return has_ended();
    // QEMU may close the connection before it answers.
    (void)client->call(qmp::Quit{}, answer_by_);
    return ends_in_time();
  }

  Result<bool> signal(int number) {
    TRY(send_signal(qemu_.pidfd, number));
    // A stopped process takes no signal but SIGKILL before it goes on.
    TRY(send_signal(qemu_.pidfd, SIGCONT));
    return ends_in_time();
  }

  const Place& place_;
  const Holder& qemu_;
  bool has_power_key_;  ///< RISC-V's board has no power button, but a keyboard.
  seconds patience_{};
  qmp::Clock::time_point answer_by_;
  qmp::Clock::time_point end_by_;
};

Result<> finish(const Place& place) {
  constexpr seconds for_another_cleanup{5};
  auto lock = lock_within(place.root, place.lock(), for_another_cleanup);
  if (!lock && lock.error().os_error == ENOENT) {
    (void)TRY(recover(place));  // `watch` was quicker, or the lock file was lost.
    return {};
  }
  if (!lock && lock.error().fault == Fault::timed_out) return {};  // The next start was.
  if (!lock) return std::unexpected(std::move(lock).error());
  return cleanup(place, *std::move(lock), announced_or(place, {}));
}

}  // namespace

std::string_view to_string(Rung rung) {
  return std::ranges::find(rungs, rung, &Step::rung)->name;
}

seconds longest(const Ladder& ladder) {
  seconds sum(0);
  constexpr seconds between{5};  // QEMU may be slow to answer.
  for (const auto& [rung, name] : rungs) sum += time_for(ladder, rung) + between;
  return sum;
}

Result<Rung> powerdown(const Place& place, const Ladder& ladder, Rung first, const OnRung& on_rung,
                       Afterwards afterwards) {
  const auto state = load_state(place);
  const auto qemu = find_holder(place.root, place.lock(), lock_number,
                                static_cast<pid_t>(state ? state->pid : 0));
  if (!qemu) return std::unexpected(not_running(place));
  Climb climb(place, *qemu, state ? state->architecture : "");
  for (const auto& [rung, name] : rungs) {
    const auto time = time_for(ladder, rung);
    if (rung < first || time.count() == 0) continue;
    on_rung(rung, time);
    if (!TRY(climb.try_rung(rung, time))) continue;
    if (afterwards == Afterwards::clean_up) TRY(finish(place));
    return rung;
  }
  return std::unexpected(with_hint(
      {.fault = Fault::timed_out,
       .id = "unkillable",
       .message = fmt::format("QEMU (process {}) was killed and does not end", qemu->pid)},
      "it is stuck in the kernel, most likely in a device or file system that does not "
      "answer: see `dmesg`"));
}

}  // namespace hv::run
