// SPDX-License-Identifier: MIT
#pragma once

namespace hv {

/// One function object out of several, for std::visit.
template <class... Cases>
struct Overloaded : Cases... {
  using Cases::operator()...;
};

}  // namespace hv
