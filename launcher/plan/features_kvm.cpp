// SPDX-License-Identifier: MIT
//
// What KVM does for a guest without an argument of QEMU's: the parameters of its
// modules decide, and the guest must not be in the way.
#include "launcher/plan/features.h"

#include <algorithm>

namespace hv::plan {
namespace {

constexpr unsigned secure_tsc_bit = 9;  // Of VMSA_FEATURES (AMD APM, volume 2, table B-3).
constexpr unsigned secure_avic_bit = 16;

bool is_amd(const host::CpuFacts& host) {
  return host.vendor == "AuthenticAMD" || host.vendor == "HygonGenuine";
}

/// What is wrong with a switch of kvm_amd; nullopt: it is on.
Lacks lack_of_switch(const host::CpuFacts& host, std::string_view name, std::string setting) {
  const auto* const parameter = host.find("kvm_amd", name);
  if (parameter == nullptr) {
    const bool loaded = std::ranges::find(host.parameters, "kvm_amd",
                                          &host::ModuleParameter::module) != host.parameters.end();
    return host_lacks(
        loaded ? fmt::format("kvm_amd of kernel {} has no parameter '{}'", host.kernel, name)
               : "the module kvm_amd is not loaded",
        loaded ? "boot a newer kernel" : "`modprobe kvm_amd`");
  }
  if (!parameter->value)
    return Lack{.id = "unreadable-parameter",
                .why = fmt::format("/sys/module/kvm_amd/parameters/{} cannot be read", name),
                .cure = "let this user, service or container read /sys/module"};
  if (host.is_on("kvm_amd", name)) return std::nullopt;
  return host_lacks(fmt::format("kvm_amd has {}={}", name, *parameter->value),
                    set_parameter("kvm_amd", setting));
}

Lacks lack_of_avic(FeatureResolver& features) {
  const auto& host = features.host();
  if (!features.machine().kvm())
    return host_lacks("the guest runs without KVM, which gives it", "it takes KVM on an AMD host");
  if (!is_amd(host))
    return host_lacks(fmt::format("it is AMD's, and this host's CPU is '{}'", host.vendor),
                      host.vendor == "GenuineIntel"
                          ? "Intel's APICv is on by itself: take 'avic' out, or use \"prefer\""
                          : "take 'avic' out, or use \"prefer\"");
  return lack_of_switch(host, "avic", "avic=1");
}

/// What in this guest keeps KVM from using AVIC all the same; empty: nothing.
std::string inhibited_by(FeatureResolver& features) {
  constexpr std::uint64_t most_xapic = 255;
  const auto& machine = features.machine();
  if (machine.cpus.value.count > most_xapic && !features.host().has_flag("x2avic"))
    return fmt::format("{} vCPUs take x2APIC, and this CPU has no x2AVIC",
                       machine.cpus.value.count);
  const auto value_of = [&](std::string_view property) -> std::string_view {
    const auto found = std::ranges::find(machine.features.cpu, property, &CpuSetting::name);
    if (found == machine.features.cpu.end()) return {};
    return found->value;
  };
  if (value_of("hv-synic") == "on" && value_of("hv-avic") != "on" && value_of("hv-apicv") != "on")
    return "Hyper-V's synic uses AutoEOI, and this QEMU cannot advise the guest against it";
  return {};
}

Lacks lack_of_snp_extra(FeatureResolver& features, std::string_view property, unsigned bit) {
  const auto& qemu = features.in().qemu();
  if (!qemu.has_property("sev-snp-guest", property))
    return qemu_lacks(fmt::format("no QEMU up to 11.1 has an option for it: 'sev-snp-guest' of {} "
                                  "has no property '{}'",
                                  qemu.binary, property),
                      "hvlaunch uses it from the day that a QEMU offers it");
  if ((features.host().sev_features >> bit & 1U) == 0)
    return host_lacks("this host's KVM does not give it to SNP guests",
                      "it takes a newer kernel, on a CPU that has it");
  return std::nullopt;
}

}  // namespace

void resolve_avic(FeatureResolver& features) {
  const auto* const wanted = features.wanted("avic");
  if (wanted == nullptr) return;
  const auto& pointer = wanted->wanted.pointer;
  auto& machine = features.machine();
  if (!features.settle("avic", wanted->wanted, lack_of_avic(features))) return;
  auto& state = machine.features.states.back();
  machine.features.keep_pit = false;  // Re-injection of its ticks inhibits AVIC.
  const auto& cpu = machine.features.cpu;
  if (std::ranges::find(cpu, "hv-synic", &CpuSetting::name) != cpu.end() &&
      features.qemu_has("hv-avic"))
    features.set("hv-avic", "on", pointer, "AutoEOI would inhibit AVIC");
  if (auto reason = inhibited_by(features); !reason.empty()) {
    if (wanted->required())
      return features.in().note({.fault = Fault::missing,
                                 .id = "avic-inhibited",
                                 .message = "KVM would not use AVIC: " + reason,
                                 .origin = {.pointer = pointer},
                                 .hint = "\"avic\": \"prefer\" starts the guest without"});
    features.in().warn("avic-inhibited", "KVM does not use AVIC: " + reason);
    state = {.name = "avic", .state = "inhibited", .detail = std::move(reason), .pointer = pointer};
  } else {
    state = {.name = "avic",
             .state = "active",
             .detail = features.wanted("nested") != nullptr
                           ? "but not for a vCPU while it runs a guest of its own"
                           : "",
             .pointer = pointer};
  }
}

void resolve_snp_extras(FeatureResolver& features) {
  if (const auto* const wanted = features.wanted("ciphertext_hiding"))
    (void)features.settle("ciphertext_hiding", wanted->wanted,
                          lack_of_switch(features.host(), "ciphertext_hiding_asids",
                                         "ciphertext_hiding_asids=<number of SNP guests>"));
  if (const auto* const wanted = features.wanted("secure_tsc"))
    (void)features.settle("secure_tsc", wanted->wanted,
                          lack_of_snp_extra(features, "secure-tsc", secure_tsc_bit));
  if (const auto* const wanted = features.wanted("secure_avic"))
    (void)features.settle("secure_avic", wanted->wanted,
                          lack_of_snp_extra(features, "secure-avic", secure_avic_bit));
}

void resolve_guest_memfd(FeatureResolver& features) {
  const auto& options = features.in().profile().memory_options;
  const auto wanted = std::ranges::find(options, "guest_memfd", &profiles::Feature::name);
  if (wanted == options.end() || !wanted->on()) return;
  const auto& confidential = features.machine().confidential;
  if (confidential && has_private_memory(confidential->value.technology)) {
    (void)features.settle("guest_memfd", wanted->wanted, std::nullopt,
                          "QEMU makes it for the guest's private memory");
    return;
  }
  const auto& qemu = features.in().qemu();
  constexpr std::string_view property = "guest-memfd";
  Lacks lack;
  if (!qemu.has_property("memory-backend-memfd", property))
    lack = qemu_lacks(
        fmt::format("no QEMU up to 11.1 has an option for it: 'memory-backend-memfd' of {} has no "
                    "property '{}'",
                    qemu.binary, property),
        "hvlaunch uses it from the day that a QEMU offers it; confidential guests have it anyway");
  else if (!features.machine().kvm())
    lack = host_lacks("the guest runs without KVM, which gives it", "it takes KVM");
  else if (!features.host().guest_memfd)
    lack = host_lacks(fmt::format("KVM of kernel {} has none", features.host().kernel),
                      "boot a kernel with CONFIG_KVM_GUEST_MEMFD");
  if (features.settle("guest_memfd", wanted->wanted, lack))
    features.machine().features.memory_option = property;
}

}  // namespace hv::plan
