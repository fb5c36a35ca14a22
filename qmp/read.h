// SPDX-License-Identifier: MIT
//
// Members of a QMP reply, read without exceptions: nothing, if `value` is no
// object or the member is missing or of another type.
#pragma once

#include <boost/json/fwd.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace qmp {

[[nodiscard]] const boost::json::value* member_at(const boost::json::value& value,
                                                  std::string_view key);
[[nodiscard]] const boost::json::value* member_at(const boost::json::object& object,
                                                  std::string_view key);
[[nodiscard]] const boost::json::array* array_at(const boost::json::value& value,
                                                 std::string_view key);
[[nodiscard]] std::optional<bool> bool_at(const boost::json::value& value, std::string_view key);
[[nodiscard]] std::optional<std::uint64_t> uint_at(const boost::json::value& value,
                                                   std::string_view key);
[[nodiscard]] std::optional<std::uint64_t> uint_at(const boost::json::object& object,
                                                   std::string_view key);
[[nodiscard]] std::optional<std::string> string_at(const boost::json::value& value,
                                                   std::string_view key);
[[nodiscard]] std::optional<std::string> string_at(const boost::json::object& object,
                                                   std::string_view key);
/// The strings of an array; nothing if it holds anything else.
[[nodiscard]] std::optional<std::vector<std::string>> strings_at(const boost::json::value& value,
                                                                 std::string_view key);

}  // namespace qmp
