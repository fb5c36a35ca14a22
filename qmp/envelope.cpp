// SPDX-License-Identifier: MIT
#include "qmp/envelope.h"

#include <boost/json/basic_parser_impl.hpp>

#include <algorithm>

namespace qmp {
namespace {

namespace json = boost::json;
using boost::system::error_code;

/// Looks at the grammar only, and counts. QEMU gives up a text of over two
/// million tokens in its midst, and takes the rest for the next message; a
/// value or key here is two of its tokens at most.
struct Checker {
  static constexpr std::size_t max_object_size = static_cast<std::size_t>(-1);
  static constexpr std::size_t max_array_size = static_cast<std::size_t>(-1);
  static constexpr std::size_t max_key_size = static_cast<std::size_t>(-1);
  static constexpr std::size_t max_string_size = static_cast<std::size_t>(-1);
  static constexpr std::size_t max_tokens = 500'000;

  bool one(error_code& error) {
    if (++tokens <= max_tokens) return true;
    error = make_error_code(json::error::array_too_large);
    return false;
  }

  bool on_document_begin(error_code&) { return true; }
  bool on_document_end(error_code&) { return true; }
  bool on_object_begin(error_code& error) { return one(error); }
  bool on_object_end(std::size_t, error_code&) { return true; }
  bool on_array_begin(error_code& error) { return one(error); }
  bool on_array_end(std::size_t, error_code&) { return true; }
  bool on_key_part(json::string_view, std::size_t, error_code&) { return true; }
  bool on_key(json::string_view, std::size_t, error_code& error) { return one(error); }
  bool on_string_part(json::string_view, std::size_t, error_code&) { return true; }
  bool on_string(json::string_view, std::size_t, error_code& error) { return one(error); }
  bool on_number_part(json::string_view, error_code&) { return true; }
  bool on_int64(std::int64_t, json::string_view, error_code& error) { return one(error); }
  bool on_uint64(std::uint64_t, json::string_view, error_code& error) { return one(error); }
  bool on_double(double, json::string_view, error_code& error) { return one(error); }
  bool on_bool(bool, error_code& error) { return one(error); }
  bool on_null(error_code& error) { return one(error); }
  bool on_comment_part(json::string_view, error_code&) { return true; }
  bool on_comment(json::string_view, error_code&) { return true; }

  std::size_t tokens = 0;
};

std::size_t end_of_string(std::string_view text, std::size_t at) {
  for (++at; text[at] != '"'; ++at)
    if (text[at] == '\\') ++at;
  return at + 1;
}

/// The end of the value at `at`, in a text known to be JSON.
std::size_t end_of_value(std::string_view text, std::size_t at) {
  if (text[at] == '"') return end_of_string(text, at);
  if (text[at] != '{' && text[at] != '[') return text.find_first_of(" \t\r\n,}", at);
  for (std::size_t depth = 0;; ++at) {
    switch (text[at]) {
      case '"': at = end_of_string(text, at) - 1; break;
      case '{':
      case '[': ++depth; break;
      case '}':
      case ']':
        if (--depth == 0) return at + 1;
        break;
      default: break;
    }
  }
}

}  // namespace

Result<Envelope> Envelope::read(std::string_view text, std::size_t max_depth) {
  json::parse_options options;
  options.max_depth = max_depth;
  json::basic_parser<Checker> parser(options);
  error_code error;
  const auto used = parser.write_some(false, text.data(), text.size(), error);
  if (error || used != text.size() || !parser.done())
    return fail(Error::Kind::malformed,
                "JSON parse error: " + (error ? error.message() : "extra data"));
  if (text.front() != '{') return fail(Error::Kind::malformed, "QMP input must be a JSON object");
  Envelope envelope(text);
  if (auto indexed = envelope.index(); !indexed) return std::unexpected(indexed.error());
  return envelope;
}

Result<> Envelope::index() {
  constexpr std::string_view space = " \t\r\n";
  for (auto at = text_.find_first_not_of(space, 1); text_[at] != '}';) {
    const auto key_end = end_of_string(text_, at);
    const auto colon = text_.find(':', key_end);
    const auto value = text_.find_first_not_of(space, colon + 1);
    const auto value_end = end_of_value(text_, value);
    const auto added =
        add(text_.substr(at + 1, key_end - at - 2), text_.substr(value, value_end - value));
    if (!added) return added;
    at = text_.find_first_not_of(space, value_end);
    if (text_[at] == ',') at = text_.find_first_not_of(space, at + 1);
  }
  return {};
}

Result<> Envelope::add(std::string_view key, std::string_view value) {
  if (key.contains('\\')) return fail(Error::Kind::malformed, "a key is spelt with escapes");
  if (find(key)) return fail(Error::Kind::malformed, "JSON parse error, duplicate key");
  if (count_ == members_.size()) return fail(Error::Kind::malformed, "too many members");
  members_[count_++] = {.key = key, .value = value};
  return {};
}

std::optional<std::string_view> Envelope::find(std::string_view key) const {
  const auto end = members_.begin() + static_cast<std::ptrdiff_t>(count_);
  const auto found = std::find_if(members_.begin(), end,
                                  [key](const Member& member) { return member.key == key; });
  if (found == end) return std::nullopt;
  return found->value;
}

std::string Envelope::with_id(std::optional<std::string_view> id) const {
  const auto spliced = [this](std::size_t begin, std::size_t end, std::string_view piece) {
    std::string result;
    result.reserve(text_.size() + piece.size() + 2);  // And a line end.
    return result.append(text_.substr(0, begin)).append(piece).append(text_.substr(end));
  };
  for (std::size_t i = 0; i < count_; ++i) {
    const auto& [key, value] = members_[i];
    if (key != "id") continue;
    const auto value_begin = offset_of(value.data());
    const auto value_end = value_begin + value.size();
    if (id) return spliced(value_begin, value_end, *id);
    if (i > 0) {  // With the comma before it,
      const auto& before = members_[i - 1].value;
      return spliced(offset_of(before.data()) + before.size(), value_end, "");
    }
    // or the comma after it.
    const auto next = count_ > 1 ? offset_of(members_[1].key.data()) - 1 : value_end;
    return spliced(offset_of(key.data()) - 1, next, "");
  }
  if (!id) return std::string(text_);
  return spliced(1, 1, "\"id\":" + std::string(*id) + (count_ > 0 ? "," : ""));
}

}  // namespace qmp
