// SPDX-License-Identifier: MIT
//
// From a VM's name on the command line to its profile and its plan.
#pragma once

#include "launcher/commands/cli.h"
#include "launcher/plan/machine.h"
#include "launcher/plan/plan.h"
#include "launcher/qemu/capabilities.h"
#include "launcher/run/place.h"
#include "profiles/profile.h"

#include <optional>

namespace hv::commands {

struct Loaded {
  profiles::Profile profile;
  std::string path;
  profiles::Source source;
  std::uint64_t hash = 0;  ///< Of the text.
};

struct Planned {
  Loaded loaded;
  plan::Plan plan;
};

/// The errors with the line and column of the fields that they are about, in their order.
[[nodiscard]] Errors placed(Errors errors, const Loaded& loaded);

/// The file of a VM, by name in the profile directories or given as a path.
[[nodiscard]] Result<std::string> find_profile(const Context& context, const std::string& vm);

/// Text of a profile, at most 1 MiB; "-" is standard input.
[[nodiscard]] Result<profiles::Source> read_profile_text(const Context& context,
                                                         const std::string& path);

[[nodiscard]] std::expected<Loaded, Errors> load_profile(const Context& context,
                                                         const std::string& vm);

struct PlanOptions {
  bool ordinary_pages = false;  ///< Without huge pages, whatever the profile says.
  /// As if these were all that others have; nullopt: what running guests have.
  std::optional<std::vector<plan::Claims>> claimed{};
};

/// The profile's plan on this host. Touches nothing but hvlaunch's own cache.
[[nodiscard]] std::expected<Planned, Errors> load_plan(const Context& context,
                                                       const std::string& vm,
                                                       const PlanOptions& options = {});

/// What `measure` reckons with.
struct LoadedLaunch {
  Loaded loaded;
  plan::Machine machine;
  host::CpuFacts cpu;  ///< Of this host, which may be another than the guest's.
};
[[nodiscard]] std::expected<LoadedLaunch, Errors> load_launch(const Context& context,
                                                              const std::string& vm);

/// What the QEMU for `binary_or_architecture` can do.
[[nodiscard]] Result<qemu::Capabilities> load_capabilities(const Context& context,
                                                           const std::string& binary,
                                                           const qemu::Question& question = {});

/// A VM by name, whether or not it has a profile. Fault::usage if the name
/// cannot be one.
[[nodiscard]] Result<run::Place> place_of(const Context& context, const std::string& vm);

/// The same for commands about a guest: it runs, or has a profile, or had one.
[[nodiscard]] Result<run::Place> guest_of(const Context& context, const std::string& vm);

/// Names of the profiles in the directories, sorted, and the files they are in.
struct Listed {
  std::string name;
  std::string path;
};
[[nodiscard]] std::vector<Listed> list_profiles(const Context& context);

}  // namespace hv::commands
