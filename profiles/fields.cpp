// SPDX-License-Identifier: MIT
#include "profiles/fields.h"

#include "launcher/base/text.h"
#include "profiles/source.h"

#include <fmt/format.h>

#include <boost/json.hpp>

#include <algorithm>
#include <cmath>

namespace hv::profiles {
namespace {

namespace json = boost::json;

std::string found(const json::value& value) {
  switch (value.kind()) {
    case json::kind::null: return "null";
    case json::kind::bool_: return value.get_bool() ? "true" : "false";
    case json::kind::int64: return fmt::format("{}", value.get_int64());
    case json::kind::uint64: return fmt::format("{}", value.get_uint64());
    case json::kind::double_:
      return std::isinf(value.get_double()) ? "a huge number"
                                            : fmt::format("{}", value.get_double());
    case json::kind::string: return fmt::format("the string '{}'", quotable(value.get_string()));
    case json::kind::array: return "a list";
    case json::kind::object: return "an object";
  }
  std::unreachable();
}

std::string span_of(const Range& range) {
  return range.unit.empty() ? fmt::format("{} to {}", range.min, range.max)
                            : fmt::format("{} to {} {}", range.min, range.max, range.unit);
}

std::string did_you_mean(std::string_view word, std::span<const std::string_view> known) {
  const auto near = nearest(word, known);
  return near.empty() ? std::string() : fmt::format("did you mean '{}'?", near);
}

/// For a name that its object does not have: the object that does.
std::string where_it_belongs(std::string_view key) {
  for (const auto& field : field_descriptions())
    if (const auto slash = field.pointer.rfind('/');
        key != "*" && std::string_view(field.pointer).substr(slash + 1) == key)
      return slash == 0 ? fmt::format("'{}' belongs at the top level", key)
                        : fmt::format("'{}' belongs in {}", key, field.pointer.substr(0, slash));
  return {};
}

std::string as_json(std::string_view text) {
  return json::serialize(json::string(text));
}

}  // namespace

void Reading::note(std::string_view id, std::string pointer, std::string message,
                   std::string hint) {
  problems.push_back({.fault = Fault::profile,
                      .id = std::string(id),
                      .message = std::move(message),
                      .origin = {.pointer = std::move(pointer)},
                      .hint = std::move(hint)});
}

std::string Item::pointer() const {
  std::string path(parent_);
  if (!key_.empty()) (path += '/') += key_;
  return path;
}

void Item::record(FieldDescription description) const {
  if (!is_recording()) return;
  description.pointer = pointer();
  if (key_ == "*") description.required = false;  // A list may be empty.
  reading_.recorded->push_back(std::move(description));
}

void Item::note(std::string_view id, std::string message, std::string hint) const {
  reading_.note(id, pointer(), std::move(message), std::move(hint));
}

void Item::note_missing(const Doc& doc) const {
  if (state_ == Parent::present)
    reading_.note("missing-member", std::string(parent_), fmt::format("missing member '{}'", key_),
                  fmt::format("add it, like \"{}\": {}", key_, doc.example));
}

void Item::note_type(std::string_view expected, std::string hint) const {
  if (value_->is_null()) hint = "leave the member out to have its default";
  note("wrong-type", fmt::format("expected {}, found {}", expected, found(*value_)),
       std::move(hint));
}

bool Item::check_range(std::uint64_t number, const Range& range) const {
  if (number >= range.min && number <= range.max) return true;
  note("out-of-range", fmt::format("{} is not a whole number from {}", number, span_of(range)));
  return false;
}

/// The value as a number of the range; otherwise notes why not.
std::optional<std::uint64_t> Item::whole(const Range& range) const {
  std::uint64_t number = 0;
  if (const auto* const text = value_->if_string(); text != nullptr && !range.unit.empty()) {
    const auto size = parse_size(*text, range.unit);
    if (!size) {
      note(size.error().id, size.error().message,
           fmt::format("a bare number counts {}, a string has a suffix: \"8G\"", range.unit));
      return std::nullopt;
    }
    number = *size;
  } else if (value_->is_int64() && value_->get_int64() >= 0) {
    number = static_cast<std::uint64_t>(value_->get_int64());
  } else if (value_->is_uint64()) {
    number = value_->get_uint64();
  } else if (value_->is_int64() || (value_->is_double() && value_->get_double() >= 0x1p64)) {
    note("out-of-range",
         fmt::format("{} is not a whole number from {}", found(*value_), span_of(range)));
    return std::nullopt;
  } else {
    note_type("a whole number", value_->is_string() ? "write numbers without quotes" : "");
    return std::nullopt;
  }
  return check_range(number, range) ? std::optional(number) : std::nullopt;
}

Sourced<std::uint64_t> Item::number(const Range& range, const Doc& doc) const {
  const auto& [min, max, fallback, unit] = range;
  if (is_recording()) {
    const bool shown = fallback && *fallback >= min && *fallback <= max;
    record({.type = FieldType::number,
            .required = !fallback,
            .min = min,
            .max = max,
            .unit = unit,
            .fallback = shown ? std::to_string(*fallback) : "",
            .doc = doc});
  }
  if (value_ == nullptr) {
    if (!fallback) note_missing(doc);
    return {fallback.value_or(min)};
  }
  return {whole(range).value_or(fallback.value_or(min)), pointer()};
}

Sourced<Amount> Item::amount(const Range& range, std::uint64_t least, const Doc& doc) const {
  const auto* const text = value_ != nullptr ? value_->if_string() : nullptr;
  if (const auto minimum = text != nullptr ? parse_automatic(*text) : std::nullopt) {
    const auto number = *minimum == 0 ? least : *minimum;
    return {{.value = check_range(number, range) ? number : least, .automatic = true}, pointer()};
  }
  auto [value, pointer] = number(range, doc);
  if (is_recording()) reading_.recorded->back().automatic = true;
  return {{.value = value}, std::move(pointer)};
}

Sourced<bool> Item::flag(bool fallback, const Doc& doc) const {
  record({.type = FieldType::flag, .fallback = fallback ? "true" : "false", .doc = doc});
  if (value_ == nullptr) return {fallback};
  if (const auto* const given = value_->if_bool()) return {*given, pointer()};
  note_type("true or false", value_->is_string() ? "write true and false without quotes" : "");
  return {fallback, pointer()};
}

/// The value if it is a string that may stand anywhere; otherwise notes why not.
std::optional<std::string_view> Item::string(std::string_view expected) const {
  const auto* const given = value_->if_string();
  if (given == nullptr) {
    note_type(expected);
    return std::nullopt;
  }
  if (is_plain_text(*given)) return std::string_view(*given);
  note("bad-value", fmt::format("'{}' holds a control character", quotable(*given)));
  return std::nullopt;
}

Sourced<std::string> Item::text(const Text& rule, const Doc& doc) const {
  const auto& [fallback, form] = rule;
  if (is_recording())
    record({.type = FieldType::text,
            .required = !fallback,
            .form = form.what,
            .pattern = form.pattern,
            .fallback = fallback && !fallback->empty() ? as_json(*fallback) : "",
            .doc = doc});
  if (value_ == nullptr) {
    if (!fallback) note_missing(doc);
    return {std::string(fallback.value_or(""))};
  }
  const auto given = string("a string");
  if (!given) return {{}, pointer()};
  const bool may_be_empty = fallback.has_value() && given->empty();
  if (form.accepts == nullptr || may_be_empty || form.accepts(*given))
    return {std::string(*given), pointer()};
  note("bad-value", fmt::format("'{}' is not {}", quotable(*given), form.what));
  return {{}, pointer()};
}

Sourced<std::size_t> Item::pick(std::span<const std::string_view> words, std::size_t fallback,
                                const Doc& doc) const {
  if (is_recording())
    record({.type = FieldType::word,
            .words = {words.begin(), words.end()},
            .fallback = as_json(words[fallback]),
            .doc = doc});
  if (value_ == nullptr) return {fallback};
  const auto given = string("a string");
  if (!given) return {fallback, pointer()};
  const auto match = std::ranges::find(words, *given);
  if (match != words.end()) return {static_cast<std::size_t>(match - words.begin()), pointer()};
  note("bad-value", fmt::format("'{}' is not one of {}", quotable(*given), fmt::join(words, ", ")),
       did_you_mean(*given, words));
  return {fallback, pointer()};
}

std::size_t Item::begin_list(const Doc& doc) const {
  record({.type = FieldType::list, .doc = doc});
  if (is_recording()) return 1;  // To have the elements described.
  if (value_ == nullptr) return 0;
  if (const auto* const array = value_->if_array()) return array->size();
  note_type("a list", "write [ ] around it");
  return 0;
}

const json::value* Item::element(std::size_t index) const {
  return value_ != nullptr ? &value_->get_array()[index] : nullptr;
}

std::vector<std::pair<std::string, std::string>> Item::map(const Doc& doc) const {
  std::vector<std::pair<std::string, std::string>> entries;
  record({.type = FieldType::map, .doc = doc});
  if (value_ == nullptr) return entries;
  const auto* const object = value_->if_object();
  if (object == nullptr) {
    note_type("an object");
    return entries;
  }
  const auto path = pointer();
  for (const auto& member : *object) {
    const std::string_view name = member.key();
    if (name.starts_with('_')) continue;
    const auto key = pointer_step(name);
    const Item item(reading_, &member.value(), path, key, Parent::present);
    if (!is_plain_text(name))
      item.note("bad-value",
                fmt::format("the name '{}' holds a control character", quotable(name)));
    else if (const auto text = item.string("a string"))
      entries.emplace_back(name, *text);
  }
  return entries;
}

Fields::Fields(Reading& reading, const json::value* value, std::string pointer,
               std::string_view short_form)
    : reading_(reading), short_form_(short_form), pointer_(std::move(pointer)) {
  if (value == nullptr) return;
  object_ = value->if_object();
  if (object_ != nullptr) {
    known_.reserve(64);
  } else if (!short_form.empty() && (value->is_string() || value->is_bool())) {
    short_value_ = value;
  } else {
    const auto* const hint = value->is_null() ? "leave the member out to have its default" : "";
    const auto* const expected = short_form.empty() ? "an object" : "a string or an object";
    reading_.note("wrong-type", pointer_,
                  fmt::format("expected {}, found {}", expected, found(*value)), hint);
  }
}

Fields::~Fields() {
  if (object_ == nullptr || found_ == object_->size()) return;
  for (const auto& member : *object_)
    if (const std::string_view key = member.key();
        !key.starts_with('_') && std::ranges::count(known_, key) == 0)
      note_unknown(key);
}

Item Fields::operator[](std::string_view key) {
  if (short_value_ != nullptr && key == short_form_)
    return {reading_, short_value_, pointer_, {}, Item::Parent::present};
  if (object_ == nullptr) return {reading_, nullptr, pointer_, key, Item::Parent::absent};
  known_.push_back(key);
  const auto* const value = object_->if_contains(key);
  if (value != nullptr) ++found_;
  return {reading_, value, pointer_, key, Item::Parent::present};
}

void Fields::note_unknown(std::string_view key) {
  // Where nothing is right, guesses help nobody, and cost time.
  constexpr std::size_t enough_problems = 100;
  std::string hint;
  if (reading_.problems.size() < enough_problems) hint = where_it_belongs(key);
  if (hint.empty() && reading_.problems.size() < enough_problems) hint = did_you_mean(key, known_);
  reading_.note("unknown-member", pointer_ + "/" + pointer_step(key),
                fmt::format("unknown member '{}'", quotable(key)), std::move(hint));
}

}  // namespace hv::profiles
