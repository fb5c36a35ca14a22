// SPDX-License-Identifier: MIT
#include "launcher/plan/emit.h"

#include <algorithm>

namespace hv::plan {

/// virt: PCI Express, a PL011 serial port, the host's own interrupt controller with KVM.
void emit_aarch64(const Machine& machine, CommandLine& line) {
  // QEMU's default, GICv2, takes no more than eight vCPUs.
  const std::string_view gic = machine.kvm() ? "host" : "3";
  // Pointer authentication by the architected algorithm costs TCG half its speed.
  const auto& features = machine.features;
  const bool has_pauth = std::ranges::none_of(features.cpu, [](const CpuSetting& setting) {
    return setting.name == "pauth" && setting.value == "off";
  });
  const bool emulated = machine.cpu_model.value == "max" && !machine.kvm() && has_pauth;

  emit_identity(machine, line);
  emit_machine(machine,
               Props()
                   .set("gic-version", gic)
                   .set_if(features.virtualization, "virtualization", "on")
                   .set_if(features.mte, "mte", "on"),
               line);
  emit_accelerator(machine, line);
  emit_cpus(machine, emulated ? "pauth-impdef" : "", line);
  emit_memory(machine, line);
  emit_flash(machine, line);
  emit_kernel(machine, line);
  emit_monitors(machine, line);
  emit_clock(machine, line);
  emit_console(machine, SerialPort::board, line);
  emit_devices(machine, {.display = "virtio-gpu-pci", .tpm = "tpm-tis-device"}, line);
  emit_extra(machine, line);
}

}  // namespace hv::plan
