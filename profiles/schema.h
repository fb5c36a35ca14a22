// SPDX-License-Identifier: MIT
//
// The descriptions of the fields, for people and for editors.
#pragma once

#include <string>

namespace hv::profiles {

/// JSON Schema, draft 2020-12, of a profile.
[[nodiscard]] std::string json_schema();

/// docs/profile.md: every field in Markdown.
[[nodiscard]] std::string profile_reference();

}  // namespace hv::profiles
