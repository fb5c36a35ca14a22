// SPDX-License-Identifier: MIT
//
// The control group of QEMU and its helpers, "guest" in that of the guest's
// unit, which systemd has delegated to us (systemd.resource-control(5)). Its
// limits are the guest's own: they are gone with the unit, and what an
// administrator sets for the unit stays his. The stages that run beside QEMU
// are not in it.
#pragma once

#include "launcher/run/limits.h"
#include "launcher/run/place.h"

namespace hv::run {

/// The unit's control group, if this process is in it.
[[nodiscard]] std::optional<UniqueFd> open_unit_group(const Place& place);

/// Moves this process and all others of the unit's own group to the one of the
/// guest, and sets its limits. `unit` is the unit's group. Errors: those of
/// set_limits().
[[nodiscard]] Result<> enter_guest_group(const Root& unit, const IntendedLimits& limits);

/// The group of QEMU; nothing if it is in none of ours.
[[nodiscard]] std::optional<Root> guest_group_of(const Place& place, pid_t qemu);

}  // namespace hv::run
