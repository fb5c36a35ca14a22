// SPDX-License-Identifier: MIT
#include "launcher/host/near_devices.h"

#include "launcher/base/text.h"

#include <charconv>

namespace hv::host {
namespace {

struct Class {
  std::uint32_t code;
  std::uint32_t mask;
  std::string_view name;
};

/// PCI Code and ID Assignment Specification; the first that fits names it.
constexpr Class classes[] = {
    {0x010800, 0xFFFF00, "NVMe"},    {0x010600, 0xFFFF00, "SATA"},
    {0x010000, 0xFF0000, "storage"}, {0x020700, 0xFFFF00, "InfiniBand"},
    {0x020000, 0xFF0000, "network"}, {0x030000, 0xFF0000, "display"},
};

/// The value of "KEY=value" on a line of its own.
std::string_view value_of(std::string_view uevent, std::string_view key) {
  for (const auto line : split(uevent, '\n'))
    if (line.size() > key.size() && line.starts_with(key) && line[key.size()] == '=')
      return line.substr(key.size() + 1);
  return {};
}

std::string_view name_of(std::string_view code_text) {
  std::uint32_t code = 0;
  (void)std::from_chars(code_text.data(), code_text.data() + code_text.size(), code, 16);
  for (const auto& [value, mask, name] : classes)
    if ((code & mask) == value) return name;
  return {};
}

std::string lower(std::string_view text) {
  std::string result(text);
  for (auto& c : result)
    if (c >= 'A' && c <= 'F') c = static_cast<char>(c - 'A' + 'a');
  return result;
}

}  // namespace

std::vector<NearDevice> read_near_devices(const Root& root) {
  constexpr const char* directory = "/sys/bus/pci/devices";
  std::vector<NearDevice> devices;
  const auto addresses = root.list(directory);
  if (!addresses) return devices;
  for (const auto& address : *addresses) {
    const auto uevent = root.read(fmt::format("{}/{}/uevent", directory, address));
    const auto name = uevent ? name_of(value_of(*uevent, "PCI_CLASS")) : std::string_view{};
    if (name.empty()) continue;
    NearDevice device{
        .address = address,
        .description = fmt::format("{} {}", name, lower(value_of(*uevent, "PCI_ID")))};
    if (const auto driver = value_of(*uevent, "DRIVER"); !driver.empty())
      device.description += fmt::format(" ({})", driver);
    // -1: the firmware does not say.
    const auto node = root.read(fmt::format("{}/{}/numa_node", directory, address));
    std::uint32_t number = 0;
    if (node &&
        std::from_chars(node->data(), node->data() + node->size(), number).ec == std::errc{})
      device.node = number;
    devices.push_back(std::move(device));
  }
  return devices;
}

}  // namespace hv::host
