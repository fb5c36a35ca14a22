// SPDX-License-Identifier: MIT
//
// The two halves of decoding a profile, for parse.cpp.
#pragma once

#include "profiles/fields.h"

#include <initializer_list>

namespace hv::profiles {

/// Reads every field there is.
[[nodiscard]] Profile read_profile(Fields& fields);

/// Those of huge pages, pinning and devices of the host: a part of it.
void read_host_resources(Fields& fields, Profile& profile);

/// Those of the CPUs' features, of memory and of confidential guests.
void read_features(Fields& fields, Profile& profile);
void check_features(const Profile& profile, Reading& reading);
void check_confidential(const Profile& profile, Reading& reading);

/// Of NUMA.
[[nodiscard]] Numa read_numa(Fields& fields);
void check_numa(const Profile& profile, Reading& reading);

/// Notes a conflict at the first of the values that it is between, unless one
/// of them is wrong in itself.
void note_conflict(Reading& reading, std::initializer_list<std::string_view> between,
                   std::string message, std::string hint = {});

/// A field by its name, and where it is given.
struct Named {
  std::string_view name;
  std::string_view pointer;
};

/// Notes at each of the two that it cannot be together with the other.
void note_exclusion(Reading& reading, const Named& one, const Named& other, std::string_view why);

/// Notes the fields that contradict each other, as far as that can be told
/// without knowing the host. Fields that have problems already are left alone.
void note_conflicts(const Profile& profile, Reading& reading);

}  // namespace hv::profiles
