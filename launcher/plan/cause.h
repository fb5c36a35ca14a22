// SPDX-License-Identifier: MIT
#pragma once

#include <string>

namespace hv::plan {

/// Why something is in a plan: the profile asked for it, or a rule of ours did.
struct Cause {
  std::string pointer{};  ///< JSON pointer into the profile; empty: a rule.
  std::string rule{};     ///< Name of the rule: "pcie-layout".
  std::string why{};      ///< One sentence for people.

  /// "/memory_mb" or "rule pcie-layout".
  [[nodiscard]] std::string origin() const { return pointer.empty() ? "rule " + rule : pointer; }
};

}  // namespace hv::plan
