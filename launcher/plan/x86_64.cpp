// SPDX-License-Identifier: MIT
#include "launcher/plan/emit.h"

namespace hv::plan {

/// Who keeps a guest's registers from the host keeps SMM from the guest: a
/// processor would show them to it.
static bool forbids_smm(const Machine& machine) {
  return machine.confidential &&
         machine.confidential->value.technology != profiles::Technology::sev;
}

/// q35: PCI Express, an ICH9 with SATA, ISA serial ports, a PS/2 keyboard.
void emit_x86_64(const Machine& machine, CommandLine& line) {
  emit_identity(machine, line);
  emit_machine(machine,
               Props()
                   .set("vmport", "off")  // A VMware back door that nothing of ours uses.
                   .set_if(machine.flash && machine.flash->value.smm, "smm", "on")
                   .set_if(forbids_smm(machine), "smm", "off")
                   .set_if(!machine.features.kernel_irqchip.empty(), "kernel-irqchip",
                           machine.features.kernel_irqchip),
               line);
  emit_accelerator(machine, line);
  // Without it a guest on an AMD host takes the threads of a core for cores:
  // `-cpu host` has all features but this one.
  emit_cpus(machine, machine.amd_threads ? "topoext" : "", line);
  emit_confidential(machine, line);
  emit_memory(machine, line);
  emit_flash(machine, line);
  emit_bios(machine, line);
  emit_kernel(machine, line);
  emit_monitors(machine, line);
  emit_clock(machine, line);
  emit_console(machine, SerialPort::isa, line);
  emit_devices(
      machine,
      {.display = "virtio-vga", .tpm = "tpm-crb", .keyboard_on_usb = false, .sata_built_in = true},
      line);
  emit_extra(machine, line);
}

}  // namespace hv::plan
