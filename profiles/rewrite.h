// SPDX-License-Identifier: MIT
//
// Changes one value in a profile's text and leaves every other byte, comments
// and layout included, as the user wrote it.
#pragma once

#include "profiles/profile.h"

#include <string>
#include <string_view>

namespace hv::profiles {

/// The text with the value at `pointer` replaced by `json`, or with the member
/// added as the last of its object. Objects on the way that are missing are
/// made. The text must have been parsed already.
[[nodiscard]] Result<std::string> with_value(const Source& source, std::string_view pointer,
                                             std::string_view json);

}  // namespace hv::profiles
