// SPDX-License-Identifier: MIT
#pragma once

#include "launcher/base/error.h"
#include "launcher/plan/plan.h"

#include <string_view>

namespace hv::run {

/// Why QEMU did not start, from what it printed. Its own words are always in
/// the message; where we know what they mean, id and hint say so.
[[nodiscard]] Error explain_qemu(std::string_view log, std::string_view ending,
                                 const plan::Plan& plan);

}  // namespace hv::run
