// SPDX-License-Identifier: MIT
//
// A plan as people and programs read it.
#pragma once

#include "launcher/plan/plan.h"

#include <boost/json/fwd.hpp>

#include <span>
#include <string>

namespace hv::plan {

/// Every argument with its origin, then every change to the host. The same
/// plan gives the same bytes.
[[nodiscard]] std::string as_text(const Plan& plan);
[[nodiscard]] boost::json::value as_json(const Plan& plan);

/// Each argument with its origin and one sentence of why.
[[nodiscard]] std::string explained(std::span<const Argument> arguments);
[[nodiscard]] boost::json::value as_json(std::span<const Argument> arguments);

}  // namespace hv::plan
