// SPDX-License-Identifier: MIT
//
// Internal: cuts a byte stream into JSON texts, wherever line ends fall, for
// QEMU may print a message over many lines (pretty=on). Bounds size and depth
// before a parser sees the text; does not otherwise check it.
#pragma once

#include "qmp/error.h"

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace qmp {

struct Limits {
  std::size_t message = std::size_t{4} << 20U;  ///< Bytes.
  std::size_t depth = 64;                       ///< Objects and arrays inside one another.
};

class Splitter {
 public:
  explicit Splitter(Limits limits) : limits_(limits) {}

  void push(std::string_view bytes);

  /// The next whole message; nothing: push more. A message that does not begin
  /// with '{' is the rest of its line. The view holds until the next call.
  [[nodiscard]] Result<std::optional<std::string_view>> next();

  /// Bytes held: at most one message and one push(), if next() is drained.
  [[nodiscard]] std::size_t held() const { return buffer_.size() - begin_; }

 private:
  [[nodiscard]] Result<bool> scan_object();
  [[nodiscard]] bool scan_line();

  Limits limits_;
  std::string buffer_;
  std::size_t begin_ = 0;    ///< First byte of the current message.
  std::size_t scanned_ = 0;  ///< First byte not looked at.
  std::size_t depth_ = 0;
  bool in_string_ = false;
  bool escaped_ = false;
};

}  // namespace qmp
