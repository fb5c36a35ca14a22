// SPDX-License-Identifier: MIT
#pragma once

#include "launcher/base/error.h"

#include <cstdint>
#include <string>
#include <string_view>

namespace hv::vfio {

/// The address of a PCI function, "0000:65:00.0": domain, bus, device, function.
struct PciAddress {
  std::uint16_t domain = 0;
  std::uint8_t bus = 0;
  std::uint8_t device = 0;    ///< 0 to 31.
  std::uint8_t function = 0;  ///< 0 to 7.

  friend auto operator<=>(const PciAddress&, const PciAddress&) = default;
};

/// Reads "0000:65:00.0", or "65:00.0" in domain 0, as `lspci` prints them.
[[nodiscard]] Result<PciAddress> parse_pci_address(std::string_view text);

/// The full form, as sysfs names it.
[[nodiscard]] std::string to_string(const PciAddress& address);

}  // namespace hv::vfio
