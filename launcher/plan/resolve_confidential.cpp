// SPDX-License-Identifier: MIT
#include "launcher/plan/resolver.h"

#include <array>
#include <optional>
#include <utility>

namespace hv::plan {
namespace {

using profiles::Technology;

/// What it takes to make such guests.
struct Means {
  Technology technology;
  std::string_view object;   ///< Of QEMU.
  std::string_view release;  ///< Of QEMU that has it.
  std::string_view vendor;   ///< Of the CPU.
  std::string_view flag;     ///< In /proc/cpuinfo.
  std::uint32_t cpuid_bit;   ///< Of leaf 8000001F, EAX; 0: none.
  std::string_view cpus;     ///< That have it, in words.
  std::string_view module;
  std::string_view parameter;
  std::string_view kernel;  ///< That has the parameter.
};

constexpr std::array all_means = {
    Means{Technology::sev, "sev-guest", "7.2", "AuthenticAMD", "sev", 1U << 1U,
          "EPYC 7001 and later", "kvm_amd", "sev", "Linux 4.16"},
    Means{Technology::sev_es, "sev-guest", "7.2", "AuthenticAMD", "sev_es", 1U << 3U,
          "EPYC 7002 and later", "kvm_amd", "sev_es", "Linux 5.11"},
    Means{Technology::sev_snp, "sev-snp-guest", "9.1", "AuthenticAMD", "sev_snp", 1U << 4U,
          "EPYC 7003 and later", "kvm_amd", "sev_snp", "Linux 6.11"},
    Means{Technology::tdx, "tdx-guest", "10.1", "GenuineIntel", "tdx_host_platform", 0,
          "Xeon 5 and later, and some of Xeon 4", "kvm_intel", "tdx", "Linux 6.16"},
};

const Means& means_of(Technology technology) {
  return all_means.at(static_cast<std::size_t>(technology));
}

/// This binary cannot.
Error no_qemu(std::string message, std::string hint, std::string pointer = {}) {
  return {.fault = Fault::missing,
          .id = "no-confidential-qemu",
          .message = std::move(message),
          .origin = {.pointer = std::move(pointer)},
          .hint = std::move(hint)};
}

/// This host cannot.
Error no_host(std::string message, std::string hint) {
  return {.fault = Fault::missing,
          .id = "no-confidential-host",
          .message = std::move(message),
          .hint = std::move(hint)};
}

std::optional<Error> qemu_lacks(const Resolver& in, const Means& means) {
  const auto name = to_string(means.technology);
  if (!in.qemu().has_type(means.object))
    return no_qemu(
        fmt::format("{} starts no {} guests: it has no '{}'", in.qemu().binary, name, means.object),
        fmt::format("QEMU {} and later have it, if built with KVM", means.release));
  const bool devices = !in.profile().host_devices.empty();
  if (devices && has_private_memory(means.technology) &&
      !in.qemu().has_type("ram-block-attributes"))
    return no_qemu(fmt::format("{} passes no devices to {} guests", in.qemu().binary, name),
                   "QEMU 10.1 and later do; or without 'hostdevs'", "/hostdevs");
  return std::nullopt;
}

/// The firmware setup's switches, by their usual names.
std::string_view setup_of(Technology technology) {
  switch (technology) {
    case Technology::sev: return "SMEE, and SEV control";
    case Technology::sev_es: return "SMEE, and the SEV-ES ASID space limit above 1";
    case Technology::sev_snp: return "SMEE, SNP memory (RMP table) coverage, SEV-SNP support";
    case Technology::tdx: return "memory encryption (TME, TME-MT) and TDX, with its SEAM loader";
  }
  std::unreachable();
}

std::optional<Error> cpu_lacks(const host::CpuFacts& cpu, const Means& means) {
  const auto name = to_string(means.technology);
  if (cpu.vendor != means.vendor)
    return no_host(fmt::format("this host's CPU has no {}: it is not of {}", name,
                               means.vendor == "AuthenticAMD" ? "AMD" : "Intel"),
                   fmt::format("it takes {}", means.cpus));
  if (means.cpuid_bit != 0 && (cpu.encryption.features & means.cpuid_bit) == 0)
    return no_host(fmt::format("this host's CPU has no {}", name),
                   fmt::format("it takes {}", means.cpus));
  if (!cpu.has_flag(means.flag))
    return no_host(fmt::format("{} is off, or not to be had: the kernel shows no '{}' in "
                               "/proc/cpuinfo",
                               name, means.flag),
                   fmt::format("enable it in the firmware setup: {}", setup_of(means.technology)));
  return std::nullopt;
}

/// "kvm_amd.sev=1 kvm_amd.sev_es=1": each needs the ones before.
std::string switches_of(Technology technology) {
  std::string text;
  for (const auto& means : all_means)
    if (means.vendor == means_of(technology).vendor && means.technology <= technology)
      text += fmt::format(" {}=1", means.parameter);
  return text;
}

std::optional<Error> kernel_lacks(const host::CpuFacts& cpu, const Means& means) {
  const auto name = to_string(means.technology);
  const auto full = fmt::format("{}.{}", means.module, means.parameter);
  const auto* const parameter = cpu.find(means.module, means.parameter);
  if (parameter == nullptr)
    return no_host(fmt::format("this host's kernel makes no {} guests: there is no {}", name, full),
                   fmt::format("{} and later have it; the module {} must be loaded", means.kernel,
                               means.module));
  if (!parameter->value)
    return no_host(fmt::format("{} cannot be read, so it is not known whether KVM makes {} guests",
                               full, name),
                   fmt::format("see /sys/module/{}/parameters", means.module));
  if (!cpu.is_on(means.module, means.parameter))
    return no_host(
        fmt::format("KVM makes no {} guests: {} is '{}'", name, full, *parameter->value),
        fmt::format("put `options {0}{1}` into a file of /etc/modprobe.d, then `modprobe -r {0} && "
                    "modprobe {0}`; if it stays off, `dmesg` says why",
                    means.module, switches_of(means.technology)));
  // KVM of before Linux 6.11 knows SEV, and does not list it as a type.
  const auto type = means.technology == Technology::tdx ? host::VmType::tdx : host::VmType::snp;
  if (has_private_memory(means.technology) && cpu.vm_types != 0 && !cpu.can_make(type))
    return no_host(fmt::format("KVM makes no {} guests, though {} is on", name, full),
                   "`dmesg` says what its firmware lacks");
  return std::nullopt;
}

std::optional<Error> host_lacks(const Resolver& in, const Machine& machine, const Means& means) {
  const auto& cpu = in.host().cpu;
  if (in.host().architecture != "x86_64")
    return no_host(
        fmt::format("{} starts no {} guests", in.host().architecture, to_string(means.technology)),
        fmt::format("it takes {}", means.cpus));
  if (auto error = cpu_lacks(cpu, means)) return error;
  if (!machine.kvm())
    return no_host(fmt::format("{} guests need KVM: {}", to_string(means.technology),
                               machine.accelerator.cause.why),
                   in.host().kvm.cure.empty() ? "use a QEMU that has it" : in.host().kvm.cure);
  if (auto error = kernel_lacks(cpu, means)) return error;
  if (means.technology != Technology::tdx && !in.host().cpu.sev_device)
    return no_host("there is no /dev/sev, the way to AMD's security processor",
                   "`modprobe ccp`; if that does not help, `dmesg | grep -i ccp` says why");
  return std::nullopt;
}

ConfidentialGuest guest_of(const Resolver& in, Technology technology) {
  const auto& details = in.profile().confidential;
  const auto& here = in.host().cpu.encryption;
  const auto either = [](const profiles::Sourced<std::uint64_t>& given, std::uint64_t otherwise) {
    return given.given() ? given.value : otherwise;
  };
  // What the host loses is its own affair; a guest loses the C-bit.
  constexpr std::uint64_t lost_by_guests = 1;
  const auto& state = in.paths().state;
  return {.technology = technology,
          .policy = profiles::policy_of(in.profile(), technology),
          .cbitpos = either(details.cbitpos, here.cbitpos),
          .reduced_phys_bits = either(details.reduced_phys_bits, lost_by_guests),
          .owner_certificate = below(state, details.owner_certificate.value),
          .session = below(state, details.session.value)};
}

Cause cause_for(const profiles::Feature& feature, Technology technology) {
  return {
      .pointer = feature.wanted.pointer,
      .why = fmt::format("{}: the host does not see the guest's memory", to_string(technology))};
}

}  // namespace

void resolve_confidential(Resolver& in, Machine& machine, Where where) {
  for (const auto technology : profiles::technologies_of(in.profile())) {
    const auto& feature = *in.profile().cpu_features.wanted(toggle_of(technology));
    const auto& means = means_of(technology);
    Errors errors;
    if (where == Where::here) {
      if (auto error = qemu_lacks(in, means)) errors.push_back(*std::move(error));
      if (auto error = host_lacks(in, machine, means)) errors.push_back(*std::move(error));
    }
    for (auto& error : errors) {
      if (error.origin.pointer.empty()) error.origin.pointer = feature.wanted.pointer;
      if (feature.required())
        in.note(std::move(error));
      else
        in.warn(error.id, fmt::format("going on without {}: {}{}{}", to_string(technology),
                                      error.message, error.hint.empty() ? "" : "; ", error.hint));
    }
    const bool possible = errors.empty();
    const auto state = possible ? "on" : "missing";
    machine.features.states.push_back({.name = std::string(toggle_of(technology)),
                                       .state = state,
                                       .detail = possible ? "" : errors.front().message,
                                       .pointer = feature.wanted.pointer});
    if (possible) {
      machine.confidential = {guest_of(in, technology), cause_for(feature, technology)};
      // The TDX module has the local APICs.
      if (technology == Technology::tdx) machine.features.kernel_irqchip = "split";
    }
    if (possible || feature.required()) return;
  }
}

}  // namespace hv::plan
