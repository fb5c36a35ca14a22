// SPDX-License-Identifier: MIT
#include "qmp/splitter.h"

namespace qmp {
namespace {

// A reply such as query-qmp-schema's is large but rare: give its memory back.
constexpr std::size_t kept_capacity = std::size_t{16} << 10U;

}  // namespace

void Splitter::push(std::string_view bytes) {
  buffer_.erase(0, begin_);
  scanned_ -= begin_;
  begin_ = 0;
  if (buffer_.empty() && buffer_.capacity() > kept_capacity) buffer_ = {};
  buffer_.append(bytes);
}

Result<std::optional<std::string_view>> Splitter::next() {
  if (depth_ == 0 && begin_ == scanned_) {
    begin_ = buffer_.find_first_not_of(" \t\r\n", begin_);
    if (begin_ == std::string::npos) {
      if (buffer_.capacity() > kept_capacity) buffer_ = {};
      buffer_.clear();
      begin_ = scanned_ = 0;
      return std::nullopt;
    }
    scanned_ = begin_;
  }
  const Result<bool> whole = buffer_[begin_] == '{' ? scan_object() : scan_line();
  if (!whole) return std::unexpected(whole.error());
  if (scanned_ - begin_ > limits_.message)
    return fail(Error::Kind::malformed,
                "a message is over " + std::to_string(limits_.message) + " bytes");
  if (!*whole) return std::nullopt;
  const auto message = std::string_view(buffer_).substr(begin_, scanned_ - begin_);
  begin_ = scanned_;
  return message;
}

/// Whether the message that begins at `begin_` ends in the buffer.
Result<bool> Splitter::scan_object() {
  while (scanned_ < buffer_.size()) {
    const char c = buffer_[scanned_++];
    if (escaped_) {
      escaped_ = false;
    } else if (in_string_) {
      escaped_ = c == '\\';
      in_string_ = c != '"';
    } else if (c == '"') {
      in_string_ = true;
    } else if (c == '{' || c == '[') {
      if (++depth_ > limits_.depth)
        return fail(Error::Kind::malformed,
                    "a message nests over " + std::to_string(limits_.depth) + " deep");
    } else if ((c == '}' || c == ']') && --depth_ == 0) {
      return true;
    }
  }
  return false;
}

bool Splitter::scan_line() {
  const auto end = buffer_.find('\n', scanned_);
  scanned_ = end == std::string::npos ? buffer_.size() : end;
  return end != std::string::npos;
}

}  // namespace qmp
