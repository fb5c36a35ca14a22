// SPDX-License-Identifier: MIT
#include "launcher/base/text.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace hv {
namespace {

struct Decoded {
  char32_t code = 0;
  std::size_t length = 0;  ///< 0: not UTF-8.
};

/// The character that `text` begins with (RFC 3629: no overlong forms, no surrogates).
Decoded decode(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(0);
  if (first < 0x80) return {first, 1};
  const std::size_t length = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  if (first < 0xC2 || first > 0xF4 || text.size() < length) return {};
  char32_t code = first & (0xFFU >> (length + 1));
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0U) != 0x80) return {};
    code = (code << 6U) | (byte(i) & 0x3FU);
  }
  constexpr std::array<char32_t, 5> smallest = {0, 0, 0x80, 0x800, 0x10000};
  const bool surrogate = code >= 0xD800 && code <= 0xDFFF;
  if (code < smallest[length] || code > 0x10FFFF || surrogate) return {};
  return {code, length};
}

bool is_harmless(char32_t code) {
  struct Range {
    char32_t first, last;
  };
  constexpr std::array hidden = {
      Range{0x00, 0x1F},      Range{0x7F, 0x9F},      // C0, DEL, C1
      Range{0xAD, 0xAD},      Range{0x061C, 0x061C},  // soft hyphen, Arabic letter mark
      Range{0x115F, 0x1160},  Range{0x17B4, 0x17B5},  // fillers and vowels without a shape
      Range{0x180B, 0x180F},  Range{0x3164, 0x3164},  // Mongolian selectors, Hangul filler
      Range{0x200B, 0x200F},  Range{0x2028, 0x202E},  // zero width, separators, bidi
      Range{0x2060, 0x206F},  Range{0xFE00, 0xFE0F},  // joiners, isolates, variation selectors
      Range{0xFEFF, 0xFEFF},  Range{0xFFA0, 0xFFA0},  // byte order mark, half-width filler
      Range{0xFFF0, 0xFFFB},                          // annotations
      Range{0xE0000, 0xE0FFF}                         // tags
  };
  return std::ranges::none_of(
      hidden, [&](const Range& range) { return code >= range.first && code <= range.last; });
}

/// The number of single-character edits between two words (Levenshtein).
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0U : 1U);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, replaced});
    }
  }
  return row[b.size()];
}

}  // namespace

std::string printable(std::string_view text, Lines lines) {
  std::string safe;
  safe.reserve(text.size());
  while (!text.empty()) {
    const auto [code, length] = decode(text);
    if (length == 0) {
      safe += fmt::format("\\x{:02x}", static_cast<unsigned char>(text.front()));
      text.remove_prefix(1);
      continue;
    }
    if (is_harmless(code) || (code == '\n' && lines == Lines::keep))
      safe += text.substr(0, length);
    else if (code < 0x80)
      safe += fmt::format("\\x{:02x}", static_cast<unsigned>(code));
    else
      safe += fmt::format("\\u{{{:04x}}}", static_cast<std::uint32_t>(code));
    text.remove_prefix(length);
  }
  return safe;
}

std::string shell_quote(std::string_view argument) {
  constexpr std::string_view plain =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789@%+=:,./-_";
  if (!argument.empty() && argument.find_first_not_of(plain) == std::string_view::npos)
    return std::string(argument);
  std::string quoted = "'";
  for (const char c : argument) {
    if (c == '\'')
      quoted += "'\\''";
    else
      quoted += c;
  }
  return quoted + "'";
}

std::string_view nearest(std::string_view word, std::span<const std::string_view> known) {
  std::string_view best;
  // What is changed in every letter is another word.
  std::size_t least = std::min(std::max<std::size_t>(2, word.size() / 3) + 1, word.size());
  for (const auto candidate : known) {
    const auto longer = std::max(word.size(), candidate.size());
    const auto shorter = std::min(word.size(), candidate.size());
    if (longer - shorter >= least) continue;  // A megabyte of a word is not worth comparing.
    if (const auto edits = distance(word, candidate); edits < least) {
      least = edits;
      best = candidate;
    }
  }
  return best;
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (;;) {
    const auto end = text.find(separator);
    parts.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

std::string join(std::span<const std::string> parts, std::string_view separator) {
  return fmt::format("{}", fmt::join(parts, separator));
}

std::string size_word(std::uint64_t kib) {
  if (kib % (1U << 20U) == 0) return fmt::format("{} GiB", kib >> 20U);
  return kib % 1024 == 0 ? fmt::format("{} MiB", kib >> 10U) : fmt::format("{} KiB", kib);
}

}  // namespace hv
