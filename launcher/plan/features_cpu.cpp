// SPDX-License-Identifier: MIT
//
// Toggles that are properties of QEMU's CPU, or of its machine.
#include "launcher/base/text.h"
#include "launcher/plan/features.h"

#include <algorithm>
#include <array>
#include <functional>

namespace hv::plan {
namespace {

using profiles::Arch;

enum class Which : std::uint8_t {
  all,        ///< All of the properties make the feature.
  available,  ///< Those that the CPU has; at least one.
};

struct CpuToggle {
  std::string_view toggle;
  std::array<std::string_view, 7> properties;  ///< QEMU's names.
  Which which;
  Lack (*host_lack)(const FeatureResolver&);
};

/// The kernel's name of a CPU's feature tells whether the CPU is at fault, or KVM.
Lack cpu_or_kvm(const FeatureResolver& features, std::string_view flag, std::string_view what,
                std::string_view since) {
  const auto& host = features.host();
  if (!host.has_flag(flag))
    return host_lacks(fmt::format("this host's CPU shows the kernel no {}", what),
                      "look in its firmware's setup; else it takes a newer CPU");
  return host_lacks(
      fmt::format("this host's CPU has {}, but its KVM does not give it to guests", what),
      fmt::format("{}; this one is {}", since, host.kernel));
}

Lack no_shadow_stack(const FeatureResolver& features) {
  return cpu_or_kvm(features, "user_shstk", "shadow stacks",
                    "Linux has it from 6.18 on, with nested paging (kvm_intel.ept, kvm_amd.npt)");
}

Lack no_branch_tracking(const FeatureResolver& features) {
  if (features.host().vendor == "AuthenticAMD")
    return host_lacks("KVM gives no guest on AMD indirect branch tracking", "it takes Intel's CPU");
  return cpu_or_kvm(features, "ibt", "indirect branch tracking",
                    "Linux has it from 6.18 on, with kvm_intel.unrestricted_guest");
}

Lack no_fred(const FeatureResolver& features) {
  return cpu_or_kvm(features, "fred", "FRED", "it takes a kernel whose KVM has FRED");
}

Lack no_zhaoxin(const FeatureResolver& features) {
  const auto& vendor = features.host().vendor;
  if (vendor == "CentaurHauls" || vendor == "  Shanghai  ")
    return host_lacks("this CPU has nothing in those leaves", "");
  return host_lacks(fmt::format("this host's CPU is '{}'", vendor),
                    "it takes one of Zhaoxin or Centaur");
}

Lack no_nested(const FeatureResolver& features) {
  const auto& host = features.host();
  for (const auto* const module : {"kvm_intel", "kvm_amd"})
    if (const auto* const nested = host.find(module, "nested")) {
      if (!nested->value)
        return {.id = "unreadable-parameter",
                .why = fmt::format("/sys/module/{}/parameters/nested cannot be read", module),
                .cure = "let this user, service or container read /sys/module"};
      if (!host.is_on(module, "nested"))
        return host_lacks(fmt::format("it is off in {}", module),
                          set_parameter(module, "nested=1"));
    }
  return host_lacks("KVM gives guests neither vmx nor svm here",
                    "`hvlaunch doctor` tells what is in the way");
}

Lack no_vectors(const FeatureResolver& features) {
  return cpu_or_kvm(features, "sve", "SVE", "it takes a kernel whose KVM has SVE");
}

Lack no_matrices(const FeatureResolver& features) {
  return cpu_or_kvm(features, "sme", "SME", "no KVM has it yet");
}

Lack no_pauth(const FeatureResolver& features) {
  return cpu_or_kvm(features, "paca", "pointer authentication",
                    "it takes a kernel whose KVM has it, in VHE mode");
}

constexpr CpuToggle cpu_toggles[] = {
    {"shstk", {"cet-ss"}, Which::all, no_shadow_stack},
    {"ibt", {"cet-ibt"}, Which::all, no_branch_tracking},
    {"fred", {"fred", "lkgs"}, Which::all, no_fred},
    {"zhaoxin_centaur_leaves",
     {"xstore", "xstore-en", "xcrypt", "xcrypt-en", "ace2", "phe", "pmm"},
     Which::available,
     no_zhaoxin},
    {"sve", {"sve"}, Which::all, no_vectors},
    {"sme", {"sme"}, Which::all, no_matrices},
    {"pauth", {"pauth"}, Which::all, no_pauth},
};

constexpr CpuToggle nested_x86 = {"nested", {"vmx", "svm"}, Which::available, no_nested};
constexpr CpuToggle nested_riscv = {
    "nested", {"h"}, Which::all, [](const FeatureResolver& features) {
      return cpu_or_kvm(features, "h", "the hypervisor extension", "no KVM gives it to guests yet");
    }};

std::vector<std::string_view> names_of(const CpuToggle& toggle) {
  std::vector<std::string_view> names(toggle.properties.begin(), toggle.properties.end());
  std::erase(names, std::string_view());
  return names;
}

Lack emulation_lacks(std::string_view property) {
  return host_lacks(
      fmt::format("the guest runs without KVM, and TCG does not emulate '{}'", property),
      "it takes KVM, on a host that has it");
}

/// `chosen`: the properties to set, if there is nothing against it.
Lacks lack_of(FeatureResolver& features, const CpuToggle& toggle,
              std::vector<std::string_view>& chosen) {
  auto names = names_of(toggle);
  const auto unknown =
      std::ranges::find_if(names, [&](std::string_view name) { return !features.qemu_has(name); });
  if (unknown != names.end())
    return qemu_lacks(
        fmt::format("the CPUs of {} have no property '{}'", features.in().qemu().binary, *unknown),
        "a newer QEMU may have it: `hvlaunch caps` lists what this one has");
  // Of SME QEMU says nothing; the kernel does.
  const auto impossible = [&](std::string_view name) {
    const bool silent = name == "sme" && features.machine().kvm();
    return silent ? !features.host().has_flag(name) : !features.can_have(name);
  };
  const auto first = std::ranges::find_if(names, impossible);
  const auto missing = first != names.end() ? *first : std::string_view();
  std::erase_if(names, impossible);
  const bool enough = toggle.which == Which::all ? missing.empty() : !names.empty();
  // Of what cannot be told, none is set: a CPU with both vmx and svm there is not.
  if (enough && (toggle.which == Which::all || features.possible() != nullptr))
    chosen = std::move(names);
  if (enough) return std::nullopt;
  return features.machine().kvm() ? toggle.host_lack(features) : emulation_lacks(missing);
}

void switch_off(FeatureResolver& features, const CpuToggle& toggle, const std::string& pointer) {
  for (const auto name : names_of(toggle))
    if (features.qemu_has(name) && (toggle.which == Which::all || features.possible() != nullptr) &&
        features.can_have(name))
      features.set(name, "off", pointer, "the guest is not to see it");
  features.report(
      {.name = std::string(toggle.toggle), .state = "off", .detail = {}, .pointer = pointer});
}

/// `given` is a toggle of the profile, on or off.
void resolve_toggle(FeatureResolver& features, const profiles::Feature& given,
                    const CpuToggle& toggle) {
  if (!given.on()) return switch_off(features, toggle, given.wanted.pointer);
  std::vector<std::string_view> chosen;
  const auto lack = lack_of(features, toggle, chosen);
  const auto* const detail = chosen.empty() ? "as far as the CPU model has it" : "";
  if (!features.settle(given.name, given.wanted, lack, detail)) return;
  for (const auto name : chosen)
    features.set(name, "on", given.wanted.pointer, fmt::format("what makes '{}'", given.name));
  const bool x86 = features.in().profile().arch.value == Arch::x86_64;
  if (x86 && given.required()) features.machine().features.enforce = true;
}

/// A property of the machine: aarch64's EL2 and memory tags.
void resolve_machine_property(FeatureResolver& features, const profiles::Feature& given,
                              std::string_view property, bool& target,
                              const std::function<Lacks()>& host_lack) {
  const auto& qemu = features.in().qemu();
  const auto* const newest = qemu.find_machine("virt");
  Lacks lack;
  if (newest != nullptr && !qemu.has_property(newest->name + "-machine", property))
    lack =
        qemu_lacks(fmt::format("the machines of {} have no property '{}'", qemu.binary, property),
                   "a newer QEMU may have it");
  else
    lack = host_lack();
  target = features.settle(given.name, given.wanted, lack);
}

void resolve_arm(FeatureResolver& features, const profiles::Feature& given) {
  auto& settled = features.machine().features;
  if (given.name == "mte" && given.on())
    resolve_machine_property(features, given, "mte", settled.mte, [&]() -> Lacks {
      if (!features.machine().kvm()) return std::nullopt;
      if (features.host().has_flag("mte")) return std::nullopt;
      return host_lacks("this host's CPU shows the kernel no memory tagging",
                        "look in its firmware's setup, and for arm64.nomte on the kernel's command "
                        "line; else it takes a newer CPU");
    });
  if (given.name == "nested" && given.on())
    resolve_machine_property(features, given, "virtualization", settled.virtualization,
                             []() -> Lacks { return std::nullopt; });
}

}  // namespace

void resolve_cpu_toggles(FeatureResolver& features) {
  const auto arch = features.in().profile().arch.value;
  for (const auto& given : features.in().profile().cpu_features.toggles) {
    if (arch == Arch::aarch64) resolve_arm(features, given);
    if (given.name == "nested" && arch == Arch::x86_64) resolve_toggle(features, given, nested_x86);
    if (given.name == "nested" && arch == Arch::riscv64)
      resolve_toggle(features, given, nested_riscv);
    const auto* const toggle =
        std::ranges::find(cpu_toggles, std::string_view(given.name), &CpuToggle::toggle);
    const bool foreign = (arch == Arch::aarch64) !=
                         (given.name == "sve" || given.name == "sme" || given.name == "pauth");
    if (toggle != std::end(cpu_toggles) && !foreign) resolve_toggle(features, given, *toggle);
  }
}

void resolve_extensions(FeatureResolver& features) {
  for (const auto& given : features.in().profile().cpu_features.extensions) {
    const auto name = "extensions." + given.name;
    const std::string_view property = given.name;
    Lacks lack;
    if (!features.qemu_has(property))
      lack = qemu_lacks(fmt::format("the CPUs of {} have no extension '{}'",
                                    features.in().qemu().binary, property),
                        "a newer QEMU may have it");
    else if (!features.can_have(property))
      lack = features.machine().kvm()
                 ? host_lacks(fmt::format("this host's KVM does not give guests '{}'", property),
                              "the host's CPU, firmware and kernel must all have it")
                 : emulation_lacks(property);
    if (!given.on()) {
      if (!lack) features.set(property, "off", given.wanted.pointer, "the guest is not to see it");
      features.report(
          {.name = name, .state = "off", .detail = {}, .pointer = given.wanted.pointer});
    } else if (features.settle(name, given.wanted, lack)) {
      features.set(property, "on", given.wanted.pointer, "an extension that is asked for");
    }
  }
}

}  // namespace hv::plan
