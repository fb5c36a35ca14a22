// SPDX-License-Identifier: MIT
#include "launcher/plan/emit.h"
#include "launcher/plan/pcie.h"

namespace hv::plan {

/// virt: PCI Express, a 16550 serial port, OpenSBI (QEMU's own) below kernel or UEFI.
void emit_riscv64(const Machine& machine, CommandLine& line) {
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
  // system_powerdown presses a button that this board does not have; a key does.
  line.add("-device", on_root_bus("virtio-keyboard-pci", "power-button", slot::power),
           {.rule = "power-button", .why = "`stop` asks the guest by this keyboard's power key"});
  emit_extra(machine, line);
}

}  // namespace hv::plan
