// SPDX-License-Identifier: MIT
#include "profiles/walker.h"

#include <boost/json.hpp>

#include <algorithm>

namespace hv::profiles {

void Walker::step_over(std::size_t count) {
  at_ = std::min(at_ + count, text_.size());
  skip_space();
}

std::string Walker::take_name() {
  const auto start = at_;
  skip_string();
  const auto quoted = text_.substr(start, at_ - start);
  skip_space();
  step_over(1);  // The colon.
  if (!quoted.contains('\\'))
    return std::string(quoted.substr(1, std::max<std::size_t>(quoted.size(), 2) - 2));
  boost::system::error_code error;
  const auto name = boost::json::parse(quoted, error);
  return !error && name.is_string() ? std::string(name.get_string()) : std::string(quoted);
}

void Walker::pass_value() {
  if (peek() == '"')
    skip_string();
  else if (peek() == '{' || peek() == '[')
    skip_brackets();
  else
    at_ = std::min(text_.find_first_of(",]} \t\r\n/", at_), text_.size());
}

void Walker::skip_value() {
  pass_value();
  skip_space();
}

void Walker::skip_brackets() {
  int depth = 0;
  do {
    const char c = peek();
    if (c == '"') {
      skip_string();
    } else if (text_.substr(at_, 2) == "//" || text_.substr(at_, 2) == "/*") {
      skip_space();
    } else {
      if (c == '{' || c == '[') ++depth;
      if (c == '}' || c == ']') --depth;
      ++at_;
    }
  } while (depth > 0 && at_ < text_.size());
}

void Walker::skip_string() {
  for (++at_; at_ < text_.size() && text_[at_] != '"'; ++at_)
    if (text_[at_] == '\\') ++at_;
  at_ = std::min(at_ + 1, text_.size());
}

void Walker::skip_space() {
  const auto past = [this](std::string_view end) {
    const auto found = text_.find(end, at_ + 2);
    at_ = found == std::string_view::npos ? text_.size() : found + end.size();
  };
  for (;;) {
    at_ = std::min(text_.find_first_not_of(" \t\r\n", at_), text_.size());
    const auto rest = text_.substr(at_);
    if (rest.starts_with("//"))
      past("\n");
    else if (rest.starts_with("/*"))
      past("*/");
    else
      return;
  }
}

}  // namespace hv::profiles
