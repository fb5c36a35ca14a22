// SPDX-License-Identifier: MIT
//
// How a guest whose memory its host cannot read is started.
#pragma once

#include "profiles/confidential.h"

#include <cstdint>

namespace hv::plan {

struct ConfidentialGuest {
  profiles::Technology technology = profiles::Technology::sev;
  std::uint64_t policy = 0;  ///< Of SEV.
  /// The bit of an address that says "encrypted", and how many bits of
  /// addresses encryption costs; of SEV.
  std::uint64_t cbitpos = 0;
  std::uint64_t reduced_phys_bits = 0;
  std::string owner_certificate{};  ///< Full paths; empty: none.
  std::string session{};
};

}  // namespace hv::plan
