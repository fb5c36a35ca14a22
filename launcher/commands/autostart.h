// SPDX-License-Identifier: MIT
//
// From this host's files to the plan of what starts with it.
#pragma once

#include "launcher/commands/cli.h"
#include "launcher/plan/autostart.h"

#include <boost/json/fwd.hpp>

namespace hv::commands {

/// `all`: profiles that do not ask for a start as well. They need not be decoded
/// otherwise, and what is wrong with them is none of the boot's business.
enum class Asked : std::uint8_t { all, only_those_that_may_start };

/// Never fails: what cannot be read is a note. Waits for nothing but the disk.
[[nodiscard]] plan::AutostartPlan load_autostart(const Context& context, Asked asked);

[[nodiscard]] std::string autostart_text(const plan::AutostartPlan& plan);
[[nodiscard]] boost::json::value autostart_json(const plan::AutostartPlan& plan);

/// Writes the units of what starts with this host below `directory`, and returns
/// what the kernel's log should hold. Never fails.
[[nodiscard]] std::vector<std::string> generate_units(const Context& context,
                                                      const std::string& directory);

/// The program as a generator of systemd's, by systemd.generator(7): it always
/// ends with 0, within seconds.
int generator_main(Context context, const std::vector<std::string>& directories);

}  // namespace hv::commands
