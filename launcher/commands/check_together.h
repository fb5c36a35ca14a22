// SPDX-License-Identifier: MIT
#pragma once

#include "launcher/commands/cli.h"

namespace hv::commands {

/// `check --all`: plans every VM as if those that start with the host were
/// started one after the other, and tells what two of them both want.
[[nodiscard]] Outcome check_together(const Context& context);

}  // namespace hv::commands
