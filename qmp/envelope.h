// SPDX-License-Identifier: MIT
//
// Internal: the outermost members of a message, as pieces of its text, so that
// a message can be passed on without being built and printed anew.
#pragma once

#include "qmp/error.h"

#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace qmp {

class Envelope {
 public:
  /// Checks that `text` is one JSON object, and that QEMU's parser will agree:
  /// no key twice, none spelt with escapes. Views into `text`.
  [[nodiscard]] static Result<Envelope> read(std::string_view text, std::size_t max_depth);

  /// The member's value as written, strings with their quotes.
  [[nodiscard]] std::optional<std::string_view> find(std::string_view key) const;

  /// The text with `id` as its id; nothing: with none.
  [[nodiscard]] std::string with_id(std::optional<std::string_view> id) const;

 private:
  struct Member {
    std::string_view key;  ///< Without quotes.
    std::string_view value;
  };

  explicit Envelope(std::string_view text) : text_(text) {}
  [[nodiscard]] Result<> index();
  [[nodiscard]] Result<> add(std::string_view key, std::string_view value);
  [[nodiscard]] std::size_t offset_of(const char* position) const {
    return static_cast<std::size_t>(position - text_.data());
  }

  std::string_view text_;
  std::array<Member, 8> members_{};  ///< QMP's own messages have four at most.
  std::size_t count_ = 0;
};

}  // namespace qmp
