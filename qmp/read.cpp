// SPDX-License-Identifier: MIT
#include "qmp/read.h"

#include <boost/json/value.hpp>

namespace qmp {
namespace {

namespace json = boost::json;

std::optional<std::uint64_t> uint_of(const json::value* member) {
  if (member == nullptr) return std::nullopt;
  if (const auto* const number = member->if_uint64()) return *number;
  const auto* const number = member->if_int64();
  if (number == nullptr || *number < 0) return std::nullopt;
  return static_cast<std::uint64_t>(*number);
}

std::optional<std::string> string_of(const json::value* member) {
  const auto* const text = member != nullptr ? member->if_string() : nullptr;
  if (text == nullptr) return std::nullopt;
  return std::string(*text);
}

}  // namespace

const json::value* member_at(const json::value& value, std::string_view key) {
  const auto* const object = value.if_object();
  return object != nullptr ? object->if_contains(key) : nullptr;
}

const json::value* member_at(const json::object& object, std::string_view key) {
  return object.if_contains(key);
}

const json::array* array_at(const json::value& value, std::string_view key) {
  const auto* const member = member_at(value, key);
  return member != nullptr ? member->if_array() : nullptr;
}

std::optional<bool> bool_at(const json::value& value, std::string_view key) {
  const auto* const member = member_at(value, key);
  if (member == nullptr || !member->is_bool()) return std::nullopt;
  return member->get_bool();
}

std::optional<std::uint64_t> uint_at(const json::value& value, std::string_view key) {
  return uint_of(member_at(value, key));
}

std::optional<std::uint64_t> uint_at(const json::object& object, std::string_view key) {
  return uint_of(member_at(object, key));
}

std::optional<std::string> string_at(const json::value& value, std::string_view key) {
  return string_of(member_at(value, key));
}

std::optional<std::string> string_at(const json::object& object, std::string_view key) {
  return string_of(member_at(object, key));
}

std::optional<std::vector<std::string>> strings_at(const json::value& value, std::string_view key) {
  const auto* const array = array_at(value, key);
  if (array == nullptr) return std::nullopt;
  std::vector<std::string> texts;
  texts.reserve(array->size());
  for (const auto& entry : *array) {
    const auto* const text = entry.if_string();
    if (text == nullptr) return std::nullopt;
    texts.emplace_back(*text);
  }
  return texts;
}

}  // namespace qmp
