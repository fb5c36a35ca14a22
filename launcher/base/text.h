// SPDX-License-Identifier: MIT
//
// Text that people see or paste.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace hv {

enum class Lines : std::uint8_t { escape, keep };

/// `text` made safe for a terminal: printable UTF-8 stays; control characters,
/// escape sequences, broken UTF-8 and characters that reorder or hide text
/// (bidirectional and zero-width) become \xNN or \u{NNNN}. Nothing a guest
/// names can then move a cursor. With Lines::keep, newlines stay.
[[nodiscard]] std::string printable(std::string_view text, Lines lines = Lines::escape);

/// `argument` quoted for a POSIX shell, if it needs it.
[[nodiscard]] std::string shell_quote(std::string_view argument);

/// The one of `known` that `word` is most likely a misspelling of; empty if
/// none is near.
[[nodiscard]] std::string_view nearest(std::string_view word,
                                       std::span<const std::string_view> known);

[[nodiscard]] std::vector<std::string_view> split(std::string_view text, char separator);

[[nodiscard]] std::string join(std::span<const std::string> parts, std::string_view separator);

/// "2 MiB": in the largest unit that leaves no rest.
[[nodiscard]] std::string size_word(std::uint64_t kib);

}  // namespace hv
