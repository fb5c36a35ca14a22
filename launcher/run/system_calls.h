// SPDX-License-Identifier: MIT
//
// The system calls that QEMU may make, by seccomp (seccomp(2)).
#pragma once

#include "launcher/base/error.h"
#include "launcher/plan/cage.h"

#include <cstddef>

namespace hv::run {

/// All others fail with EPERM from here on, or, in a strict cage, end the
/// process. For good, and for what the process executes. Needs no_new_privs.
[[nodiscard]] Result<> limit_system_calls(const plan::Cage& cage);

/// How many reach the kernel.
[[nodiscard]] std::size_t count_system_calls(const plan::Cage& cage);

}  // namespace hv::run
