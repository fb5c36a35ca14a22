// SPDX-License-Identifier: MIT
#pragma once

#include "launcher/commands/cli.h"
#include "launcher/run/powerdown.h"

namespace hv::commands {

/// Climbs the ladder that was declared when the guest started, saying each
/// rung that takes a while, and reports what did it.
[[nodiscard]] Result<> shut_down(const Context& context, const run::Place& place, run::Rung first);

/// How to run `hvlaunch watch` for a VM, with the directories of `context`.
[[nodiscard]] std::vector<std::string> watch_argv(const Context& context, const std::string& vm);
[[nodiscard]] std::vector<std::string> watch_environment(const Context& context);

}  // namespace hv::commands
