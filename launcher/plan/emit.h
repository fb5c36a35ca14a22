// SPDX-License-Identifier: MIT
//
// The rules that make QEMU's command line. Each architecture has one file that
// says, in order, which of them its machine consists of: x86_64.cpp,
// aarch64.cpp, riscv64.cpp, loongarch64.cpp. To add an argument, add it to the
// rule it belongs to.
#pragma once

#include "launcher/plan/command_line.h"
#include "launcher/plan/machine.h"

namespace hv::plan {

/// The whole command line of one architecture.
using Emit = void (*)(const Machine&, CommandLine&);

void emit_x86_64(const Machine& machine, CommandLine& line);
void emit_aarch64(const Machine& machine, CommandLine& line);
void emit_riscv64(const Machine& machine, CommandLine& line);
void emit_loongarch64(const Machine& machine, CommandLine& line);

// Rules that all architectures share, in the order in which they are used.

/// Name, UUID, no defaults, QEMU's own sandbox, the lock, `-S`.
void emit_identity(const Machine& machine, CommandLine& line);

/// `-machine`: `specific` holds what only this architecture has.
void emit_machine(const Machine& machine, const Props& specific, CommandLine& line);
void emit_accelerator(const Machine& machine, CommandLine& line);

/// `-cpu`, with `usual` after the model ("pauth-impdef") unless the profile has
/// it otherwise, and `-smp`. `usual` may be empty.
void emit_cpus(const Machine& machine, std::string_view usual, CommandLine& line);

/// Whether all RAM is one object, "ram", and not what QEMU makes by itself or a
/// node's.
[[nodiscard]] bool has_own_ram(const Machine& machine);
void emit_memory(const Machine& machine, CommandLine& line);
void emit_flash(const Machine& machine, CommandLine& line);

/// Firmware that is memory, and what keeps the guest from its host.
inline constexpr std::string_view confidential_id = "confidential";
void emit_bios(const Machine& machine, CommandLine& line);
void emit_confidential(const Machine& machine, CommandLine& line);

void emit_kernel(const Machine& machine, CommandLine& line);
void emit_monitors(const Machine& machine, CommandLine& line);
void emit_clock(const Machine& machine, CommandLine& line);

/// All devices that are the same on every PCI Express machine.
struct DeviceChoice {
  std::string_view display;     ///< "virtio-vga" where firmware wants VGA.
  std::string_view tpm;         ///< "tpm-crb" or "tpm-tis-device".
  bool keyboard_on_usb = true;  ///< False where the machine has PS/2.
  bool sata_built_in = false;   ///< The machine has an AHCI controller of its own.
};
void emit_devices(const Machine& machine, const DeviceChoice& choice, CommandLine& line);

/// The first serial port: a device of its own on x86, part of the board elsewhere.
enum class SerialPort : std::uint8_t { isa, board };
void emit_console(const Machine& machine, SerialPort port, CommandLine& line);

/// What the profile's `qemu.extra_args` add, last.
void emit_extra(const Machine& machine, CommandLine& line);

// Devices by kind, which emit_devices composes.
void emit_disks(const Machine& machine, const DeviceChoice& choice, CommandLine& line);
void emit_network(const Machine& machine, CommandLine& line);
void emit_display(const Machine& machine, const DeviceChoice& choice, CommandLine& line);
void emit_passed(const Machine& machine, CommandLine& line);

}  // namespace hv::plan
