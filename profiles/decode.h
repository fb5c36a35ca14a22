// SPDX-License-Identifier: MIT
//
// The two halves of decoding a profile, for parse.cpp.
#pragma once

#include "profiles/fields.h"

namespace hv::profiles {

/// Reads every field there is.
[[nodiscard]] Profile read_profile(Fields& fields);

/// Those of huge pages, pinning and devices of the host: a part of it.
void read_host_resources(Fields& fields, Profile& profile);

/// Notes the fields that contradict each other, as far as that can be told
/// without knowing the host. Fields that have problems already are left alone.
void note_conflicts(const Profile& profile, Reading& reading);

}  // namespace hv::profiles
