// SPDX-License-Identifier: MIT
//
// JSON as people write it: comments and trailing commas are accepted, members
// that occur twice are not.
#pragma once

#include "profiles/profile.h"

#include <boost/json/fwd.hpp>

namespace hv::profiles {

inline constexpr std::size_t max_json_depth = 32;

/// The document, or why it is not JSON. Its memory comes from `storage`.
/// Members that occur twice are added to `problems`.
[[nodiscard]] Result<boost::json::value> parse_json(const Source& source,
                                                    const boost::json::storage_ptr& storage,
                                                    Errors& problems);

}  // namespace hv::profiles
