// SPDX-License-Identifier: MIT
#pragma once

#include "launcher/plan/plan.h"

#include <cstdint>

namespace hv::plan {

/// A value that was decided, and why so.
template <class T>
struct Choice {
  T value{};
  Cause cause{};
};

/// The CPUs that the guest sees.
struct Cpus {
  std::uint64_t count = 1;
  std::uint64_t sockets = 1;
  std::uint64_t dies = 1;
  std::uint64_t cores = 1;
  std::uint64_t threads = 1;

  friend bool operator==(const Cpus&, const Cpus&) = default;
};

}  // namespace hv::plan
