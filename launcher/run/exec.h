// SPDX-License-Identifier: MIT
//
// Stage `exec`: this process becomes QEMU.
#pragma once

#include "launcher/plan/plan.h"
#include "launcher/run/place.h"

namespace hv::run {

/// Opens the descriptors that the plan lists, sets limits, and executes QEMU
/// with a clean environment in a session of its own. Returns only if that
/// could not be done. `lock` is the VM's; QEMU inherits it.
[[nodiscard]] Error become_qemu(const Place& place, const plan::Plan& plan, int lock);

}  // namespace hv::run
