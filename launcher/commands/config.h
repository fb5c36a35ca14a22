// SPDX-License-Identifier: MIT
//
// config.json, the suite's configuration, as far as the launcher uses it.
#pragma once

#include "launcher/commands/cli.h"
#include "launcher/plan/autostart.h"
#include "launcher/plan/machine.h"

namespace hv::commands {

/// A missing file is an empty configuration; a damaged one is an error.
[[nodiscard]] Result<plan::Config> load_config(const Context& context);

/// Its order of groups and delays for guests that start with the host.
[[nodiscard]] Result<plan::AutostartSettings> load_autostart_settings(const Context& context);

/// The directories for root, or for one user.
[[nodiscard]] Paths system_paths();
[[nodiscard]] Paths user_paths(const std::map<std::string, std::string, std::less<>>& environment,
                               unsigned uid);

}  // namespace hv::commands
