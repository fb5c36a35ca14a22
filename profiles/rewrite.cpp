// SPDX-License-Identifier: MIT
#include "profiles/rewrite.h"

#include "launcher/base/text.h"
#include "profiles/source.h"
#include "profiles/walker.h"

#include <boost/json.hpp>

#include <algorithm>
#include <optional>

namespace hv::profiles {
namespace {

/// Where the walker can go on for the rest of a pointer.
struct Child {
  Walker walker;
};

std::optional<Child> child_of(Walker& walker, std::string_view name) {
  std::optional<Child> found;
  walker.each_child([&](std::string_view key, std::size_t) {
    if (key == name) found = Child{walker};
  });
  return found;
}

/// `json`, wrapped in the objects that `missing` names, outermost first.
std::string nested(std::span<const std::string_view> missing, std::string_view json) {
  std::string text(json);
  for (auto step = missing.rbegin(); step != missing.rend(); ++step)
    text = fmt::format("{{{}: {}}}", boost::json::serialize(boost::json::string(*step)), text);
  return text;
}

/// Where a new last member of the object at `walker` goes: the comma after the
/// one before it, and the member itself, behind that one's comment.
struct Gap {
  std::size_t comma_at = 0;
  std::string_view comma;
  std::size_t at = 0;
  std::string before;
};

/// Behind the comments that stand on the same line after `at`, and the comma
/// among them, if there is one.
struct LineEnd {
  std::size_t at = 0;
  bool has_comma = false;
};

LineEnd line_end(std::string_view text, std::size_t at) {
  LineEnd end{.at = at};
  for (;;) {
    const auto next = std::min(text.find_first_not_of(" \t", at), text.size());
    const auto rest = text.substr(next);
    if (rest.starts_with(',')) {
      end.has_comma = true;
      at = end.at = next + 1;
    } else if (rest.starts_with("//")) {
      end.at = std::min(text.find_first_of("\r\n", next), text.size());
      return end;
    } else if (rest.starts_with("/*")) {
      const auto close = text.find("*/", next + 2);
      if (close == std::string_view::npos) return end;
      at = end.at = close + 2;
    } else {
      return end;
    }
  }
}

Gap gap_in(Walker walker, std::string_view text) {
  const auto open = walker.at();
  std::size_t last_end = open + 1;
  std::size_t last_name = std::string_view::npos;
  walker.each_child([&](std::string_view, std::size_t name_at) {
    last_name = name_at;
    last_end = walker.value_end();
  });
  if (last_name == std::string_view::npos)
    return {.comma_at = last_end, .comma = "", .at = last_end, .before = ""};
  const auto [end, has_comma] = line_end(text, last_end);
  const auto line = text.rfind('\n', last_name);
  const auto indent =
      line == std::string_view::npos ? std::string_view(" ") : text.substr(line, last_name - line);
  // Nothing can follow a comment up to the end of the line but another line.
  const bool open_comment = text.substr(last_end, end - last_end).contains("//");
  const bool own_line =
      indent.starts_with('\n') && indent.find_first_not_of("\n \t") == std::string_view::npos;
  return {.comma_at = last_end,
          .comma = has_comma ? "" : ",",
          .at = end,
          .before = own_line       ? std::string(indent)
                    : open_comment ? "\n"
                                   : " "};
}

}  // namespace

Result<std::string> with_value(const Source& source, std::string_view pointer,
                               std::string_view json) {
  const std::string_view text = source.text;
  auto steps = split(pointer, '/');
  steps.erase(steps.begin());  // Before the first slash.
  Walker walker(text);
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const auto child = child_of(walker, steps[i]);
    if (child) {
      walker = child->walker;
      continue;
    }
    if (text.substr(walker.at(), 1) != "{")
      return fail(Fault::usage, "usage", "'{}' is inside a value that is no object", pointer);
    const auto [comma_at, comma, at, before] = gap_in(walker, text);
    const auto name = boost::json::serialize(boost::json::string(steps[i]));
    const auto value = nested(std::span(steps).subspan(i + 1), json);
    return fmt::format("{}{}{}{}{}: {}{}", text.substr(0, comma_at), comma,
                       text.substr(comma_at, at - comma_at), before, name, value, text.substr(at));
  }
  const auto end = walker.value_end();
  return fmt::format("{}{}{}", text.substr(0, walker.at()), json, text.substr(end));
}

}  // namespace hv::profiles
