// SPDX-License-Identifier: MIT
#include "profiles/rewrite.h"

#include "launcher/base/text.h"
#include "profiles/source.h"
#include "profiles/walker.h"

#include <boost/json.hpp>

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

/// Where a new last member of the object at `walker` goes, and what separates
/// it from the one before.
struct Gap {
  std::size_t at = 0;
  std::string before;
};

Gap gap_in(Walker walker, std::string_view text) {
  const auto open = walker.at();
  std::size_t last_end = open + 1;
  std::size_t last_name = std::string_view::npos;
  walker.each_child([&](std::string_view, std::size_t name_at) {
    last_name = name_at;
    last_end = walker.value_end();
  });
  if (last_name == std::string_view::npos) return {last_end, ""};
  // A trailing comma is there already, perhaps; one is enough.
  const bool comma = text.substr(last_end).starts_with(',');
  const auto line = text.rfind('\n', last_name);
  const auto indent = line == std::string_view::npos ? std::string_view(" ")
                                                     : text.substr(line, last_name - line);
  const bool own_line = indent.find_first_not_of("\n \t") == std::string_view::npos;
  return {last_end + (comma ? 1 : 0),
          fmt::format("{}{}", comma ? "" : ",", own_line ? indent : " ")};
}

}  // namespace

Result<std::string> with_value(const Source& source, std::string_view pointer,
                               std::string_view json) {
  const std::string_view text = source.text;
  auto steps = split(pointer, '/');
  steps.erase(steps.begin());  // Before the first slash.
  Walker walker(text);
  for (std::size_t i = 0; i < steps.size(); ++i) {
    if (text.substr(walker.at(), 1) != "{")
      return fail(Fault::usage, "usage", "'{}' is inside a value that is no object", pointer);
    const auto child = child_of(walker, steps[i]);
    if (child) {
      walker = child->walker;
      continue;
    }
    const auto [at, before] = gap_in(walker, text);
    const auto name = boost::json::serialize(boost::json::string(steps[i]));
    const auto value = nested(std::span(steps).subspan(i + 1), json);
    return fmt::format("{}{}{}: {}{}", text.substr(0, at), before, name, value, text.substr(at));
  }
  const auto end = walker.value_end();
  return fmt::format("{}{}{}", text.substr(0, walker.at()), json, text.substr(end));
}

}  // namespace hv::profiles
