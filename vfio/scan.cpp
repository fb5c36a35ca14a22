// SPDX-License-Identifier: MIT
#include "vfio/scan.h"

#include "launcher/base/text.h"
#include "vfio/sysfs.h"
#include "vfio/uses.h"
#include "vfio/variant.h"

#include <algorithm>
#include <map>
#include <set>

namespace hv::vfio {
namespace {

constexpr const char* devices_directory = "/sys/bus/pci/devices";
constexpr const char* groups_directory = "/sys/kernel/iommu_groups";

/// What one attribute tells: driver, class and ids, without waking the device.
void read_uevent(const Root& root, Function& function) {
  const auto ids = [](std::string_view value, std::uint16_t& first, std::uint16_t& second) {
    const auto colon = std::min(value.find(':'), value.size() - 1);
    first = hex<std::uint16_t>(value.substr(0, colon)).value_or(0);
    second = hex<std::uint16_t>(value.substr(colon + 1)).value_or(0);
  };
  const auto text = text_at(root, function.sysfs_path + "/uevent");
  for (const auto line : split(text, '\n')) {
    const auto equals = line.find('=');
    if (equals == std::string_view::npos || equals + 1 == line.size()) continue;
    const auto key = line.substr(0, equals);
    const auto value = line.substr(equals + 1);
    if (key == "DRIVER") function.driver = value;
    if (key == "PCI_CLASS") function.class_code = hex<std::uint32_t>(value).value_or(0);
    if (key == "PCI_ID") ids(value, function.vendor, function.device);
    if (key == "PCI_SUBSYS_ID") ids(value, function.subsystem_vendor, function.subsystem_device);
  }
}

std::string bus_path(const PciAddress& address) {
  return fmt::format("{}/{}", devices_directory, to_string(address));
}

/// An NVMe drive's own serial number where PCI Express has none.
std::string nvme_serial(const Root& root, const Function& function) {
  const auto controllers = function.sysfs_path + "/nvme";
  for (const auto& name : names_in(root, controllers)) {
    auto serial = text_at(root, fmt::format("{}/{}/serial", controllers, name));
    serial.erase(serial.find_last_not_of(' ') + 1);
    return serial;
  }
  return {};
}

std::vector<std::string> words_of(std::string_view text) {
  std::vector<std::string> words;
  for (const auto word : split(text, ' '))
    if (!word.empty()) words.emplace_back(word);
  return words;
}

void read_details(const Root& root, Function& function) {
  const auto file = [&](const char* name) {
    return fmt::format("{}/{}", function.sysfs_path, name);
  };
  // The kernel shows it under the device's lock, which a driver that hangs has.
  const bool hangs = !function.out_of_order.empty();
  if (!hangs) function.driver_override = text_at(root, file("driver_override"));
  if (function.driver_override == "(null)") function.driver_override.clear();
  function.iommu_group = decimal(link_name(root, file("iommu_group")));
  function.numa_node = decimal(text_at(root, file("numa_node")));
  function.local_cpus = text_at(root, file("local_cpulist"));
  function.reset_methods = words_of(text_at(root, file("reset_method")));
  function.serial = text_at(root, file("serial_number"));
  const auto kind = function.class_code >> 8U;
  if (function.serial.empty() && kind == 0x0108) function.serial = nvme_serial(root, function);
  if (kind == 0x0300) function.boot_vga = text_at(root, file("boot_vga")) == "1";
  if (const auto physical = parse_pci_address(link_name(root, file("physfn"))))
    function.physical_function = *physical;
  function.vfs_total = decimal(text_at(root, file("sriov_totalvfs"))).value_or(0);
  if (function.vfs_total != 0 && !hangs)  // As driver_override.
    function.vfs = decimal(text_at(root, file("sriov_numvfs"))).value_or(0);
}

/// Every address there is. Domains of more than 16 bits are behind controllers
/// like Intel's VMD, which no guest can be given by itself.
std::vector<PciAddress> list_addresses(const Root& root) {
  std::vector<PciAddress> addresses;
  for (const auto& name : names_in(root, devices_directory))
    if (const auto address = parse_pci_address(name)) addresses.push_back(*address);
  std::ranges::sort(addresses);
  return addresses;
}

/// The scan's growing set of functions.
class Scan {
 public:
  Scan(const Root& root, const std::vector<Quarantined>& quarantined)
      : root_(root), quarantined_(quarantined) {}

  /// Reads a function in full, and all members of its group.
  void add(const PciAddress& address) {
    if (complete_.contains(address)) return;
    const auto group = add_alone(address).iommu_group;
    if (!group || !groups_.insert(*group).second) return;
    const auto directory = fmt::format("{}/{}", groups_directory, *group);
    const auto memory = text_at(root_, directory + "/reserved_regions");
    // Not "direct-relaxable", as which the kernel counts GPUs and USB controllers.
    const bool direct = memory.ends_with(" direct") || memory.contains(" direct\n");
    // The unsafe mode without an IOMMU makes groups, too.
    const bool fake = text_at(root_, directory + "/name") == "vfio-noiommu";
    for (const auto& name : names_in(root_, directory + "/devices")) {
      const auto member = parse_pci_address(name);
      if (!member) continue;
      auto& function = add_alone(*member);
      function.firmware_memory = direct;
      if (fake) function.iommu_group.reset();
    }
  }

