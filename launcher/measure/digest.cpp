// SPDX-License-Identifier: MIT
#include "launcher/measure/digest.h"

#include <fmt/format.h>

namespace hv::measure {
namespace {

const std::uint8_t* octets(std::string_view bytes) {
  return reinterpret_cast<const std::uint8_t*>(bytes.data());
}

}  // namespace

void Sha256Hasher::add(std::string_view bytes) {
  sha256_update(&state_, bytes.size(), octets(bytes));
}

Sha256 Sha256Hasher::finish() {
  Sha256 digest{};
  sha256_digest(&state_, digest.size(), digest.data());
  return digest;
}

void Sha384Hasher::add(std::string_view bytes) {
  sha384_update(&state_, bytes.size(), octets(bytes));
}

Sha384 Sha384Hasher::finish() {
  Sha384 digest{};
  sha384_digest(&state_, digest.size(), digest.data());
  return digest;
}

Sha256 sha256(std::string_view bytes) {
  Sha256Hasher hasher;
  hasher.add(bytes);
  return hasher.finish();
}

Sha384 sha384(std::string_view bytes) {
  Sha384Hasher hasher;
  hasher.add(bytes);
  return hasher.finish();
}

std::string_view bytes_of(std::span<const std::uint8_t> digest) {
  return {reinterpret_cast<const char*>(digest.data()), digest.size()};
}

std::string hex(std::span<const std::uint8_t> digest) {
  std::string text;
  for (const auto octet : digest) text += fmt::format("{:02x}", octet);
  return text;
}

}  // namespace hv::measure
