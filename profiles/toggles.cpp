// SPDX-License-Identifier: MIT
//
// Reading toggles, and members whose names are QEMU's and not ours.
#include "profiles/fields.h"
#include "profiles/source.h"

#include <fmt/format.h>

#include <boost/json.hpp>

namespace hv::profiles {

Sourced<Wish> Item::wish(const Doc& doc) const {
  record({.type = FieldType::wish, .fallback = "false", .doc = doc});
  if (value_ == nullptr) return {Wish::off};
  if (const auto* const given = value_->if_bool())
    return {*given ? Wish::require : Wish::off, pointer()};
  const auto* const text = value_->if_string();
  if (text != nullptr && *text == "prefer") return {Wish::prefer, pointer()};
  note_type("true, \"prefer\" or false",
            text != nullptr ? "write true and false without quotes" : "");
  return {Wish::off, pointer()};
}

template <class Read>
void Item::each_named(Read read) const {
  if (value_ == nullptr) return;
  const auto* const object = value_->if_object();
  if (object == nullptr) return note_type("an object");
  const auto path = pointer();
  for (const auto& member : *object) {
    const std::string_view name = member.key();
    if (name.starts_with('_')) continue;
    const auto key = pointer_step(name);
    const Item item(reading_, &member.value(), path, key, Parent::present);
    if (property_form.accepts(name))
      read(item, name);
    else
      item.note("bad-value", fmt::format("'{}' is not {}", quotable(name), property_form.what));
  }
}

std::vector<Feature> Item::wishes(const Doc& doc) const {
  record({.type = FieldType::wishes, .doc = doc});
  std::vector<Feature> all;
  if (is_recording()) return all;
  each_named([&](const Item& item, std::string_view name) {
    all.push_back({std::string(name), item.wish({})});
  });
  return all;
}

std::vector<CpuProperty> Item::properties(const Doc& doc) const {
  record({.type = FieldType::properties, .doc = doc});
  std::vector<CpuProperty> all;
  if (is_recording()) return all;
  each_named([&](const Item& item, std::string_view name) {
    const auto& given = *item.value_;
    std::string text;
    if (const auto* const flag = given.if_bool())
      text = *flag ? "on" : "off";
    else if (given.is_int64() || given.is_uint64())
      text = boost::json::serialize(given);
    else if (const auto* const string = given.if_string();
             string != nullptr && !string->empty() && is_plain_text(*string))
      text = *string;
    else
      return item.note_type("true, false, a whole number or a text");
    all.push_back({std::string(name), {std::move(text), item.pointer()}});
  });
  return all;
}

}  // namespace hv::profiles
