// SPDX-License-Identifier: MIT
#include "profiles/source.h"

#include "launcher/base/text.h"
#include "profiles/walker.h"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>

namespace hv::profiles {
namespace {

/// The places to find, as a tree: a node a step of a pointer.
struct Wanted {
  std::map<std::string, Wanted, std::less<>> children;
  std::vector<std::size_t> indices;
};

struct Place {
  std::size_t name = 0;
  std::size_t value = 0;
};

std::string unescaped(std::string_view step) {
  std::string key;
  for (std::size_t i = 0; i < step.size(); ++i)
    if (step[i] == '~' && i + 1 < step.size())
      key += step[++i] == '1' ? '/' : '~';
    else
      key += step[i];
  return key;
}

void want(Wanted& root, std::string_view pointer, std::size_t index) {
  auto* node = &root;
  for (const auto step : split(pointer, '/'))
    if (step.data() != pointer.data() || !step.empty()) node = &node->children[unescaped(step)];
  node->indices.push_back(index);
}

void find(Walker& walker, const Wanted& wanted, Place here, std::vector<Place>& places) {
  for (const auto index : wanted.indices) places[index] = here;
  if (wanted.children.empty()) return;

  std::set<std::string_view> found;
  walker.each_child([&](std::string_view name, std::size_t name_at) {
    const auto child = wanted.children.find(name);
    if (child == wanted.children.end()) return;
    found.insert(child->first);
    find(walker, child->second, {name_at, walker.at()}, places);
  });
  // What is not there is reported where it should have been.
  Walker nowhere("");
  for (const auto& [name, child] : wanted.children)
    if (!found.contains(name)) find(nowhere, child, {here.value, here.value}, places);
}

std::vector<Place> places_of(const Source& source, const Wanted& wanted, std::size_t count) {
  std::vector<Place> places(count);
  Walker walker(source.text);
  find(walker, wanted, {walker.at(), walker.at()}, places);
  return places;
}

void note_duplicates(Walker& walker, const LineIndex& lines, const std::string& pointer,
                     Errors& errors) {
  std::map<std::string, std::size_t, std::less<>> seen;
  walker.each_child([&](std::string_view name, std::size_t name_at) {
    if (name.starts_with('_')) return;
    const auto here = pointer + "/" + pointer_step(name);
    const auto [first, is_new] = seen.try_emplace(std::string(name), name_at);
    if (!is_new)
      errors.push_back(
          {.fault = Fault::profile,
           .id = "duplicate-member",
           .message = fmt::format("'{}' is given twice", quotable(name)),
           .origin = lines.at(name_at, here),
           .hint = fmt::format("it is on line {} already", lines.at(first->second, "").line)});
    note_duplicates(walker, lines, here, errors);
  });
}

}  // namespace

LineIndex::LineIndex(const Source& source) : source_(source), starts_{0} {
  for (auto end = source.text.find('\n'); end != std::string::npos;
       end = source.text.find('\n', end + 1))
    starts_.push_back(end + 1);
}

Origin LineIndex::at(std::size_t offset, std::string pointer) const {
  const auto after = std::ranges::upper_bound(starts_, offset);
  const auto line = static_cast<std::size_t>(after - starts_.begin());
  return {.source = source_.name,
          .pointer = std::move(pointer),
          .line = static_cast<std::uint32_t>(line),
          .column = static_cast<std::uint32_t>(offset - starts_[line - 1] + 1)};
}

Origin locate(const Source& source, std::string_view pointer) {
  Wanted wanted;
  want(wanted, pointer, 0);
  return LineIndex(source).at(places_of(source, wanted, 1)[0].value, std::string(pointer));
}

void sort(Errors& errors) {
  std::ranges::stable_sort(errors, {}, [](const Error& error) {
    return std::tuple(error.origin.line == 0, error.origin.line, error.origin.column);
  });
}

void locate(const Source& source, Errors& errors) {
  Wanted wanted;
  for (std::size_t i = 0; i < errors.size(); ++i) want(wanted, errors[i].origin.pointer, i);
  const auto places = places_of(source, wanted, errors.size());
  const LineIndex lines(source);
  for (std::size_t i = 0; i < errors.size(); ++i) {
    if (errors[i].origin.line != 0) continue;
    auto& [fault, id, message, origin, hint, while_doing, os_error] = errors[i];
    const auto offset = id == "unknown-member" ? places[i].name : places[i].value;
    origin = lines.at(offset, std::move(origin.pointer));
  }
}

Errors duplicate_members(const Source& source) {
  Errors errors;
  Walker walker(source.text);
  note_duplicates(walker, LineIndex(source), "", errors);
  return errors;
}

std::string pointer_step(std::string_view key) {
  std::string step;
  for (const char c : key)
    if (c == '~')
      step += "~0";
    else if (c == '/')
      step += "~1";
    else
      step += c;
  return step;
}

std::string quotable(std::string_view value) {
  constexpr std::size_t longest = 80;
  if (value.size() <= longest) return printable(value);
  auto end = longest;
  while (end > 0 && (static_cast<unsigned char>(value[end]) & 0xc0U) == 0x80) --end;
  return printable(value.substr(0, end)) + "…";
}

}  // namespace hv::profiles
