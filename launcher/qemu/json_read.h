// SPDX-License-Identifier: MIT
//
// Reading JSON that others wrote: each function says "not there" for a value
// of the wrong kind too. Nothing throws.
#pragma once

#include <boost/json.hpp>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hv::qemu {

[[nodiscard]] inline const boost::json::value* member(const boost::json::value* value,
                                                      std::string_view key) {
  const auto* const object = value != nullptr ? value->if_object() : nullptr;
  return object != nullptr ? object->if_contains(key) : nullptr;
}

[[nodiscard]] inline std::optional<std::string> text_in(const boost::json::value* value,
                                                        std::string_view key) {
  const auto* const found = member(value, key);
  const auto* const text = found != nullptr ? found->if_string() : nullptr;
  if (text == nullptr) return std::nullopt;
  return std::string(*text);
}

[[nodiscard]] inline std::optional<std::uint64_t> number_in(const boost::json::value* value,
                                                            std::string_view key) {
  const auto* const found = member(value, key);
  if (found == nullptr) return std::nullopt;
  boost::json::error_code error;
  const auto number = found->to_number<std::uint64_t>(error);
  if (error) return std::nullopt;
  return number;
}

[[nodiscard]] inline std::optional<bool> flag_in(const boost::json::value* value,
                                                 std::string_view key) {
  const auto* const found = member(value, key);
  const auto* const flag = found != nullptr ? found->if_bool() : nullptr;
  if (flag == nullptr) return std::nullopt;
  return *flag;
}

[[nodiscard]] inline const boost::json::array* array_in(const boost::json::value* value,
                                                        std::string_view key) {
  const auto* const found = member(value, key);
  return found != nullptr ? found->if_array() : nullptr;
}

/// The strings of an array; nothing if it is no array or holds anything else.
[[nodiscard]] inline std::optional<std::vector<std::string>> texts_of(
    const boost::json::value* value) {
  const auto* const array = value != nullptr ? value->if_array() : nullptr;
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

/// Sorts what is not sorted yet: our own files are.
inline void ensure_sorted(std::vector<std::string>& texts) {
  if (!std::ranges::is_sorted(texts)) std::ranges::sort(texts);
}

}  // namespace hv::qemu
