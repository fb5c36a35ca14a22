// SPDX-License-Identifier: MIT
#include "launcher/plan/autostart.h"

#include <algorithm>
#include <optional>
#include <tuple>

namespace hv::plan {
namespace {

/// Groups that config.json orders, then others by name, then guests of none.
std::size_t rank_of(const std::string& group, const std::vector<std::string>& order) {
  if (group.empty()) return order.size() + 1;
  return static_cast<std::size_t>(std::ranges::find(order, group) - order.begin());
}

/// Why it does not start; nothing if it does.
std::optional<GuestSkipped> reason_against(const Startable& profile, const KernelWords& kernel,
                                           const Downs& downs) {
  const auto because = [&](NotStarted cause, std::string why) {
    return GuestSkipped{profile.vm, profile.path, cause, std::move(why), profile.errors};
  };
  const bool named = kernel.names(profile.vm);
  if (!profile.errors.empty()) return because(NotStarted::wrong, "its profile is wrong");
  if (!profile.enabled && !named)
    return because(NotStarted::not_asked, "its profile has no autostart");
  if (kernel.rescue)
    return because(NotStarted::kernel, "the kernel command line has hvlaunch.rescue");
  if (kernel.off)
    return because(NotStarted::kernel, "the kernel command line has hvlaunch.autostart=off");
  if (kernel.some && !named)
    return because(NotStarted::kernel,
                   "hvlaunch.autostart of the kernel command line names others");
  if (const auto found = downs.find(profile.vm);
      found != downs.end() && found->second >= most_downs)
    return because(
        NotStarted::boot_loop,
        fmt::format("the host went down {} times running while it started; `hvlaunch start {}` or "
                    "`hvlaunch autostart reset {}` ends that",
                    found->second, profile.vm, profile.vm));
  return std::nullopt;
}

void set_delays(std::vector<StartStep>& steps, const AutostartSettings& settings) {
  for (std::size_t i = 0; i < steps.size(); ++i) {
    std::uint64_t delay = 0;
    if (i > 0)
      delay = steps[i].front().group == steps[i - 1].front().group ? settings.delay_ms
                                                                   : settings.delay_of_groups_ms;
    for (auto& guest : steps[i]) {
      guest.delay_ms = delay;
      delay += settings.delay_ms;
    }
  }
}

std::vector<StartStep> steps_of(std::vector<GuestStart> guests, const AutostartSettings& settings) {
  const auto place_of = [&](const GuestStart& guest) {
    return std::tuple(rank_of(guest.group, settings.groups), std::string_view(guest.group),
                      guest.priority, std::string_view(guest.vm));
  };
  std::ranges::sort(guests, {}, place_of);
  std::vector<StartStep> steps;
  for (auto& guest : guests) {
    if (steps.empty() || steps.back().front().group != guest.group ||
        steps.back().front().priority != guest.priority)
      steps.emplace_back();
    steps.back().push_back(std::move(guest));
  }
  set_delays(steps, settings);
  return steps;
}

void note_unknown(AutostartPlan& plan, const std::vector<std::string>& names,
                  const std::vector<Startable>& profiles) {
  for (const auto& name : names)
    if (std::ranges::find(profiles, name, &Startable::vm) == profiles.end())
      plan.notes.push_back(
          fmt::format("there is no VM '{}', of which the kernel command line speaks", name));
}

}  // namespace

std::string_view to_string(NotStarted cause) {
  switch (cause) {
    case NotStarted::not_asked: return "not-asked";
    case NotStarted::wrong: return "wrong-profile";
    case NotStarted::kernel: return "kernel-command-line";
    case NotStarted::boot_loop: return "boot-loop";
  }
  return "";
}

AutostartPlan plan_autostart(const std::vector<Startable>& profiles,
                             const AutostartSettings& settings, const KernelWords& kernel,
                             const Downs& downs) {
  AutostartPlan plan{.steps = {}, .skipped = {}, .notes = kernel.ignored};
  note_unknown(plan, kernel.only, profiles);
  note_unknown(plan, kernel.also, profiles);
  std::vector<GuestStart> guests;
  for (const auto& profile : profiles)
    if (auto against = reason_against(profile, kernel, downs))
      plan.skipped.push_back(*std::move(against));
    else
      guests.push_back({.vm = profile.vm,
                        .path = profile.path,
                        .group = profile.group,
                        .priority = profile.priority,
                        .by_kernel = !profile.enabled});
  plan.steps = steps_of(std::move(guests), settings);
  return plan;
}

}  // namespace hv::plan
