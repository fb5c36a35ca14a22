// SPDX-License-Identifier: MIT
#include "launcher/plan/autostart.h"

namespace hv::plan {
namespace {

constexpr std::string_view origin =
    "# Made by hvlaunch-generator; `hvlaunch autostart list` says why.\n";

std::string begin_unit_of(std::string_view vm) {
  return fmt::format("hvlaunch-autostart-{}.service", vm);
}

/// As a word of a unit's command: specifiers and variables are none.
std::string command_word(std::string_view text) {
  std::string word = "\"";
  for (const char c : text) {
    if (c == '%' || c == '$') word += c;
    if (c == '"' || c == '\\') word += '\\';
    word += c;
  }
  return word + "\"";
}

/// A point between two steps. It is active even if guests of its step are not, so
/// that the order holds beyond them, at the stop as well.
std::string target_of(std::size_t step) {
  return fmt::format("hvlaunch-step-{}.target", step);
}

/// Without default dependencies: with them, systemd orders it after what it is a part of.
std::string step_unit(std::size_t step) {
  auto text = fmt::format(
      "{}[Unit]\nDescription=Guests of step {} have started\nPartOf=hvlaunch.target\n"
      "DefaultDependencies=no\nConflicts=shutdown.target\nBefore=shutdown.target\n",
      origin, step);
  // Directly, too: all guests of a step may have failed.
  if (step > 1) text += fmt::format("After={}\n", target_of(step - 1));
  return text;
}

/// Waits, and notes on disk that the guest's start begins. No start depends on it.
std::string begin_unit(const GuestStart& guest, std::size_t step, const UnitPlaces& places) {
  constexpr std::uint64_t patience_ms = 30'000;
  auto text = fmt::format("{}[Unit]\nDescription=Autostart of the VM {}\n", origin, guest.vm);
  if (step > 1) text += fmt::format("After={}\n", target_of(step - 1));
  text += fmt::format("\n[Service]\nType=oneshot\nTimeoutStartSec={}ms\n",
                      guest.delay_ms + patience_ms);
  text +=
      fmt::format("ExecStart={}{} autostart begin --delay-ms {} {}\n", command_word(places.program),
                  places.user ? " --user" : "", guest.delay_ms, guest.vm);
  return text;
}

std::string guest_order(const GuestStart& guest, std::size_t step, bool last) {
  auto text = fmt::format("{}[Unit]\nAfter={}\n", origin, begin_unit_of(guest.vm));
  if (step > 1) text += fmt::format("After={}\n", target_of(step - 1));
  if (!last) text += fmt::format("Before={}\n", target_of(step));
  return text;
}

}  // namespace

std::string unit_of(std::string_view vm) {
  return fmt::format("hvlaunch@{}.service", vm);
}

std::vector<UnitFile> units_of(const AutostartPlan& plan, const UnitPlaces& places) {
  std::vector<UnitFile> files;
  if (plan.steps.empty()) return files;
  const auto wanting = places.user ? "default.target.wants" : "multi-user.target.wants";
  files.push_back({.path = fmt::format("{}/hvlaunch.target", wanting),
                   .target = places.units + "/hvlaunch.target"});
  auto wants = fmt::format("{}[Unit]\n", origin);
  for (std::size_t step = 1; step <= plan.steps.size(); ++step) {
    const bool last = step == plan.steps.size();
    if (!last) {
      wants += fmt::format("Wants={}\n", target_of(step));
      files.push_back({.path = target_of(step), .text = step_unit(step)});
    }
    for (const auto& guest : plan.steps[step - 1]) {
      const auto unit = unit_of(guest.vm);
      const auto begin = begin_unit_of(guest.vm);
      wants += fmt::format("Wants={}\n", begin);
      files.push_back({.path = begin, .text = begin_unit(guest, step, places)});
      files.push_back({.path = fmt::format("{}.d/50-autostart.conf", unit),
                       .text = guest_order(guest, step, last)});
      files.push_back({.path = fmt::format("hvlaunch.target.wants/{}", unit),
                       .target = places.units + "/hvlaunch@.service"});
    }
  }
  // Not a symlink each: a file less for every guest.
  files.push_back({.path = "hvlaunch.target.d/50-autostart.conf", .text = std::move(wants)});
  return files;
}

}  // namespace hv::plan
