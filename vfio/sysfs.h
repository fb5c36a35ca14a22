// SPDX-License-Identifier: MIT
//
// Small reads of sysfs for this folder: what is not there is empty.
#pragma once

#include "launcher/base/root.h"

#include <charconv>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace hv::vfio {

/// The whole of `digits` as a hexadecimal number, if it fits.
template <class T>
[[nodiscard]] std::optional<T> hex(std::string_view digits) {
  T value = 0;
  const auto* const end = digits.data() + digits.size();
  const auto [stop, error] = std::from_chars(digits.data(), end, value, 16);
  if (error != std::errc{} || stop != end) return std::nullopt;
  return value;
}

/// The whole of `digits` as a decimal number; "-1", which sysfs says of what is
/// unknown, is none.
[[nodiscard]] std::optional<std::uint64_t> decimal(std::string_view digits);

/// An attribute's text.
[[nodiscard]] std::string text_at(const Root& root, const std::string& path);

/// The last component of a symlink's target: "nvme" of "../../../bus/pci/drivers/nvme".
[[nodiscard]] std::string link_name(const Root& root, const std::string& path);

/// Where a symlink in a directory that is none itself leads to, from "/".
[[nodiscard]] std::string link_path(const Root& root, const std::string& path);

[[nodiscard]] std::vector<std::string> names_in(const Root& root, const std::string& path);

[[nodiscard]] inline std::string_view file_name(std::string_view path) {
  return path.substr(path.find_last_of('/') + 1);
}

}  // namespace hv::vfio
