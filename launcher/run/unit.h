// SPDX-License-Identifier: MIT
//
// A guest as a unit of systemd's, hvlaunch@<vm>.service: its stages run in
// the unit's control group, and QEMU is its main process.
#pragma once

#include "launcher/base/root.h"
#include "launcher/run/place.h"

#include <sys/types.h>

#include <string>
#include <string_view>

namespace hv::run {

/// Every VM's name is the instance's as it stands.
[[nodiscard]] std::string unit_of(std::string_view vm);
[[nodiscard]] std::string watch_unit_of(std::string_view vm);

/// The control group of the VM's unit, "/hvlaunch.slice/hvlaunch@web.service",
/// if the process is in it or in one below it; else empty.
[[nodiscard]] std::string unit_group_of(const Root& root, std::string_view vm, pid_t pid);

/// Whether the process is one of the VM's unit, whatever it was started by.
[[nodiscard]] bool runs_in_unit(const Root& root, std::string_view vm, pid_t pid);

/// Ends the stage of the unit that waits until the guest of process `qemu` is
/// ready: systemd would else end QEMU at once when the unit is stopped. True if
/// there was one.
[[nodiscard]] Result<bool> end_await(const Place& place, pid_t qemu);

/// Ends all other processes of the unit that this one is in, by SIGKILL those
/// that do not end by themselves at once: a device is not taken from a process
/// that may have it. Does nothing if this process is not in the VM's unit.
/// Error: unkillable.
[[nodiscard]] Result<> empty_own_unit(const Place& place);

}  // namespace hv::run
