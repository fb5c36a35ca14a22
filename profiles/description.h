// SPDX-License-Identifier: MIT
//
// What can be said of each field of a profile, as data. It is recorded by
// running the code that reads profiles (profile.cpp) without one, so that it
// cannot differ from what is accepted.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace hv::profiles {

enum class FieldType : std::uint8_t {
  text,
  number,
  flag,
  wish,
  word,
  list,
  object,
  map,
  wishes,
  properties,
};

/// The documentation of a field, where it is read.
struct Doc {
  std::string_view text;     ///< What it does: a sentence or two, without the full stop.
  std::string_view example;  ///< A value, as JSON.
};

struct FieldDescription {
  std::string pointer{};  ///< "/network/mode"; "*" stands for any index or name.
  FieldType type = FieldType::text;
  bool required = false;
  std::uint64_t min = 0;                  ///< Numbers.
  std::uint64_t max = 0;                  ///< Numbers.
  std::string_view unit{};                ///< Numbers: what 1 means; strings like "8G" will do too.
  bool automatic = false;                 ///< Numbers: AUTO_DETECT will do too.
  std::vector<std::string_view> words{};  ///< Words: those there are.
  std::string_view form{};                ///< Texts: what they look like, in words,
  std::string_view pattern{};             ///< and as an anchored regular expression.
  std::string_view short_form{};          ///< Objects: the member that may stand for the whole.
  std::string fallback{};                 ///< The default, as JSON; empty: none.
  Doc doc;
};

/// Every field, an object before its members, in the order of the reference.
[[nodiscard]] const std::vector<FieldDescription>& field_descriptions();

}  // namespace hv::profiles
