// SPDX-License-Identifier: MIT
//
// Ports of the host that lead to a guest.
#pragma once

#include "launcher/base/error.h"
#include "launcher/plan/plan.h"

namespace hv::run {

/// port-in-use, if another program listens at one of them, or port-refused:
/// told before the host is changed, which QEMU could not.
[[nodiscard]] Result<> require_free(const std::vector<plan::HostPort>& ports);

}  // namespace hv::run
