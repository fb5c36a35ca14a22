// SPDX-License-Identifier: MIT
//
// Firmware images that tests make: no code, but the table at the end by which
// those who start confidential guests find their way.
#pragma once

#include "launcher/measure/image.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tests {

struct FirmwareImage {
  std::size_t size = 0;
  std::uint32_t reset_address = 0;   ///< 0: no entry.
  std::uint32_t hashes_address = 0;  ///< The same.
  std::vector<hv::measure::SnpSection> snp{};
  std::vector<hv::measure::TdxSection> tdx{};
};

/// The image; what is not table is a pattern in which no two pages are equal.
[[nodiscard]] std::string make_image(const FirmwareImage& wish);

/// With the places that edk2's AmdSev build of 2024-05 has.
[[nodiscard]] std::string amd_sev_image(std::size_t size = 4096);

/// With those of its IntelTdx build, made smaller.
[[nodiscard]] std::string intel_tdx_image();

template <class Digest>
Digest digest_of_hex(std::string_view hex) {
  Digest digest{};
  for (std::size_t i = 0; i < digest.size(); ++i)
    digest[i] =
        static_cast<std::uint8_t>(std::stoi(std::string(hex.substr(2 * i, 2)), nullptr, 16));
  return digest;
}

}  // namespace tests
