// SPDX-License-Identifier: MIT
//
// Where devices sit on the PCI Express root bus. Every kind has a place of its
// own, so that a guest's addresses do not move when its profile changes
// elsewhere: operating systems name network cards by them, and Windows
// activates by them.
#pragma once

#include "launcher/plan/command_line.h"

namespace hv::plan {

/// Slots of `pcie.0`. Single devices sit there directly; those that come and
/// go sit behind root ports, eight to a slot, one for each function.
namespace slot {
constexpr unsigned display = 0x01;
constexpr unsigned disks = 0x02;     // Root ports.
constexpr unsigned networks = 0x03;  // Root ports.
constexpr unsigned spare = 0x04;     // Root ports for what is plugged in later.
constexpr unsigned passed = 0x05;    // Root ports for devices of the host, to 0x07.
constexpr unsigned passed_ports = 24;
constexpr unsigned serial = 0x08;
constexpr unsigned usb = 0x09;
constexpr unsigned random = 0x0a;
constexpr unsigned balloon = 0x0b;
constexpr unsigned sound = 0x0c;
constexpr unsigned panic = 0x0d;
constexpr unsigned shared_memory = 0x0e;
constexpr unsigned cdrom = 0x0f;
constexpr unsigned power = 0x10;
constexpr unsigned vsock = 0x11;
}  // namespace slot

/// Empty root ports, for devices that are plugged in while the guest runs.
constexpr unsigned spare_ports = 4;

/// A device on `pcie.0`, slot `slot`, function 0.
[[nodiscard]] boost::json::object on_root_bus(std::string_view driver, std::string_view id,
                                              unsigned slot);

/// Adds a root port at `slot`.`function` and returns its id, the `bus` of the
/// device behind it.
[[nodiscard]] std::string add_root_port(unsigned slot, unsigned function, CommandLine& line);

}  // namespace hv::plan
