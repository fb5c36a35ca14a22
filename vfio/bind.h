// SPDX-License-Identifier: MIT
//
// Takes a PCI function from its driver for a guest, and gives it back exactly:
// to the driver it had, or to none, with the driver_override it had.
//
//   const auto before = TRY(vfio::read_binding(root, address));
//   TRY(journal.record({.kind = Undo::Kind::return_function,
//                       .path = to_string(address), .value = to_string(before)}));
//   TRY(vfio::bind(root, address, "vfio-pci"));
#pragma once

#include "launcher/base/root.h"
#include "vfio/pci_address.h"

#include <chrono>

namespace hv::vfio {

/// How a function was bound before it was taken.
struct Binding {
  std::string driver;           ///< Empty: none.
  std::string driver_override;  ///< Empty: none.
  std::string power_control;    ///< "auto" or "on": runtime power management.

  friend bool operator==(const Binding&, const Binding&) = default;
};

[[nodiscard]] Result<Binding> read_binding(const Root& root, const PciAddress& address);

/// For the journal: one line without tabs, read by parse_binding.
[[nodiscard]] std::string to_string(const Binding& binding);
[[nodiscard]] Result<Binding> parse_binding(std::string_view text);

/// How long a driver may take to let go of a function or to take it.
constexpr std::chrono::seconds bind_patience{30};

/// Binds `driver` (vfio-pci or a variant) by driver_override, the kernel's own
/// probing and never new_id, in a helper process: a driver that hangs does not
/// hang hvlaunch. Verifies the driver link, and /dev/vfio/<group>.
[[nodiscard]] Result<> bind(const Root& root, const PciAddress& address, const std::string& driver,
                            std::chrono::milliseconds patience = bind_patience);

/// Leaves the function without a driver: a member of a group that no guest gets.
[[nodiscard]] Result<> unbind(const Root& root, const PciAddress& address,
                              std::chrono::milliseconds patience = bind_patience);

/// Takes back what bind() and unbind() did. `before` is a Binding as text. Safe
/// to do twice, and if nothing had been done.
[[nodiscard]] Result<> return_function(const Root& root, const PciAddress& address,
                                       std::string_view before);

}  // namespace hv::vfio
