// SPDX-License-Identifier: MIT
//
// Where in a profile's text things are. The JSON parser keeps no positions:
// they are found by walking the text again, once there is something to report.
#pragma once

#include "profiles/profile.h"

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace hv::profiles {

/// Turns byte offsets into lines and columns.
class LineIndex {
 public:
  explicit LineIndex(const Source& source);

  [[nodiscard]] Origin at(std::size_t offset, std::string pointer) const;

 private:
  const Source& source_;
  std::vector<std::size_t> starts_;
};

/// The place `pointer` points to; for a member that is not there, the place of
/// the innermost value that is. The text must have been parsed already.
[[nodiscard]] Origin locate(const Source& source, std::string_view pointer);

/// Completes the origin of each error that has no line from its JSON pointer,
/// in one walk.
void locate(const Source& source, Errors& errors);

/// Sorts errors by position; those without one come last.
void sort(Errors& errors);

/// An error for each member that its object has already.
[[nodiscard]] Errors duplicate_members(const Source& source);

/// A member's name as a step of a JSON pointer (RFC 6901).
[[nodiscard]] std::string pointer_step(std::string_view key);

/// A value as messages show it: safe for a terminal, and cut if it is long.
[[nodiscard]] std::string quotable(std::string_view value);

}  // namespace hv::profiles
