// SPDX-License-Identifier: MIT
#include "launcher/plan/needs.h"

#include <algorithm>
#include <charconv>

namespace hv::plan {
namespace {

/// The device that `pinning` is near to.
std::optional<vfio::PciAddress> near_device(const profiles::Pinning& pinning) {
  const auto* const near = std::get_if<profiles::NearDevice>(&pinning.vcpus.value);
  if (near == nullptr) return std::nullopt;
  const auto address = vfio::parse_pci_address(near->device);
  return address ? std::optional(*address) : std::nullopt;
}

void add_hand_over(const profiles::HandOver& wish, host::Needs& needs) {
  auto unit = wish.display_manager.value;
  if (!unit.empty() && !unit.ends_with(".service")) unit += ".service";
  if (!needs.display)
    needs.display = {.unit = std::move(unit), .modules = vfio::usual_modules("nvidia")};
  for (const auto& module : wish.modules)
    if (auto& known = needs.display->modules;
        std::ranges::find(known, vfio::module_name(module.value)) == known.end())
      known.push_back(vfio::module_name(module.value));
}

}  // namespace

vfio::Selector selector_of(const profiles::HostDevice& device) {
  vfio::Selector selector{.address = device.address.value,
                          .id = device.id.value,
                          .slot = device.slot.value,
                          .serial = device.serial.value,
                          .path = device.path.value,
                          .all_functions = device.all_functions.value};
  const std::string_view digits = device.class_code.value;
  if (!digits.empty()) {
    std::uint32_t value = 0;
    (void)std::from_chars(digits.data(), digits.data() + digits.size(), value, 16);  // A Form.
    selector.class_prefix = value;
    selector.class_digits = static_cast<unsigned>(digits.size());
  }
  return selector;
}

host::Needs needs_of(const profiles::Profile& profile) {
  host::Needs needs;
  for (const auto& device : profile.host_devices) {
    needs.devices.push_back(selector_of(device));
    if (device.virtual_function.given()) needs.virtual_functions.push_back(selector_of(device));
    if (device.hand_over.enable.value) add_hand_over(device.hand_over, needs);
    if (!device.mdev.value.empty()) needs.mdevs.push_back(selector_of(device));
  }
  if (const auto near = near_device(profile.pinning)) needs.devices.push_back({.address = near});
  const auto& features = profile.cpu_features;
  const auto is_on = [](const profiles::Feature& feature) { return feature.on(); };
  needs.cpu = std::ranges::any_of(features.toggles, is_on) ||
              std::ranges::any_of(features.extensions, is_on) ||
              std::ranges::any_of(profile.memory_options, [](const profiles::Feature& feature) {
                return feature.on() && (feature.name == "guest_memfd" || feature.name == "private");
              });
  needs.topology = !profile.cpu_pinning.empty() || profile.pinning.given();
  const auto& numa = profile.numa;
  const bool guest_nodes =
      !numa.nodes.empty() || numa.topology.value != profiles::NumaTopology::none;
  needs.nodes = needs.topology || guest_nodes || profile.huge_pages.enable.value;
  return needs;
}

}  // namespace hv::plan
