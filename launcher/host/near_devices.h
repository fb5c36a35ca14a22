// SPDX-License-Identifier: MIT
#pragma once

#include "launcher/base/root.h"

#include <optional>
#include <string>
#include <vector>

namespace hv::host {

/// A PCI function that is better used from the CPUs near it.
struct NearDevice {
  std::string address;
  std::string description;  ///< "NVMe 144d:a80a (nvme)".
  std::optional<std::uint32_t> node{};
};

/// Displays, network and storage controllers, by address
/// (Documentation/ABI/testing/sysfs-bus-pci: uevent, numa_node).
[[nodiscard]] std::vector<NearDevice> read_near_devices(const Root& root);

}  // namespace hv::host
