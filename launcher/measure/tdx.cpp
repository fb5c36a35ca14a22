// SPDX-License-Identifier: MIT
#include "launcher/measure/launch.h"

namespace hv::measure {
namespace {

/// What the TDX module hashes for an operation: its name, and an address at 16.
std::string operation(std::string_view name, std::uint64_t address) {
  std::string bytes(name);
  bytes.resize(128);
  for (std::size_t i = 0; i < 8; ++i) bytes[16 + i] = static_cast<char>(address >> (8 * i));
  return bytes;
}

/// The module measures what is in a page by 256 bytes.
void extend(const Image& image, const TdxSection& section, std::uint64_t page,
            Sha384Hasher& hasher) {
  constexpr std::uint64_t chunk_size = 256;
  for (auto offset = page; offset < page + page_size; offset += chunk_size) {
    hasher.add(operation("MR.EXTEND", section.address + offset));
    hasher.add(image.bytes.substr(section.file_offset + offset, chunk_size));
  }
}

/// What QEMU would take for the rest of a section is no part of the format.
Result<> check_data(const Image& image, const TdxSection& section) {
  const bool there = section.file_offset <= image.bytes.size() &&
                     section.file_size <= image.bytes.size() - section.file_offset;
  if (there && section.file_size == section.size) return {};
  return fail(Fault::missing, "broken-firmware",
              "the firmware's table has a section at {:#x} to measure of which the image lacks a "
              "part",
              section.address);
}

}  // namespace

Result<Sha384> tdx_digest(const Image& image) {
  if (image.tdx.empty())
    return std::unexpected(
        with_hint({.fault = Fault::missing,
                   .id = "firmware-without-tdx",
                   .message = "the firmware says nothing of what a TDX guest starts with"},
                  "use OVMF's IntelTdx build (OVMF.inteltdx.fd)"));
  Sha384Hasher hasher;
  for (const auto& section : image.tdx) {
    if (section.added_by_guest) continue;
    if (section.measured) TRY(check_data(image, section));
    // KVM measures a page right after it has added it.
    for (std::uint64_t page = 0; page < section.size; page += page_size) {
      hasher.add(operation("MEM.PAGE.ADD", section.address + page));
      if (section.measured) extend(image, section, page, hasher);
    }
  }
  return hasher.finish();
}

}  // namespace hv::measure
