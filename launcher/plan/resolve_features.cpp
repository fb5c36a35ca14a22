// SPDX-License-Identifier: MIT
#include "launcher/plan/resolver.h"

namespace hv::plan {

void resolve_features(Resolver& in, Machine&) {
  const auto refuse = [&](const std::string& pointer, std::string_view what) {
    in.note({.fault = Fault::missing,
             .id = "not-supported-yet",
             .message = fmt::format("this hvlaunch cannot {} yet", what),
             .origin = {.pointer = pointer},
             .hint = "take the field out to start the guest without it"});
  };
  const auto& profile = in.profile();
  const auto is_technology = [](std::string_view name) {
    return name == "sev" || name == "sev_es" || name == "sev_snp" || name == "tdx";
  };
  for (const auto& feature : profile.cpu_features.toggles)
    if (feature.on() && !is_technology(feature.name))
      refuse(feature.wanted.pointer,
             fmt::format("give a guest the CPU feature '{}'", feature.name));
  for (const auto& feature : profile.memory_options)
    if (feature.on() && feature.name == "guest_memfd")
      refuse(feature.wanted.pointer, fmt::format("give a guest '{}' memory", feature.name));
}

}  // namespace hv::plan
