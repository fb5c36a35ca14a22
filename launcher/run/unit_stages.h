// SPDX-License-Identifier: MIT
//
// The stages of a start as processes of their own, for a service manager that
// runs one after the other (systemd/hvlaunch@.service).
//
// The VM's lock must not be free between `prepare` and `exec`, or whoever looks
// at the VM would clean up after it. So the service manager keeps it meanwhile,
// as "lock"; and lets go of it before `exec` becomes QEMU, whose alone it then
// is. In the same way "pools" is the turn at the pools of huge pages, until
// `tune` has set them back, and "exec" a lock that the kernel opens at the
// moment when QEMU is executed, which `tune` waits for. "group" is the unit's
// control group, in which `exec` makes one for QEMU (guest_group.h).
#pragma once

#include "launcher/base/service_manager.h"
#include "launcher/run/start.h"

#include <functional>

namespace hv::run {

/// Stage `prepare`. Leaves nothing behind if it fails.
[[nodiscard]] Result<> prepare_stage(const Place& place, const plan::Plan& plan,
                                     const StartOptions& options, const ServiceManager& manager);

/// Stage `exec`: becomes QEMU, or says why not.
[[nodiscard]] Error exec_stage(const Place& place, const ServiceManager& manager,
                               std::vector<GivenFd> given);

/// Stage `tune`: waits until QEMU takes commands, and makes the guest run.
/// `begin_watch` is called when there is a QEMU to watch. Stops nothing if it fails.
[[nodiscard]] Result<> tune_stage(const Place& place, FirstState first_state,
                                  const ServiceManager& manager,
                                  const std::function<void()>& begin_watch);

/// Stage `cleanup`: ends what is left of the unit's processes, has the service
/// manager let go of what it keeps, and cleans up. True if there was something.
[[nodiscard]] Result<bool> cleanup_stage(const Place& place, const ServiceManager& manager);

}  // namespace hv::run
