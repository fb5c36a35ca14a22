// SPDX-License-Identifier: MIT
#pragma once

#include "launcher/commands/cli.h"
#include "launcher/run/powerdown.h"

namespace hv::commands {

/// What to print of a shutdown: the result, as JSON if that is asked for, or
/// only words for people, as one step of something larger.
enum class Report : std::uint8_t { result, talk };

/// Climbs the ladder that was declared when the guest started, saying each
/// rung that takes a while, and reports what did it.
[[nodiscard]] Result<> shut_down(const Context& context, const run::Place& place, run::Rung first,
                                 Report report = Report::result);

/// What `start --paused` wishes of the stages of a unit.
inline constexpr std::string_view paused_start = "paused";

/// How to run `hvlaunch watch` for a VM, with the directories of `context`.
[[nodiscard]] std::vector<std::string> watch_argv(const Context& context, const std::string& vm);
[[nodiscard]] std::vector<std::string> watch_environment(const Context& context);

}  // namespace hv::commands
