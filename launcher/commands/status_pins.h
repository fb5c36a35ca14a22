// SPDX-License-Identifier: MIT
#pragma once

#include "launcher/commands/cli.h"
#include "launcher/run/place.h"

namespace hv::commands {

/// `status --pins`: every thread of QEMU, where it should be and where it is.
[[nodiscard]] Outcome show_pins(const Context& context, const run::Place& place);

}  // namespace hv::commands
