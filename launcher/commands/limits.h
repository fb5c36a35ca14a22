// SPDX-License-Identifier: MIT
//
// What `limits` and `status` share.
#pragma once

#include "launcher/run/limits.h"

#include <boost/json/fwd.hpp>

#include <vector>

namespace hv::commands {

[[nodiscard]] boost::json::array limits_json(const std::vector<run::LimitState>& states);

}  // namespace hv::commands
