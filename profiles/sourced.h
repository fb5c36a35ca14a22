// SPDX-License-Identifier: MIT
#pragma once

#include <string>

namespace hv::profiles {

/// A value and the JSON pointer it came from; an empty pointer: the default.
template <class T>
struct Sourced {
  T value{};
  std::string pointer{};

  [[nodiscard]] bool given() const { return !pointer.empty(); }
};

}  // namespace hv::profiles
