// SPDX-License-Identifier: MIT
//
// Whose rights a process has (credentials(7), capabilities(7)).
#pragma once

#include "launcher/base/error.h"
#include "launcher/base/root.h"

#include <string>

namespace hv::run {

/// Whether that user, with no capability and no group but his own, can open the
/// file at `path`: R_OK, or R_OK | W_OK. Asked of the kernel.
[[nodiscard]] bool can_open(const Root& root, const std::string& path, int mode, uid_t user);

/// Takes all capabilities but `kept` from this process's programs, for good
/// (kept -1: all).
[[nodiscard]] Result<> limit_capabilities(int kept);

/// Gives up every capability that this process has.
[[nodiscard]] Result<> drop_capabilities();

/// Becomes `user`, with a group of the same number and no other; `kept` stays
/// through execve (-1: nothing does).
[[nodiscard]] Result<> become_user(uid_t user, int kept);

}  // namespace hv::run
