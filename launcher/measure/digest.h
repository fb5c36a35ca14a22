// SPDX-License-Identifier: MIT
//
// The hashes that processors measure guests with.
#pragma once

#include <nettle/sha2.h>

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace hv::measure {

using Sha256 = std::array<std::uint8_t, SHA256_DIGEST_SIZE>;
using Sha384 = std::array<std::uint8_t, SHA384_DIGEST_SIZE>;

/// SHA-256 of what comes piece by piece.
class Sha256Hasher {
 public:
  Sha256Hasher() { sha256_init(&state_); }
  void add(std::string_view bytes);
  /// And begins anew.
  [[nodiscard]] Sha256 finish();

 private:
  sha256_ctx state_{};
};

class Sha384Hasher {
 public:
  Sha384Hasher() { sha384_init(&state_); }
  void add(std::string_view bytes);
  [[nodiscard]] Sha384 finish();

 private:
  sha512_ctx state_{};
};

[[nodiscard]] Sha256 sha256(std::string_view bytes);
[[nodiscard]] Sha384 sha384(std::string_view bytes);

/// The same bytes, to hash them in their turn.
[[nodiscard]] std::string_view bytes_of(std::span<const std::uint8_t> digest);

/// Lower case, two digits a byte.
[[nodiscard]] std::string hex(std::span<const std::uint8_t> digest);

}  // namespace hv::measure
