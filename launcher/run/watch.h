// SPDX-License-Identifier: MIT
//
// Stage `watch`: the guest's companion, which the guest does not need. It
// shares the monitor among many clients on qmp.sock, keeps the console's past,
// learns why the guest ends, and cleans up when it has.
#pragma once

#include "launcher/run/place.h"

#include <functional>

namespace hv::run {

/// Watches until the guest has ended. `ready` is called when clients can
/// connect. An error of Fault::state if another `watch` is at it already.
[[nodiscard]] Result<> watch(const Place& place, const std::function<void()>& ready);

}  // namespace hv::run