  /// Reads what a function is.
  Function& identify(const PciAddress& address) {
    const auto [found, is_new] = functions_.try_emplace(address);
    if (is_new) {
      found->second = {.address = address, .sysfs_path = bus_path(address)};
      read_uevent(root_, found->second);
    }
    return found->second;
  }

  /// The same, and where it is plugged in.
  Function& locate(const PciAddress& address) {
    auto& function = identify(address);
    if (auto path = link_path(root_, bus_path(address)); !path.empty())
      function.sysfs_path = std::move(path);
    return function;
  }

  [[nodiscard]] bool matches_any(const Selector& selector) const {
    return std::ranges::any_of(functions_, [&](const auto& entry) {
      return complete_.contains(entry.first) && matches(selector, entry.second);
    });
  }

  Devices finish();

 private:
  Function& add_alone(const PciAddress& address) {
    auto& function = locate(address);
    if (complete_.insert(address).second) {
      const auto apart = std::ranges::find(quarantined_, address, &Quarantined::address);
      if (apart != quarantined_.end()) function.out_of_order = apart->message;
      read_details(root_, function);
      function.slot = slot_of(address);
    }
    return function;
  }

  std::string slot_of(const PciAddress& address) {
    if (!slots_) {
      slots_.emplace();
      for (auto& name : names_in(root_, "/sys/bus/pci/slots"))
        slots_->emplace(text_at(root_, fmt::format("/sys/bus/pci/slots/{}/address", name)), name);
    }
    // A slot's address has no function, on s390 it does.
    const auto full = to_string(address);
    for (const auto& key : {full.substr(0, 10), full})
      if (const auto found = slots_->find(key); found != slots_->end()) return found->second;
    return {};
  }

  const Root& root_;
  const std::vector<Quarantined>& quarantined_;
  std::map<PciAddress, Function> functions_;
  std::set<PciAddress> complete_;
  std::set<std::uint64_t> groups_;
  std::optional<std::map<std::string, std::string>> slots_;
};

/// Whether the host's interrupt chips are remapped ones: "IR-PCI-MSI" on x86,
/// "ITS-PCI-MSI" on ARM. The first rows tell; all of them are megabytes on a
/// large host. If it cannot be known, the kernel's refusal comes later.
bool remaps_interrupts(const Root& root) {
  const auto text = root.read_start("/proc/interrupts", std::size_t{128} << 10U);
  return !text || text->empty() || text->contains(" IR-") || text->contains(" ITS-");
}

Devices Scan::finish() {
  Devices devices;
  for (auto& [address, function] : functions_)
    if (complete_.contains(address)) devices.functions.push_back(std::move(function));
  devices.iommu = std::ranges::any_of(
      devices.functions, [](const Function& function) { return function.iommu_group.has_value(); });
  if (!devices.iommu) {
    const auto groups = names_in(root_, groups_directory);
    devices.iommu = std::ranges::any_of(groups, [&](const std::string& group) {
      return text_at(root_, fmt::format("{}/{}/name", groups_directory, group)) != "vfio-noiommu";
    });
  }
  devices.interrupt_remapping = devices.iommu && remaps_interrupts(root_);
  devices.unsafe_interrupts =
      text_at(root_, "/sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts") == "Y";
  devices.iommufd = root_.exists("/dev/iommu");
  if (!devices.functions.empty()) devices.variants = read_variants(root_);
  find_uses(root_, devices.functions);
  return devices;
}

/// Whether the cheap part of the selector fits.
bool may_match(const Selector& selector, const Function& function) {
  auto cheap = selector;
  cheap.slot.clear();
  cheap.serial.clear();
  return matches(cheap, function);
}

}  // namespace

Result<Devices> read_devices(const Root& root, const std::vector<Selector>& wanted,
                             const std::vector<Quarantined>& quarantined) {
  Scan scan(root, quarantined);
  const auto add_if_there = [&](const PciAddress& address) {
    if (root.exists(bus_path(address))) scan.add(address);
  };
  const auto add_card = [&](PciAddress address) {
    constexpr std::uint8_t functions = 8;
    for (address.function = 0; address.function < functions; ++address.function)
      add_if_there(address);
  };
  for (const auto& selector : wanted)
    if (selector.address && selector.all_functions)
      add_card(*selector.address);
    else if (selector.address)
      add_if_there(*selector.address);

  const auto is_found = [&](const Selector& selector) { return scan.matches_any(selector); };
  if (std::ranges::all_of(
          wanted, [&](const Selector& selector) { return selector.address && is_found(selector); }))
    return scan.finish();

  const bool by_path =
      std::ranges::any_of(wanted, [](const Selector& selector) { return !selector.path.empty(); });
  const auto addresses = list_addresses(root);
  for (const auto& address : addresses) {
    const auto& function = by_path ? scan.locate(address) : scan.identify(address);
    for (const auto& selector : wanted)
      if (!selector.address && may_match(selector, function))
        selector.all_functions ? add_card(address) : scan.add(address);
  }
  // To say what is there instead, everything is needed.
  if (!std::ranges::all_of(wanted, is_found))
    for (const auto& address : addresses) scan.add(address);
  return scan.finish();
}

Result<Devices> read_all_devices(const Root& root, const std::vector<Quarantined>& quarantined) {
  Scan scan(root, quarantined);
  for (const auto& address : list_addresses(root)) scan.add(address);
  return scan.finish();
}

}  // namespace hv::vfio
