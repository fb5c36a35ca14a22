// SPDX-License-Identifier: MIT
//
// Attributes of a device whose driver may hang. To read or write most of them
// the kernel takes the device's lock, which a driver that hangs in its probe or
// remove holds for ever: driver_override, driver/unbind, drivers_probe,
// sriov_numvfs, power/control. A process that asks then sleeps and cannot be
// killed, so a child asks, and is left behind if the answer does not come.
#pragma once

#include "launcher/base/root.h"

#include <chrono>

namespace hv::vfio {

/// Root::write, by a child. No answer in time: Fault::timed_out, ETIMEDOUT.
/// A kernel that kills the child, having crashed in the driver: driver-crashed.
[[nodiscard]] Result<> write_within(const Root& root, const std::string& path,
                                    std::string_view value, std::chrono::milliseconds patience);

/// Root::read, by a child; at most a page, as all attributes are.
[[nodiscard]] Result<std::string> read_within(const Root& root, const std::string& path,
                                              std::chrono::milliseconds patience);

/// delete_module(2), by a child: a module's exit may hang as a driver's may. One
/// that is not loaded is no error; EAGAIN: it is in use.
[[nodiscard]] Result<> unload_within(const std::string& module, std::chrono::milliseconds patience);

}  // namespace hv::vfio
