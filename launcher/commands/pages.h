// SPDX-License-Identifier: MIT
//
// Pages made from the table of commands.
#pragma once

#include <string>
#include <string_view>

namespace hv::commands {

/// hvlaunch(1), in mdoc.
[[nodiscard]] std::string man_page();

/// hvlaunch-profile(5), in mdoc.
[[nodiscard]] std::string profile_man_page();

/// Prose for mdoc: ASCII, a new line for each sentence, and no line that roff
/// could take for a request.
[[nodiscard]] std::string roff(std::string_view text);

/// docs/cli.md.
[[nodiscard]] std::string cli_reference();

[[nodiscard]] std::string bash_completion();
[[nodiscard]] std::string zsh_completion();
[[nodiscard]] std::string fish_completion();

}  // namespace hv::commands
