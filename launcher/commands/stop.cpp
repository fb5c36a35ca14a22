// SPDX-License-Identifier: MIT
#include "launcher/commands/commands.h"
#include "launcher/commands/load.h"
#include "launcher/commands/output.h"
#include "launcher/commands/shutdown.h"
#include "launcher/run/cleanup.h"
#include "launcher/run/monitor.h"

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

}  // namespace

Result<> shut_down(const Context& context, const run::Place& place, run::Rung first,
                   Report report) {
  const auto state = run::load_state(place);
  const auto ladder = state ? state->shutdown : run::Ladder{};
  const auto climbed =
      TRY(run::powerdown(place, ladder, first, [&](run::Rung rung, std::chrono::seconds time) {
        if (context.terminal && time > std::chrono::seconds(0))
          say(context, fmt::format("{}: {}, at most {} s", place.vm, doing(rung), time.count()));
      }));
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

Outcome powerdown_command(Context& context, const Arguments& arguments) {
  return stop_command(context, arguments);
}

}  // namespace hv::commands
