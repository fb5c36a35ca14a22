// SPDX-License-Identifier: MIT
#include "profiles/json.h"

#include "profiles/source.h"

#include <boost/json.hpp>
#include <boost/json/basic_parser_impl.hpp>

#include <algorithm>
#include <array>
#include <iterator>

namespace hv::profiles {
namespace {

namespace json = boost::json;
using boost::system::error_code;

/// Builds the document as boost::json::parser does, and counts the members on
/// the way: of two with one name, json::object silently keeps one.
struct Builder {
  static constexpr std::size_t max_object_size = json::object::max_size();
  static constexpr std::size_t max_array_size = json::array::max_size();
  static constexpr std::size_t max_key_size = 1024;
  static constexpr std::size_t max_string_size = json::string::max_size();

  bool on_document_begin(error_code&) { return true; }
  bool on_document_end(error_code&) { return true; }
  bool on_object_begin(error_code&) { return true; }
  bool on_object_end(std::size_t count, error_code&) {
    members += count;
    stack.push_object(count);
    return true;
  }
  bool on_array_begin(error_code&) { return true; }
  bool on_array_end(std::size_t count, error_code&) {
    stack.push_array(count);
    return true;
  }
  bool on_key_part(json::string_view part, std::size_t, error_code&) {
    stack.push_chars(part);
    return true;
  }
  bool on_key(json::string_view rest, std::size_t, error_code&) {
    stack.push_key(rest);
    return true;
  }
  bool on_string_part(json::string_view part, std::size_t, error_code&) {
    stack.push_chars(part);
    return true;
  }
  bool on_string(json::string_view rest, std::size_t, error_code&) {
    stack.push_string(rest);
    return true;
  }
  bool on_number_part(json::string_view, error_code&) { return true; }
  bool on_int64(std::int64_t number, json::string_view, error_code&) {
    stack.push_int64(number);
    return true;
  }
  bool on_uint64(std::uint64_t number, json::string_view, error_code&) {
    stack.push_uint64(number);
    return true;
  }
  bool on_double(double number, json::string_view, error_code&) {
    stack.push_double(number);
    return true;
  }
  bool on_bool(bool flag, error_code&) {
    stack.push_bool(flag);
    return true;
  }
  bool on_null(error_code&) {
    stack.push_null();
    return true;
  }
  bool on_comment_part(json::string_view, error_code&) { return true; }
  bool on_comment(json::string_view, error_code&) { return true; }

  json::value_stack stack;
  std::size_t members = 0;
};

std::size_t count_members(const json::value& value) {
  std::size_t count = 0;
  if (const auto* const object = value.if_object()) {
    count += object->size();
    for (const auto& member : *object) count += count_members(member.value());
  } else if (const auto* const array = value.if_array()) {
    for (const auto& element : *array) count += count_members(element);
  }
  return count;
}

struct Complaint {
  std::string message;
  std::string hint;
};

/// What is wrong at `rest`, where the parser stopped for want of another word.
Complaint unexpected_text(std::string_view rest) {
  struct Row {
    std::string_view characters;
    std::string_view hint;
  };
  static constexpr std::array rows = {
      Row{"'", "strings stand in double quotes"},
      Row{"\"{[", "a comma or a colon may be missing before it"},
      Row{"}]", "a value or a closing bracket may be missing before it"},
      Row{"#", "comments begin with // or stand between /* and */"},
      Row{"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_",
          "names and words stand in double quotes; true, false and null do not"},
      Row{"+.0123456789", "numbers are written like 0, 12 or -3, with a comma between two"},
  };
  const auto byte = static_cast<unsigned char>(rest.front());
  if (byte < 0x20 || byte == 0x7f)
    return {fmt::format("control character 0x{:02x}", byte),
            "a string ends on the line it begins on; a line end in it is written \\n"};
  if (byte >= 0x80)
    return {fmt::format("byte 0x{:02x} where none is allowed, or broken UTF-8", byte),
            "save the file as UTF-8"};
  for (const auto& [characters, hint] : rows)
    if (characters.contains(rest.front()))
      return {fmt::format("'{}' is not expected here", rest.front()), std::string(hint)};
  return {fmt::format("'{}' is not expected here", rest.front()), ""};
}

Complaint complaint_about(const error_code& error, std::string_view rest) {
  if (error == json::error::too_deep)
    return {fmt::format("nested more than {} deep", max_json_depth), ""};
  if (error == json::error::incomplete || rest.empty())
    return {"the text ends within the profile", "a closing }, ] or \" is missing"};
  if (error == json::error::extra_data)
    return {"more text after the end of the profile", "a file holds one profile"};
  if (error == json::error::key_too_large)
    return {fmt::format("a name of more than {} bytes", Builder::max_key_size), ""};
  if (error == json::error::syntax) return unexpected_text(rest);
  return {error.message(), ""};
}

Error syntax_error(const Source& source, std::size_t offset, Complaint complaint) {
  auto& [message, hint] = complaint;
  return {.fault = Fault::profile,
          .id = "json-syntax",
          .message = std::move(message),
          .origin = LineIndex(source).at(offset, ""),
          .hint = std::move(hint)};
}

}  // namespace

Result<json::value> parse_json(const Source& source, const json::storage_ptr& storage,
                               Errors& problems) {
  const std::string_view text = source.text;
  if (text.starts_with("\xef\xbb\xbf") || text.starts_with("\xff\xfe") ||
      text.starts_with("\xfe\xff"))
    return std::unexpected(syntax_error(
        source, 0, {"a byte order mark", "save the file as UTF-8 without a byte order mark"}));
  if (text.find_first_not_of(" \t\r\n") == std::string_view::npos)
    return std::unexpected(
        syntax_error(source, 0, {"the file is empty", "`hvlaunch create` writes a profile"}));

  json::basic_parser<Builder> parser(
      {.max_depth = max_json_depth, .allow_comments = true, .allow_trailing_commas = true});
  auto& stack = parser.handler().stack;
  stack.reset(storage);
  error_code error;
  // A `//` comment in the last line wants its line end.
  const auto lines = source.text + '\n';
  auto stop = parser.write_some(false, lines.data(), lines.size(), error);
  if (!error && stop < lines.size()) error = json::error::extra_data;
  stop = std::min(stop, text.size());
  if (error)
    return std::unexpected(syntax_error(source, stop, complaint_about(error, text.substr(stop))));

  auto document = stack.release();
  if (count_members(document) != parser.handler().members)
    std::ranges::move(duplicate_members(source), std::back_inserter(problems));
  return document;
}

}  // namespace hv::profiles
