// SPDX-License-Identifier: MIT
//
// A firmware image as those who start confidential guests see it: OVMF ends
// with a table of entries, each named by a GUID, that say where the guest's
// firmware wants secrets, CPUID values, hashes and pages of its own.
#pragma once

#include "launcher/base/error.h"

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace hv::measure {

inline constexpr std::uint64_t page_size = 4096;

/// Pages that a SEV-SNP guest has from its first instruction on.
struct SnpSection {
  enum class Kind : std::uint32_t {
    zeroes = 1,
    secrets = 2,
    cpuid = 3,
    calling_area = 4,  ///< Of an SVSM; zeroes without one.
    kernel_hashes = 0x10,
  };
  Kind kind = Kind::zeroes;
  std::uint64_t address = 0;
  std::uint64_t size = 0;
};

/// Memory that a TDX guest has from its first instruction on.
struct TdxSection {
  std::uint64_t file_offset = 0;
  std::uint64_t file_size = 0;
  std::uint64_t address = 0;
  std::uint64_t size = 0;
  bool measured = false;        ///< What is in it, not only that it is there.
  bool added_by_guest = false;  ///< Not there from the first instruction on.
};

/// Views into the file's bytes: these must outlive it.
struct Image {
  std::string_view bytes;
  std::optional<std::uint32_t> reset_address;   ///< Where vCPUs other than the first begin.
  std::optional<std::uint32_t> hashes_address;  ///< Of the table of the kernel's hashes.
  std::uint32_t hashes_size = 0;
  std::vector<SnpSection> snp;  ///< Empty: no firmware for SEV-SNP.
  std::vector<TdxSection> tdx;  ///< Empty: no firmware for TDX.

  /// Images end where 32 bits of address do.
  [[nodiscard]] std::uint64_t address() const { return (1ULL << 32U) - bytes.size(); }
};

/// Reads the table. An image without one has no entries; one whose table
/// contradicts itself is an error.
[[nodiscard]] Result<Image> parse_image(std::string_view bytes);

}  // namespace hv::measure
