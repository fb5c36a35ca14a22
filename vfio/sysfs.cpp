// SPDX-License-Identifier: MIT
#include "vfio/sysfs.h"

#include "launcher/base/text.h"

namespace hv::vfio {

std::optional<std::uint64_t> decimal(std::string_view digits) {
  std::uint64_t value = 0;
  const auto* const end = digits.data() + digits.size();
  const auto [stop, error] = std::from_chars(digits.data(), end, value);
  if (error != std::errc{} || stop != end) return std::nullopt;
  return value;
}

std::string text_at(const Root& root, const std::string& path) {
  return root.read(path).value_or("");
}

std::string link_name(const Root& root, const std::string& path) {
  const auto target = root.read_link(path);
  return target ? std::string(file_name(*target)) : "";
}

std::string link_path(const Root& root, const std::string& path) {
  const auto target = root.read_link(path);
  if (!target) return {};
  if (target->starts_with('/')) return *target;
  auto resolved = path.substr(0, path.find_last_of('/'));
  for (const auto part : split(*target, '/')) {
    if (part == "..")
      resolved.erase(std::min(resolved.find_last_of('/'), resolved.size()));
    else if (part != ".")
      resolved.append("/").append(part);
  }
  return resolved;
}

std::vector<std::string> names_in(const Root& root, const std::string& path) {
  return root.list(path).value_or(std::vector<std::string>{});
}

}  // namespace hv::vfio
