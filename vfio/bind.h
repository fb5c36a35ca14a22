// SPDX-License-Identifier: MIT
//
// Takes a PCI function from its driver for a guest, and gives it back exactly:
// to the driver it had, or to none, with the driver_override it had.
//
//   const auto before = TRY(vfio::read_binding(root, address));
//   TRY(journal.record({.kind = Undo::Kind::return_function,
//                       .path = to_string(address), .value = to_string(before)}));
//   TRY(vfio::bind(root, address, "vfio-pci"));
//
// What is left half done by an error is for return_function to take back.
#pragma once

#include "launcher/base/root.h"
#include "vfio/pci_address.h"

#include <chrono>

namespace hv::vfio {

/// How long a driver may take to let go of a function or to take it.
constexpr std::chrono::seconds bind_patience{30};

/// How long a function may be busy with somebody else's binding or unbinding
/// until it can be looked at. Longer: its driver hangs.
constexpr std::chrono::seconds look_patience{10};

/// How a function was bound before it was taken.
struct Binding {
  std::string driver;           ///< Empty: none.
  std::string driver_override;  ///< Empty: none.
  std::string power_control;    ///< "auto" or "on": runtime power management.

  friend bool operator==(const Binding&, const Binding&) = default;
};

[[nodiscard]] Result<Binding> read_binding(const Root& root, const PciAddress& address,
                                           std::chrono::milliseconds patience = look_patience);

/// For the journal: one line without tabs, read by parse_binding.
[[nodiscard]] std::string to_string(const Binding& binding);
[[nodiscard]] Result<Binding> parse_binding(std::string_view text);

/// Whether the kernel has this PCI driver, as a module that is loaded or built
/// in. `modprobe` is the caller's: bind() refuses without it.
[[nodiscard]] bool has_driver(const Root& root, const std::string& driver);

/// Binds `driver` (vfio-pci or a variant, never another) by driver_override, the kernel's own
/// probing and never new_id, in a helper process: a driver that hangs does not
/// hang hvlaunch. Verifies the driver link, and the node that QEMU opens.
[[nodiscard]] Result<> bind(const Root& root, const PciAddress& address, const std::string& driver,
                            std::chrono::milliseconds patience = bind_patience);

/// Leaves the function without a driver: a member of a group that no guest gets.
[[nodiscard]] Result<> unbind(const Root& root, const PciAddress& address,
                              std::chrono::milliseconds patience = bind_patience);

/// Takes back what bind() and unbind() did. `before` is a Binding as text. Safe
/// to do twice, and if nothing had been done. What a program still has open
/// cannot be taken from vfio-pci: call it when QEMU is dead.
[[nodiscard]] Result<> return_function(const Root& root, const PciAddress& address,
                                       std::string_view before,
                                       std::chrono::milliseconds patience = bind_patience);

}  // namespace hv::vfio
