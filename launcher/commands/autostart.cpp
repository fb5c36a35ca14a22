// SPDX-License-Identifier: MIT
#include "launcher/commands/autostart.h"

#include "launcher/base/text.h"
#include "launcher/commands/commands.h"
#include "launcher/commands/load.h"
#include "launcher/commands/output.h"
#include "launcher/run/boot_attempts.h"

#include <boost/json.hpp>

#include <charconv>
#include <chrono>
#include <thread>

namespace hv::commands {
namespace {

namespace json = boost::json;

constexpr std::uint64_t longest_delay_ms = 3'600'000;

std::string seconds(std::uint64_t milliseconds) {
  return fmt::format("{:g} s", static_cast<double>(milliseconds) / 1000);
}

json::object guest_json(const plan::GuestStart& guest, const json::array& after) {
  return {{"vm", guest.vm},
          {"profile", guest.path},
          {"group", guest.group},
          {"priority", guest.priority},
          {"delay_ms", guest.delay_ms},
          {"after", after},
          {"because", guest.by_kernel ? "kernel-command-line" : "profile"}};
}

Result<std::uint64_t> delay_of(const Arguments& arguments) {
  const auto text = arguments.value("delay-ms", "0");
  std::uint64_t delay = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), delay);
  if (error != std::errc() || end != text.data() + text.size() || delay > longest_delay_ms)
    return fail(Fault::usage, "usage", "'{}' is not a number of milliseconds up to {}",
                printable(text), longest_delay_ms);
  return delay;
}

}  // namespace

std::string autostart_text(const plan::AutostartPlan& plan) {
  std::vector<std::vector<std::string>> rows = {
      {"STEP", "VM", "GROUP", "PRIORITY", "DELAY", "BECAUSE OF"}};
  for (std::size_t i = 0; i < plan.steps.size(); ++i)
    for (const auto& guest : plan.steps[i])
      rows.push_back({std::to_string(i + 1), guest.vm, printable(guest.group),
                      std::to_string(guest.priority), seconds(guest.delay_ms),
                      guest.by_kernel ? "the kernel command line" : "its profile"});
  auto text = plan.steps.empty() ? std::string("no guest starts with this host\n") : table(rows);
  if (!plan.skipped.empty()) text += "\nnot started:\n";
  for (const auto& guest : plan.skipped) {
    text += fmt::format("  {}: {}\n", guest.vm, guest.why);
    for (const auto& error : guest.errors) text += fmt::format("    {}\n", describe(error));
  }
  if (!plan.notes.empty()) text += "\nignored:\n";
  for (const auto& note : plan.notes) text += fmt::format("  {}\n", printable(note));
  return text;
}

json::value autostart_json(const plan::AutostartPlan& plan) {
  json::array starts;
  json::array before;
  for (std::size_t i = 0; i < plan.steps.size(); ++i) {
    json::array these;
    for (const auto& guest : plan.steps[i]) {
      auto object = guest_json(guest, before);
      object["step"] = i + 1;
      starts.push_back(std::move(object));
      these.emplace_back(guest.vm);
    }
    before = std::move(these);
  }
  json::array skipped;
  for (const auto& guest : plan.skipped) {
    json::object object = {{"vm", guest.vm},
                           {"profile", guest.path},
                           {"because", to_string(guest.cause)},
                           {"why", guest.why}};
    if (!guest.errors.empty())
      object["errors"] = errors_as_json(guest.errors).as_object().at("errors");
    skipped.push_back(std::move(object));
  }
  return json::object{
      {"starts", starts}, {"skipped", skipped}, {"ignored", json::value_from(plan.notes)}};
}

Outcome autostart_list_command(Context& context, const Arguments& /*arguments*/) {
  const auto plan = load_autostart(context, Asked::all);
  if (context.json)
    print_json(autostart_json(plan));
  else
    print(autostart_text(plan));
  return {};
}

Outcome autostart_reset_command(Context& context, const Arguments& arguments) {
  if (arguments.operands.empty())
    return failed({.fault = Fault::usage, .id = "usage", .message = "name the VMs"});
  for (const auto& name : arguments.operands) {
    const auto place = TRY_OUTCOME(place_of(context, name));
    TRY_OUTCOME(run::end_attempt(place));
    say(context, fmt::format("{} may start with the host again", place.vm));
  }
  return {};
}

Outcome autostart_begin_command(Context& context, const Arguments& arguments) {
  const auto place = TRY_OUTCOME(place_of(context, arguments.vm()));
  // The delay that config.json asks for; systemd waits for this process.
  std::this_thread::sleep_for(std::chrono::milliseconds(TRY_OUTCOME(delay_of(arguments))));
  return outcome_of(run::begin_attempt(place));
}

}  // namespace hv::commands
