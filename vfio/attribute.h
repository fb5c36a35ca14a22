// SPDX-License-Identifier: MIT
//
// What binding, virtual functions and mediated devices all ask of sysfs.
#pragma once

#include "launcher/base/root.h"
#include "vfio/pci_address.h"

#include <chrono>

namespace hv::vfio {

/// "/sys/bus/pci/devices/0000:65:00.0".
[[nodiscard]] std::string device_path(const PciAddress& address);

/// The last part of what a symlink points to: "e1000e" of ".../driver". Empty
/// if there is no link.
[[nodiscard]] Result<std::string> link_target(const Root& root, const std::string& path);

/// no-device-here, unless the function is there.
[[nodiscard]] Result<> require_device(const Root& root, const PciAddress& address);

/// write_within() and read_within() with the errors of a device: what to do
/// about a driver that hangs, a device that is gone, a /sys that is read-only.
[[nodiscard]] Result<> write_attribute(const Root& root, const PciAddress& address,
                                       const std::string& path, std::string_view value,
                                       std::chrono::milliseconds patience);
[[nodiscard]] Result<std::string> read_attribute(const Root& root, const PciAddress& address,
                                                 const std::string& path,
                                                 std::chrono::milliseconds patience);

}  // namespace hv::vfio
