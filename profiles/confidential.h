// SPDX-License-Identifier: MIT
//
// The ways to keep a guest's memory from its host, and what their policies are
// called.
#pragma once

#include "profiles/profile.h"

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace hv::profiles {

/// AMD's three are each the one before and more.
enum class Technology : std::uint8_t { sev, sev_es, sev_snp, tdx };

/// The toggle of `cpu_features` that asks for it: "sev_snp".
[[nodiscard]] std::string_view toggle_of(Technology technology);

/// "SEV-SNP".
[[nodiscard]] std::string_view to_string(Technology technology);

/// What the profile asks for, the strongest first.
[[nodiscard]] std::vector<Technology> technologies_of(const Profile& profile);

/// Private memory, guest_memfd: the host cannot even map it.
[[nodiscard]] constexpr bool has_private_memory(Technology technology) {
  return technology == Technology::sev_snp || technology == Technology::tdx;
}

/// A word of `confidential.policy`, and the bit that it sets or clears.
struct PolicyWord {
  std::string_view word;
  std::uint64_t set = 0;
  std::uint64_t clear = 0;
};
[[nodiscard]] std::span<const PolicyWord> policy_bits(Technology technology);

/// The guest's policy as the processor takes it (AMD 55766, 3; AMD 56860, 4.3).
[[nodiscard]] std::uint64_t policy_of(const Profile& profile, Technology technology);

/// The words of the bits that differ from the strictest policy.
[[nodiscard]] std::vector<std::string_view> words_of(std::uint64_t policy, Technology technology);

}  // namespace hv::profiles
