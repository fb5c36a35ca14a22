// SPDX-License-Identifier: MIT
//
// A guest whose CPUs are taken from the host's slices must be in none of them.
// Where no unit puts it into hvlaunch.slice, `start` goes there itself.
#pragma once

#include "launcher/base/root.h"
#include "launcher/plan/plan.h"

#include <string>
#include <vector>

namespace hv::run {

/// Whether this process is where the plan's guest cannot be, and may leave.
[[nodiscard]] bool must_change_slice(const Root& root, const plan::Plan& plan);

/// Becomes `argv`, in a scope of the guest's own below hvlaunch.slice. Returns
/// only if that cannot be.
[[nodiscard]] Error change_slice(const std::string& vm, const std::vector<std::string>& argv);

}  // namespace hv::run
