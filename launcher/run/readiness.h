// SPDX-License-Identifier: MIT
//
// Waiting until a guest that runs does what it is there for.
#pragma once

#include "launcher/run/place.h"
#include "profiles/profile.h"

namespace hv::run {

/// What is waited for: "its guest agent to answer". Empty: nothing, it runs.
[[nodiscard]] std::string waited_for(const profiles::Ready& ready);

/// Returns when the guest is ready. Errors: not-ready when the time is over,
/// and the guest goes on running; ended-early if it has ended.
[[nodiscard]] Result<> await_ready(const Place& place, const profiles::Ready& ready);

}  // namespace hv::run
