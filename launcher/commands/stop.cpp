// SPDX-License-Identifier: MIT
#include "launcher/commands/commands.h"
#include "launcher/commands/load.h"
#include "launcher/commands/output.h"
#include "launcher/commands/shutdown.h"
#include "launcher/commands/units.h"
#include "launcher/run/cleanup.h"
#include "launcher/run/monitor.h"
#include "launcher/run/observe.h"
#include "launcher/run/request.h"
#include "launcher/run/unit.h"

#include <boost/json.hpp>

namespace hv::commands {
namespace {

std::string_view doing(run::Rung rung) {
  switch (rung) {
    case run::Rung::agent: return "asking the guest agent";
    case run::Rung::acpi: return "pressing the power button";
    case run::Rung::quit: return "ending QEMU";
    case run::Rung::term: return "ending QEMU by SIGTERM";
    case run::Rung::kill: return "killing QEMU";
  }
  std::unreachable();
}

/// What did it, as people say it.
std::string_view words_of(run::Rung rung) {
  switch (rung) {
    case run::Rung::agent: return "the guest agent shut it down";
    case run::Rung::acpi: return "the guest shut down when its power button was pressed";
    case run::Rung::quit: return "QEMU quit";
    case run::Rung::term: return "QEMU ended by SIGTERM";
    case run::Rung::kill: return "QEMU was killed";
  }
  std::unreachable();
}

/// A VM that is stopped, or whose QEMU ended while nobody watched.
Outcome must_run(const run::Place& place) {
  const bool left_over = TRY_OUTCOME(run::recover(place));
  if (left_over)
    return failed(
        {.fault = Fault::state,
         .id = "not-running",
         .message = fmt::format("'{}' had ended already; what it left is cleaned up", place.vm)});
  return {};
}

/// A guest's unit while we end the guest: it is being stopped, so that nobody
/// starts it again, and its own ladder waits for ours to end, or to die.
class StoppingUnit {
 public:
  /// Nothing if the guest is not one of a unit.
  static std::optional<StoppingUnit> begin(const Context& context, const run::Place& place) {
    const auto pid = run::observe(place, run::Detail::activity, std::chrono::seconds(0)).pid;
    if (pid == 0 || !run::runs_in_unit(context.root, place.vm, static_cast<pid_t>(pid)))
      return std::nullopt;
    auto units = Units::of(context);
    if (!units) return std::nullopt;
    StoppingUnit unit(*std::move(units), run::unit_of(place.vm));
    // If another `stop` is at it, the unit waits for that one.
    if (auto request = run::Request::make(place, run::Request::Verb::stop, ""))
      unit.request_.emplace(*std::move(request));
    // systemd ends what has not started whole without asking it.
    if (run::end_await(place, static_cast<pid_t>(pid)).value_or(false))
      (void)unit.units_.start(unit.name_);  // Returns when its start is over, which is now.
    if (!unit.units_.stop(unit.name_, Units::Until::queued)) return std::nullopt;
    return unit;
  }

  /// Returns when the unit is inactive and the host is as it was.
  Result<> end(run::Rung climbed) && {
    request_.reset();
    auto stopped = units_.stop(name_, Units::Until::done);
    // systemd takes an end by SIGKILL for a failure.
    if (climbed == run::Rung::kill) units_.forgive(name_);
    return stopped;
  }

 private:
  StoppingUnit(Units units, std::string name) : units_(std::move(units)), name_(std::move(name)) {}

  Units units_;
  std::string name_;
  std::optional<run::Request> request_;
};

}  // namespace

Result<> shut_down(const Context& context, const run::Place& place, run::Rung first,
                   Report report) {
  const auto state = run::load_state(place);
  const auto ladder = state ? state->shutdown : run::Ladder{};
  auto unit = StoppingUnit::begin(context, place);
  const auto climbed = TRY(run::powerdown(
      place, ladder, first,
      [&](run::Rung rung, std::chrono::seconds time) {
        if (context.terminal && time > std::chrono::seconds(0))
          say(context, fmt::format("{}: {}, at most {} s", place.vm, doing(rung), time.count()));
      },
      unit ? run::Afterwards::leave : run::Afterwards::clean_up));
  if (unit) TRY(std::move(*unit).end(climbed));
  if (context.json && report == Report::result)
    print_json({{"name", place.vm}, {"state", "stopped"}, {"by", to_string(climbed)}});
  else
    say(context, fmt::format("{} is stopped ({})", place.vm, words_of(climbed)));
  return {};
}

Outcome stop_command(Context& context, const Arguments& arguments) {
  const auto place = TRY_OUTCOME(guest_of(context, arguments.vm()));
  if (auto runs = must_run(place); !runs) return runs;
  return outcome_of(
      shut_down(context, place, arguments.has("force") ? run::Rung::quit : run::Rung::agent));
}

Outcome kill_command(Context& context, const Arguments& arguments) {
  const auto place = TRY_OUTCOME(guest_of(context, arguments.vm()));
  if (auto runs = must_run(place); !runs) return runs;
  return outcome_of(shut_down(context, place, run::Rung::kill));
}

}  // namespace hv::commands
