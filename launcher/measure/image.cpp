// SPDX-License-Identifier: MIT
#include "launcher/measure/image.h"

#include <algorithm>
#include <array>
#include <concepts>

namespace hv::measure {
namespace {

using Guid = std::array<std::uint8_t, 16>;

// As bytes of the file: the first three fields of a GUID are little-endian.
constexpr Guid table_guid = {0xde, 0x82, 0xb5, 0x96, 0xb2, 0x1f, 0xf7, 0x45,
                             0xba, 0xea, 0xa3, 0x66, 0xc5, 0x5a, 0x08, 0x2d};
constexpr Guid reset_guid = {0xde, 0x71, 0xf7, 0x00, 0x7e, 0x1a, 0xcb, 0x4f,
                             0x89, 0x0e, 0x68, 0xc7, 0x7e, 0x2f, 0xb4, 0x4e};
constexpr Guid hashes_guid = {0x1f, 0x37, 0x55, 0x72, 0x3b, 0x3a, 0x04, 0x4b,
                              0x92, 0x7b, 0x1d, 0xa6, 0xef, 0xa8, 0xd4, 0x54};
constexpr Guid sev_guid = {0x66, 0x65, 0x88, 0xdc, 0x4a, 0x98, 0x98, 0x47,
                           0xa7, 0x5e, 0x55, 0x85, 0xa7, 0xbf, 0x67, 0xcc};
constexpr Guid tdx_guid = {0x35, 0x65, 0x7a, 0xe4, 0x4a, 0x98, 0x98, 0x47,
                           0x86, 0x5e, 0x46, 0x85, 0xa7, 0xbf, 0x8e, 0xc2};

constexpr std::size_t after_table = 32;     // The reset vector.
constexpr std::size_t entry_head = 2 + 16;  // Behind an entry's data: its size, its GUID.
constexpr std::size_t metadata_head = 16;   // Signature, size, version, number of sections.

/// A forged image must not keep us busy for hours.
constexpr std::uint64_t most_memory = 4ULL << 30U;

/// A little-endian number; 0 past the end.
template <std::unsigned_integral Number>
Number number_at(std::string_view bytes, std::size_t offset) {
  Number value = 0;
  if (bytes.size() < sizeof(Number) || offset > bytes.size() - sizeof(Number)) return value;
  for (std::size_t i = sizeof(Number); i-- > 0;)
    value = static_cast<Number>(value << 8U | static_cast<std::uint8_t>(bytes[offset + i]));
  return value;
}

bool has_guid(std::string_view bytes, std::size_t offset, const Guid& guid) {
  return std::ranges::equal(bytes.substr(offset, guid.size()), guid, {},
                            [](char c) { return static_cast<std::uint8_t>(c); });
}

std::unexpected<Error> broken(std::string_view what) {
  return fail(Fault::missing, "broken-firmware", "the firmware's table {}", what);
}

struct Entry {
  Guid guid;
  std::string_view data;
};

/// The entries, from the table's end on. The last GUID is the table's own.
Result<std::vector<Entry>> entries_of(std::string_view bytes) {
  std::vector<Entry> entries;
  if (bytes.size() < after_table + entry_head) return entries;
  const auto foot = bytes.size() - after_table - entry_head;
  if (!has_guid(bytes, foot + 2, table_guid)) return entries;
  const std::size_t size = number_at<std::uint16_t>(bytes, foot);
  if (size < entry_head || size - entry_head > foot) return broken("is longer than the image");
  auto table = bytes.substr(foot - (size - entry_head), size - entry_head);
  while (table.size() >= entry_head) {
    const auto head = table.size() - entry_head;
    const std::size_t length = number_at<std::uint16_t>(table, head);
    if (length < entry_head || length > table.size())
      return broken(fmt::format("has an entry of {} bytes", length));
    Entry entry{.guid{}, .data = table.substr(table.size() - length, length - entry_head)};
    std::ranges::copy(table.substr(head + 2), entry.guid.begin());
    entries.push_back(entry);
    table.remove_suffix(length);
  }
  return entries;
}

/// What an entry points to by its distance from the image's end: a head, and
/// `section_size` bytes for each section.
Result<std::string_view> metadata_at(std::string_view bytes, std::string_view data,
                                     std::string_view signature, std::size_t section_size) {
  const std::size_t back = number_at<std::uint32_t>(data, 0);
  if (back < metadata_head || back > bytes.size())
    return broken(fmt::format("places {} outside of the image", signature));
  const auto metadata = bytes.substr(bytes.size() - back);
  if (!metadata.starts_with(signature)) return broken(fmt::format("leads to no {}", signature));
  if (const auto version = number_at<std::uint32_t>(metadata, 8); version != 1)
    return broken(fmt::format("has {} of version {}, not 1", signature, version));
  const std::uint64_t count = number_at<std::uint32_t>(metadata, 12);
  if (count == 0 || count > (metadata.size() - metadata_head) / section_size)
    return broken(fmt::format("says that {} has {} sections", signature, count));
  return metadata.substr(metadata_head, count * section_size);
}

Result<> check_range(std::uint64_t address, std::uint64_t size, std::uint64_t& sum) {
  if (address % page_size != 0 || size % page_size != 0)
    return broken(fmt::format("has a section at {:#x} that is not whole pages", address));
  if (size > most_memory - sum || address > UINT64_MAX - size)
    return broken("has sections of more than 4 GiB");
  sum += size;
  return {};
}

Result<std::vector<SnpSection>> snp_sections(std::string_view bytes, std::string_view data) {
  constexpr std::size_t section_size = 12;
  auto rest = TRY(metadata_at(bytes, data, "ASEV", section_size));
  std::vector<SnpSection> sections;
  for (std::uint64_t sum = 0; !rest.empty(); rest.remove_prefix(section_size)) {
    using enum SnpSection::Kind;
    const SnpSection section{.kind = SnpSection::Kind(number_at<std::uint32_t>(rest, 8)),
                             .address = number_at<std::uint32_t>(rest, 0),
                             .size = number_at<std::uint32_t>(rest, 4)};
    constexpr std::array known = {zeroes, secrets, cpuid, calling_area, kernel_hashes};
    if (std::ranges::find(known, section.kind) == known.end())
      return broken(fmt::format("has a SEV-SNP section of the unknown kind {}",
                                static_cast<std::uint32_t>(section.kind)));
    TRY(check_range(section.address, section.size, sum));
    sections.push_back(section);
  }
  return sections;
}

Result<std::vector<TdxSection>> tdx_sections(std::string_view bytes, std::string_view data) {
  constexpr std::size_t section_size = 32;
  auto rest = TRY(metadata_at(bytes, data, "TDVF", section_size));
  std::vector<TdxSection> sections;
  for (std::uint64_t sum = 0; !rest.empty(); rest.remove_prefix(section_size)) {
    const auto attributes = number_at<std::uint32_t>(rest, 28);
    const TdxSection section{.file_offset = number_at<std::uint32_t>(rest, 0),
                             .file_size = number_at<std::uint32_t>(rest, 4),
                             .address = number_at<std::uint64_t>(rest, 8),
                             .size = number_at<std::uint64_t>(rest, 16),
                             .measured = (attributes & 1U) != 0,
                             .added_by_guest = (attributes & 2U) != 0};
    if (!section.added_by_guest) TRY(check_range(section.address, section.size, sum));
    sections.push_back(section);
  }
  return sections;
}

}  // namespace

Result<Image> parse_image(std::string_view bytes) {
  Image image{.bytes = bytes, .reset_address{}, .hashes_address{}, .snp{}, .tdx{}};
  const auto entries = TRY(entries_of(bytes));
  for (const auto& [guid, data] : entries) {
    const auto address = number_at<std::uint32_t>(data, 0);
    if (guid == reset_guid && data.size() >= 4) image.reset_address = address;
    // Builds without kernel hashes have the entry, with zeroes in it.
    if (guid == hashes_guid && data.size() >= 8 && address != 0) {
      image.hashes_address = address;
      image.hashes_size = number_at<std::uint32_t>(data, 4);
    }
    if (guid == sev_guid) image.snp = TRY(snp_sections(bytes, data));
    if (guid == tdx_guid) image.tdx = TRY(tdx_sections(bytes, data));
  }
  return image;
}

}  // namespace hv::measure
