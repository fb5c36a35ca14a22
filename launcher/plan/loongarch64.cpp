// SPDX-License-Identifier: MIT
#include "launcher/plan/emit.h"

namespace hv::plan {

/// virt: PCI Express, a 16550 serial port. Boots through UEFI only.
void emit_loongarch64(const Machine& machine, CommandLine& line) {
  emit_identity(machine, line);
  emit_machine(machine, Props(), line);
  emit_accelerator(machine, line);
  emit_cpus(machine, "", line);
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
