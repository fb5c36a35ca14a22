// SPDX-License-Identifier: MIT
#pragma once

#include "launcher/commands/load.h"

#include <functional>

namespace hv::commands {

/// Carries out a VM's plan by `act`; and another plan, if the host has changed
/// under the first: another guest was quicker, or there are no huge pages for
/// one that can do without. Checks the files that it needs first. `planned` is
/// the plan, and in the end the one that was carried out.
[[nodiscard]] Outcome carry_out(const Context& context, const std::string& vm, Planned& planned,
                                const std::function<Outcome(const Planned&)>& act);

}  // namespace hv::commands
