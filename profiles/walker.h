// SPDX-License-Identifier: MIT
//
// Walks JSON text that the parser has accepted, comments and trailing commas
// included, and knows at each step where in the text it is.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace hv::profiles {

class Walker {
 public:
  explicit Walker(std::string_view text) : text_(text) { skip_space(); }

  /// The offset of the value that the walker stands at.
  [[nodiscard]] std::size_t at() const { return at_; }

  /// The offset behind the value that the walker stands at.
  [[nodiscard]] std::size_t value_end() const {
    Walker past = *this;
    past.pass_value();
    return past.at_;
  }

  /// Calls `visit(name, offset of the name)` for each member or element of the
  /// value here, standing at its value; elements are named by their index.
  /// Ends where it began.
  template <class Visit>
  void each_child(Visit visit) {
    const auto start = at_;
    const char open = peek();
    if (open != '{' && open != '[') return;
    step_over(1);
    for (std::size_t index = 0; !at_end(); ++index) {
      const auto name_at = at_;
      const auto name = open == '{' ? take_name() : std::to_string(index);
      visit(std::string_view(name), name_at);
      skip_value();
      if (peek() != ',') break;
      step_over(1);
    }
    at_ = start;
  }

 private:
  [[nodiscard]] char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  [[nodiscard]] bool at_end() const {
    return at_ >= text_.size() || peek() == '}' || peek() == ']';
  }

  void step_over(std::size_t count);
  std::string take_name();
  void pass_value();
  void skip_value();  ///< And the space after it.
  void skip_brackets();
  void skip_string();
  void skip_space();  ///< And comments.

  std::string_view text_;
  std::size_t at_ = 0;
};

}  // namespace hv::profiles
