// SPDX-License-Identifier: MIT
//
// Stage `watch`: the guest's companion, which the guest does not need. It
// shares the monitor among many clients on qmp.sock, keeps the console's past,
// learns why the guest ends, and cleans up when it has.
#pragma once

#include "launcher/run/place.h"

#include <chrono>
#include <functional>

namespace hv::run {

/// Shows whoever asks for it that `watch` does not hang.
struct Heartbeat {
  std::chrono::microseconds period{};  ///< 0: nobody asks.
  std::function<void()> beat;
};

/// Watches until the guest has ended. `ready` is called when clients can
/// connect. An error of Fault::state if another `watch` is at it already.
[[nodiscard]] Result<> watch(const Place& place, const std::function<void()>& ready,
                             const Heartbeat& heartbeat = {});

}  // namespace hv::run
