// SPDX-License-Identifier: MIT
//
// Files of JSON that another version of hvlaunch may have written.
#pragma once

#include <boost/json/value.hpp>

namespace hv {

/// `defaults` with the members that `given` has, too: what it lacks keeps its default, and what
/// is not known here is left out.
inline boost::json::value overlaid(boost::json::value defaults, const boost::json::value& given) {
  const auto* const members = given.if_object();
  if (!defaults.is_object() || members == nullptr) return given;
  for (auto& member : defaults.get_object())
    if (const auto* const value = members->if_contains(member.key()))
      member.value() = overlaid(std::move(member.value()), *value);
  return defaults;
}

}  // namespace hv
