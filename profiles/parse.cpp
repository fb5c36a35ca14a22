// SPDX-License-Identifier: MIT
#include "profiles/decode.h"
#include "profiles/json.h"
#include "profiles/source.h"

#include <boost/json.hpp>

#include <array>

namespace hv::profiles {

std::expected<Profile, Errors> parse_profile(const Source& source) {
  // Most documents fit here, and are gone when we return.
  std::array<unsigned char, 16384> buffer;
  const auto storage = boost::json::make_shared_resource<boost::json::monotonic_resource>(
      buffer.data(), buffer.size());

  Reading reading;
  const auto document = parse_json(source, storage, reading.problems);
  if (!document) return std::unexpected(Errors{document.error()});
  auto profile = [&] {
    Fields root(reading, &*document, "");
    return read_profile(root);
  }();
  note_conflicts(profile, reading);
  if (reading.problems.empty()) return profile;

  auto& problems = reading.problems;
  locate(source, problems);
  sort(problems);
  return std::unexpected(std::move(problems));
}

std::string_view to_string(Arch arch) {
  return word_of(arch_words, arch);
}

std::string_view to_string(DiskFormat format) {
  return word_of(disk_format_words, format);
}

std::string_view to_string(Protocol protocol) {
  return word_of(protocol_words, protocol);
}

std::string_view to_string(DiskIo io) {
  return word_of(disk_io_words, io);
}

std::string_view to_string(Confinement confinement) {
  return word_of(confinement_words, confinement);
}

}  // namespace hv::profiles
