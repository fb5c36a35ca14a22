// SPDX-License-Identifier: MIT
//
// Which guests start with the host, in what order, and why the others do not.
// `hvlaunch autostart list` shows the plan that the systemd generator makes
// units of.
#pragma once

#include "launcher/base/error.h"
#include "launcher/plan/kernel_words.h"

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace hv::plan {

/// What a profile says of it.
struct Startable {
  std::string vm;
  std::string path;
  bool enabled = false;
  std::string group{};
  std::uint64_t priority = 0;
  Errors errors{};  ///< Not empty: the profile is wrong, and the rest is unknown.
};

/// What config.json says of it, with the defaults that it documents.
struct AutostartSettings {
  std::uint64_t delay_ms = 1500;            ///< Between two guests of a group.
  std::uint64_t delay_of_groups_ms = 2500;  ///< Between two groups.
  std::vector<std::string> groups{};        ///< In their order; others follow by name.
};

/// How often running the host went down while a guest started.
using Downs = std::map<std::string, std::uint32_t, std::less<>>;
inline constexpr std::uint32_t most_downs = 2;

struct GuestStart {
  std::string vm;
  std::string path;
  std::string group;
  std::uint64_t priority = 0;
  std::uint64_t delay_ms = 0;  ///< After all guests of the step before are ready.
  bool by_kernel = false;      ///< The kernel command line asks for it, not its profile.
};

/// Guests of one group and priority: they need not wait for each other.
using StartStep = std::vector<GuestStart>;

enum class NotStarted : std::uint8_t {
  not_asked,  ///< The profile has no autostart.
  wrong,      ///< The profile has errors.
  kernel,     ///< The kernel command line says so.
  boot_loop,  ///< The host went down too often while it started.
};

struct GuestSkipped {
  std::string vm;
  std::string path;
  NotStarted cause;
  std::string why;  ///< For people.
  Errors errors{};
};

struct AutostartPlan {
  std::vector<StartStep> steps;
  std::vector<GuestSkipped> skipped;
  std::vector<std::string> notes;  ///< What was ignored.
};

[[nodiscard]] std::string_view to_string(NotStarted cause);

[[nodiscard]] AutostartPlan plan_autostart(const std::vector<Startable>& profiles,
                                           const AutostartSettings& settings,
                                           const KernelWords& kernel, const Downs& downs);

/// A file for the generator's directory, or a symlink.
struct UnitFile {
  std::string path;    ///< Below the directory.
  std::string text{};  ///< Empty: a symlink.
  std::string target{};
};

/// Where things are that units refer to.
struct UnitPlaces {
  std::string program;  ///< This very program.
  std::string units;    ///< Directory of hvlaunch@.service and hvlaunch.target.
  bool user = false;    ///< For a user's systemd.
};

/// The service of a VM. A VM's name is valid in a unit's as it is, and stays as it
/// is: hvlaunch@.service uses %i, so that people can type what they called it.
[[nodiscard]] std::string unit_of(std::string_view vm);

[[nodiscard]] std::vector<UnitFile> units_of(const AutostartPlan& plan, const UnitPlaces& places);

}  // namespace hv::plan
