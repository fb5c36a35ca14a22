// SPDX-License-Identifier: MIT
#include "tests/firmware_image.h"

namespace tests {
namespace {

namespace measure = hv::measure;

std::string little_endian(std::uint64_t value, std::size_t size) {
  std::string bytes;
  for (std::size_t i = 0; i < size; ++i) bytes += static_cast<char>(value >> (8 * i));
  return bytes;
}

/// A GUID as it lies in the file.
std::string guid(std::uint32_t first, std::uint16_t second, std::uint16_t third,
                 std::uint64_t rest) {
  auto bytes = little_endian(first, 4) + little_endian(second, 2) + little_endian(third, 2);
  for (int shift = 56; shift >= 0; shift -= 8)
    bytes += static_cast<char>(rest >> static_cast<unsigned>(shift));
  return bytes;
}

std::string entry(const std::string& data, const std::string& name) {
  return data + little_endian(data.size() + 18, 2) + name;
}

std::string snp_metadata(const std::vector<measure::SnpSection>& sections) {
  std::string bytes = "ASEV" + little_endian(16 + 12 * sections.size(), 4) + little_endian(1, 4) +
                      little_endian(sections.size(), 4);
  for (const auto& [kind, address, size] : sections)
    bytes += little_endian(address, 4) + little_endian(size, 4) +
             little_endian(static_cast<std::uint64_t>(kind), 4);
  return bytes;
}

std::string tdx_metadata(const std::vector<measure::TdxSection>& sections) {
  std::string bytes = "TDVF" + little_endian(16 + 32 * sections.size(), 4) + little_endian(1, 4) +
                      little_endian(sections.size(), 4);
  for (const auto& [offset, file_size, address, size, measured, by_guest] : sections)
    bytes += little_endian(offset, 4) + little_endian(file_size, 4) + little_endian(address, 8) +
             little_endian(size, 8) + little_endian(measured ? 0 : 3, 4) +
             little_endian((measured ? 1U : 0U) | (by_guest ? 2U : 0U), 4);
  return bytes;
}

}  // namespace

std::string make_image(const FirmwareImage& wish) {
  const auto& [size, reset_address, hashes_address, snp, tdx] = wish;
  const auto snp_bytes = snp.empty() ? "" : snp_metadata(snp);
  const auto tdx_bytes = tdx.empty() ? "" : tdx_metadata(tdx);
  // The metadata end 512 bytes before the image does, below the table.
  constexpr std::size_t below = 512;
  std::string table;
  if (!tdx.empty())
    table += entry(little_endian(below + tdx_bytes.size(), 4),
                   guid(0xe47a6535, 0x984a, 0x4798, 0x865e4685a7bf8ec2));
  if (!snp.empty())
    table += entry(little_endian(below + tdx_bytes.size() + snp_bytes.size(), 4),
                   guid(0xdc886566, 0x984a, 0x4798, 0xa75e5585a7bf67cc));
  if (hashes_address != 0)
    table += entry(little_endian(hashes_address, 4) + little_endian(0x400, 4),
                   guid(0x7255371f, 0x3a3b, 0x4b04, 0x927b1da6efa8d454));
  if (reset_address != 0)
    table += entry(little_endian(reset_address, 4),
                   guid(0x00f771de, 0x1a7e, 0x4fcb, 0x890e68c77e2fb44e));
  table +=
      little_endian(table.size() + 18, 2) + guid(0x96b582de, 0x1fb2, 0x45f7, 0xbaeaa366c55a082d);

  std::string image;
  for (std::size_t i = 0; i < size; ++i)
    image += static_cast<char>(i / measure::page_size * 7 + i % 251);
  const auto metadata = snp_bytes + tdx_bytes;
  image.replace(size - below - metadata.size(), metadata.size(), metadata);
  image.replace(size - 32 - table.size(), table.size(), table);
  return image;
}

std::string amd_sev_image(std::size_t size) {
  using enum measure::SnpSection::Kind;
  return make_image({.size = size,
                     .reset_address = 0x0080b004,
                     .hashes_address = 0x00810c00,
                     .snp = {{zeroes, 0x800000, 0x9000},
                             {zeroes, 0x80a000, 0x3000},
                             {secrets, 0x80d000, 0x1000},
                             {cpuid, 0x80e000, 0x1000},
                             {calling_area, 0x80f000, 0x1000},
                             {kernel_hashes, 0x810000, 0x1000},
                             {zeroes, 0x811000, 0xf000}}});
}

std::string intel_tdx_image() {
  constexpr std::uint64_t size = 0x10000;
  constexpr std::uint64_t variables = 0x4000;
  return make_image(
      {.size = size,
       .tdx = {{variables, size - variables, 0xffff0000 + variables, size - variables, true},
               {0, variables, 0xffff0000, variables, false},
               {0, 0, 0x810000, 0x10000, false},
               {0, 0, 0x809000, 0x2000, false}}});
}

}  // namespace tests
