// SPDX-License-Identifier: MIT
#include "launcher/base/text.h"
#include "launcher/plan/features.h"

#include <algorithm>

namespace hv::plan {
namespace {

/// The names that CPU model expansion tells of on aarch64; of others it says nothing.
constexpr std::string_view arm_advertised[] = {"aarch64", "pmu", "sve", "pauth"};

/// A long list as its beginning.
std::string listed(const std::vector<std::string>& names) {
  constexpr std::size_t enough = 12;
  const auto shown = std::span(names).first(std::min(names.size(), enough));
  auto text = join(shown, ", ");
  if (names.size() > enough) text += fmt::format(" and {} more", names.size() - enough);
  return text;
}

std::vector<std::string> missing_in(const std::vector<std::string>& has,
                                    const std::vector<std::string>& all) {
  std::vector<std::string> missing;
  std::ranges::set_difference(all, has, std::back_inserter(missing));
  return missing;
}

}  // namespace

Lack qemu_lacks(std::string why, std::string cure) {
  return {.id = "qemu-lacks-feature", .why = std::move(why), .cure = std::move(cure)};
}

Lack host_lacks(std::string why, std::string cure) {
  return {.id = "host-lacks-feature", .why = std::move(why), .cure = std::move(cure)};
}

std::string set_parameter(std::string_view module, std::string_view setting) {
  return fmt::format(
      "put `options {0} {1}` into /etc/modprobe.d/hvlaunch.conf and reload {0}, or "
      "boot with {0}.{1}",
      module, setting);
}

bool FeatureResolver::qemu_has(std::string_view property) const {
  const auto type = in_.qemu().cpu_type();
  return type.empty() || in_.qemu().has_property(type, property);
}

const qemu::ModelFeatures* FeatureResolver::possible() const {
  return in_.qemu().accelerator == machine_.accelerator.value ? in_.qemu().most_capable() : nullptr;
}

bool FeatureResolver::can_have(std::string_view property) const {
  const auto* const model = possible();
  if (model == nullptr || model->has(property)) return true;
  return in_.qemu().target == "aarch64" &&
         std::ranges::find(arm_advertised, property) == std::end(arm_advertised);
}

bool FeatureResolver::settle(const std::string& name,
                             const profiles::Sourced<profiles::Wish>& wanted, const Lacks& lack,
                             std::string detail) {
  if (!lack) {
    report({.name = name, .state = "on", .detail = std::move(detail), .pointer = wanted.pointer});
    return true;
  }
  const auto& [id, why, cure] = *lack;
  if (wanted.value == profiles::Wish::require) {
    in_.note({.fault = Fault::missing,
              .id = id,
              .message = fmt::format("'{}' is not to be had: {}", name, why),
              .origin = {.pointer = wanted.pointer},
              .hint = cure});
    return false;
  }
  in_.warn("feature-missing", fmt::format("the guest is without '{}': {}{}{}", name, why,
                                          cure.empty() ? "" : "; ", cure));
  report({.name = name, .state = "missing", .detail = why, .pointer = wanted.pointer});
  return false;
}

void FeatureResolver::set(std::string_view property, std::string_view value,
                          const std::string& pointer, std::string why) {
  auto& settings = machine_.features.cpu;
  if (std::ranges::find(settings, property, &CpuSetting::name) == settings.end())
    settings.push_back({.name = std::string(property),
                        .value = std::string(value),
                        .cause = {.pointer = pointer, .why = std::move(why)}});
}

void resolve_properties(FeatureResolver& features) {
  auto& in = features.in();
  for (const auto& [name, value] : in.profile().cpu_features.properties) {
    if (features.qemu_has(name)) {
      features.set(name, value.value, value.pointer, "as the profile has it");
      continue;
    }
    std::vector<std::string_view> known;
    for (const auto& [type, properties] : in.qemu().properties)
      if (type == in.qemu().cpu_type()) known.assign(properties.begin(), properties.end());
    const auto near = nearest(name, known);
    in.note({.fault = Fault::missing,
             .id = "qemu-lacks-feature",
             .message = fmt::format("the CPUs of {} have no property '{}'", in.qemu().binary, name),
             .origin = {.pointer = value.pointer},
             .hint = near.empty() ? "a newer QEMU may have it"
                                  : fmt::format("did you mean '{}'?", near)});
  }
}

void compare_model(FeatureResolver& features) {
  auto& in = features.in();
  auto& machine = features.machine();
  const auto& name = machine.cpu_model.value;
  const auto* const possible = features.possible();
  const auto* const model = in.qemu().find_model(name);
  if (possible == nullptr || model == nullptr || model == possible) return;
  const auto& where = machine.kvm() ? "this host" : "TCG";
  const auto lacking = missing_in(possible->on, model->on);
  if (!lacking.empty()) {
    machine.features.enforce = false;  // It would refuse the model for what nobody asked for.
    in.warn("model-not-whole", fmt::format("{} cannot give all of the CPU model '{}': {}", where,
                                           name, listed(lacking)));
  }
  auto hidden = missing_in(model->on, possible->on);
  std::erase_if(hidden, [&](const std::string& feature) {
    return std::ranges::find(machine.features.cpu, feature, &CpuSetting::name) !=
           machine.features.cpu.end();
  });
  if (!hidden.empty())
    features.report({.name = "cpu",
                     .state = name,
                     .detail = fmt::format("without what {} also has: {}", where, listed(hidden)),
                     .pointer = machine.cpu_model.cause.pointer});
}

void resolve_baseline(Resolver& in, Machine& machine) {
  const auto& wish = in.profile().cpu_model;
  const auto baseline = baseline_of(in.baseline());
  const auto lacks = [&](std::string id, std::string message, std::string hint) {
    in.note({.fault = Fault::missing,
             .id = std::move(id),
             .message = std::move(message),
             .origin = {.pointer = wish.pointer},
             .hint = std::move(hint)});
  };
  if (!machine.kvm())
    return lacks("no-kvm", "the CPU model 'baseline' needs KVM: " + machine.accelerator.cause.why,
                 "name a model that TCG has, such as 'max'");
  if (!baseline)
    return lacks(baseline.error().id, baseline.error().message,
                 "record the hosts anew, or name a CPU model");
  const auto& [model, added, dropped] = *baseline;
  machine.cpu_model = {
      model, {.pointer = wish.pointer, .why = "the most that all hosts of 'baseline' can run"}};
  FeatureResolver features(in, machine);
  std::vector<std::string> missing;
  for (const auto& feature : added) {
    if (!features.qemu_has(feature) || !features.can_have(feature)) missing.push_back(feature);
    features.set(feature, "on", wish.pointer, "all hosts of 'baseline' have it");
  }
  if (!missing.empty())
    return lacks(
        "host-lacks-feature",
        fmt::format("this host lacks what all hosts of 'baseline' have: {}", listed(missing)),
        "record this host, too: `hvlaunch caps --export`");
  machine.features.enforce = true;  // Elsewhere the guest must find what it had here.
  if (!dropped.empty())
    features.report(
        {.name = "cpu",
         .state = "baseline",
         .detail = fmt::format("without what only some hosts have: {}", listed(dropped)),
         .pointer = wish.pointer});
}

void resolve_features(Resolver& in, Machine& machine) {
  FeatureResolver features(in, machine);
  resolve_properties(features);
  resolve_cpu_toggles(features);
  resolve_extensions(features);
  resolve_hyperv(features);
  resolve_avic(features);
  resolve_snp_extras(features);
  resolve_guest_memfd(features);
  compare_model(features);
}

}  // namespace hv::plan
