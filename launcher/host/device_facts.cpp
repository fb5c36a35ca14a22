// SPDX-License-Identifier: MIT
#include "launcher/host/facts.h"
#include "vfio/scan.h"

#include <algorithm>

namespace hv::host {
namespace {

/// What the selectors mean, each function once. Choosing says why if one means none.
std::vector<vfio::PciAddress> chosen(const std::vector<vfio::Selector>& selectors,
                                     const vfio::Devices& devices) {
  std::vector<vfio::PciAddress> addresses;
  for (const auto& selector : selectors)
    if (const auto found = vfio::choose(selector, devices);
        found && std::ranges::find(addresses, (*found)->address) == addresses.end())
      addresses.push_back((*found)->address);
  return addresses;
}

void read_virtual_functions(const Root& root, const Needs& needs, HostFacts& facts) {
  auto wanted = needs.devices;
  for (const auto& address : chosen(needs.virtual_functions, facts.devices)) {
    auto physical = vfio::read_physical_function(root, address);
    if (!physical) continue;  // It can have none.
    for (const auto& vf : physical->vfs) wanted.push_back({.address = vf.address});
    facts.physical_functions.push_back(*std::move(physical));
  }
  if (wanted.size() == needs.devices.size()) return;
  // What they are, with their groups and what the host does with them.
  if (auto devices = vfio::read_devices(root, wanted, needs.quarantined))
    facts.devices = *std::move(devices);
}

void read_mdevs(const Root& root, const Needs& needs, HostFacts& facts) {
  for (const auto& address : chosen(needs.mdevs, facts.devices))
    if (auto types = vfio::read_mdev_types(root, to_string(address)))
      facts.mdev_parents.push_back({.address = address, .types = *std::move(types)});
  if (auto uuids = root.list("/sys/bus/mdev/devices")) facts.mdevs = *std::move(uuids);
}

}  // namespace

void read_device_facts(const Root& root, const Needs& needs, HostFacts& facts) {
  // Without sysfs no device is found, and choosing one says so.
  if (needs.devices.empty()) return;
  if (auto devices = vfio::read_devices(root, needs.devices, needs.quarantined))
    facts.devices = *std::move(devices);
  if (!needs.virtual_functions.empty()) read_virtual_functions(root, needs, facts);
  if (needs.display) facts.display = vfio::read_display_stack(root, *needs.display);
  if (!needs.mdevs.empty()) read_mdevs(root, needs, facts);
}

}  // namespace hv::host
