// SPDX-License-Identifier: MIT
#pragma once

#include "launcher/commands/cli.h"

namespace hv::commands {

/// `hvlaunch vfio bind <address>…`; the operands are what stands behind "bind".
[[nodiscard]] Outcome vfio_bind(Context& context, const Arguments& arguments);

/// `hvlaunch vfio unbind <address>…`.
[[nodiscard]] Outcome vfio_unbind(Context& context, const Arguments& arguments);

}  // namespace hv::commands
