// SPDX-License-Identifier: MIT
#include "launcher/plan/resolver.h"

#include <algorithm>

namespace hv::plan {
namespace {

using profiles::Arch;
using profiles::FirmwareKind;

/// What `auto` means: what boots a kernel directly, or else UEFI.
FirmwareKind kind_of(const profiles::Profile& profile) {
  if (profile.firmware.kind.value != FirmwareKind::automatic) return profile.firmware.kind.value;
  if (!profile.firmware.code.value.empty()) return FirmwareKind::uefi;
  if (profile.kernel.value.empty() || !technologies_of(profile).empty()) return FirmwareKind::uefi;
  switch (profile.arch.value) {
    case Arch::x86_64: return FirmwareKind::bios;
    case Arch::aarch64:
    case Arch::riscv64: return FirmwareKind::none;
    case Arch::loongarch64: return FirmwareKind::uefi;  // Its kernels are EFI programs.
  }
  std::unreachable();
}

/// Older QEMUs' virt machines of RISC-V and LoongArch take no flash images.
bool takes_flash(const qemu::Capabilities& qemu) {
  return std::ranges::any_of(qemu.properties, [](const qemu::TypeProperties& type) {
    return type.type.ends_with("-machine") &&
           std::ranges::binary_search(type.properties, "pflash0");
  });
}

/// Images are raw but for those that say otherwise, as Fedora's do.
std::string format_of(std::string_view image) {
  return image.ends_with(".qcow2") ? "qcow2" : "raw";
}

std::string vars_of(const Machine& machine) {
  return fmt::format("{}/{}_VARS.fd", machine.paths.nvram(), machine.profile.name.value);
}

/// The image that the profile names.
Flash named_image(Resolver& in, const Machine& machine) {
  const auto& wish = in.profile().firmware;
  const auto& state = in.paths().state;
  return {.code = below(state, wish.code.value),
          .code_format = format_of(wish.code.value),
          .vars = wish.vars_template.value.empty() ? "" : vars_of(machine),
          .vars_template = below(state, wish.vars_template.value),
          .vars_format = format_of(wish.vars_template.value),
          .smm = wish.secure_boot.value && in.profile().arch.value == Arch::x86_64};
}

/// The feature that a descriptor must have.
std::string_view feature_for(const Machine& machine) {
  using profiles::Technology;
  if (!machine.confidential) return {};
  switch (machine.confidential->value.technology) {
    case Technology::sev: return "amd-sev";
    case Technology::sev_es: return "amd-sev-es";
    case Technology::sev_snp: return "amd-sev-snp";
    case Technology::tdx: return "intel-tdx";
  }
  std::unreachable();
}

/// Read-only flash is the host's; private memory is the guest's own.
bool is_memory(const Machine& machine) {
  return machine.confidential && has_private_memory(machine.confidential->value.technology);
}

}  // namespace

void resolve_firmware(Resolver& in, Machine& machine) {
  const auto& wish = in.profile().firmware;
  const auto kind = kind_of(in.profile());
  if (kind == FirmwareKind::none || kind == FirmwareKind::bios) return;

  const bool as_memory = is_memory(machine);
  if (!as_memory && !takes_flash(in.qemu())) {
    in.note({.fault = Fault::missing,
             .id = "no-flash",
             .message =
                 fmt::format("{} has no flash on its machine for UEFI firmware", in.qemu().binary),
             .origin = {.pointer = wish.kind.pointer},
             .hint = "use a newer QEMU (8.1 or later for riscv64, 10.0 for loongarch64)"});
    return;
  }
  Cause cause = cause_of(wish.kind, "firmware-choice", "UEFI firmware by QEMU's descriptors");
  if (!wish.code.value.empty() && as_memory) {
    machine.bios = {below(in.paths().state, wish.code.value),
                    {.pointer = wish.code.pointer, .why = "the profile names the image"}};
    return;
  }
  if (!wish.code.value.empty()) {
    machine.flash = {named_image(in, machine),
                     {.pointer = wish.code.pointer, .why = "the profile names the image"}};
    return;
  }
  auto chosen = qemu::choose_firmware(in.firmware(), {.architecture = in.qemu().target,
                                                      .machine = machine.type.value,
                                                      .secure_boot = wish.secure_boot.value,
                                                      .confidential = feature_for(machine),
                                                      .as_memory = as_memory});
  if (!chosen) {
    if (machine.type.value.empty()) return;  // Said already.
    auto error = std::move(chosen).error();
    error.origin.pointer = wish.kind.pointer;
    if (error.origin.pointer.empty() && machine.confidential)
      error.origin.pointer = machine.confidential->cause.pointer;
    return in.note(std::move(error));
  }
  cause.why = fmt::format("{} ({})", chosen->description, chosen->file);
  if (as_memory) {
    machine.bios = {chosen->code, std::move(cause)};
    return;
  }
  machine.flash = {{.code = chosen->code,
                    .code_format = chosen->code_format,
                    .vars = chosen->vars_template.empty() ? "" : vars_of(machine),
                    .vars_template = chosen->vars_template,
                    .vars_format = chosen->vars_format,
                    .smm = chosen->has_feature("requires-smm")},
                   cause};
}

}  // namespace hv::plan
