// SPDX-License-Identifier: MIT
//
// Which function of this host is meant. What is given must all match, and one
// function only may match.
#pragma once

#include "vfio/function.h"

namespace hv::vfio {

/// "10de:2684": vendor and device.
struct PciId {
  std::uint16_t vendor = 0;
  std::uint16_t device = 0;

  friend auto operator<=>(const PciId&, const PciId&) = default;
};

struct Selector {
  std::optional<PciAddress> address{};
  std::optional<PciId> id{};
  std::optional<std::uint32_t> class_prefix{};  ///< "03", "0300" or "030000": the digits' value,
  unsigned class_digits = 0;                    ///< and how many there are (2, 4 or 6).
  std::string slot{};                           ///< As /sys/bus/pci/slots names it.
  std::string serial{};                         ///< As the kernel tells it.
  std::string path{};  ///< The devfn chain from the root bus, stable when bus numbers shift:
                       ///< "pci0000:00/01.0/00.0".
  bool all_functions = false;  ///< With the other functions of the same card.
};

/// Reads "10de:2684".
[[nodiscard]] Result<PciId> parse_pci_id(std::string_view text);
[[nodiscard]] std::string to_string(const PciId& id);

/// Where a function is plugged in, whatever number its bus has: "pci0000:00/01.0/00.0".
[[nodiscard]] std::string path_of(const Function& function);

[[nodiscard]] bool matches(const Selector& selector, const Function& function);

/// For messages: "10de:2684 in slot 3".
[[nodiscard]] std::string describe(const Selector& selector);

/// The one function that is meant. Errors: no-device-here, ambiguous-device.
[[nodiscard]] Result<const Function*> choose(const Selector& selector, const Devices& devices);

}  // namespace hv::vfio
