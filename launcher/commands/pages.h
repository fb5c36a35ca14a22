// SPDX-License-Identifier: MIT
//
// Pages made from the table of commands.
#pragma once

#include <string>

namespace hv::commands {

/// hvlaunch(1), in mdoc.
[[nodiscard]] std::string man_page();

/// docs/cli.md.
[[nodiscard]] std::string cli_reference();

[[nodiscard]] std::string bash_completion();
[[nodiscard]] std::string zsh_completion();
[[nodiscard]] std::string fish_completion();

}  // namespace hv::commands
