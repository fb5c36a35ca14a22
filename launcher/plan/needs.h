// SPDX-License-Identifier: MIT
//
// What must be read of the host for a profile's plan.
#pragma once

#include "launcher/host/facts.h"
#include "profiles/profile.h"

namespace hv::plan {

[[nodiscard]] host::Needs needs_of(const profiles::Profile& profile);

/// The function that an entry of `hostdevs` means.
[[nodiscard]] vfio::Selector selector_of(const profiles::HostDevice& device);

}  // namespace hv::plan
