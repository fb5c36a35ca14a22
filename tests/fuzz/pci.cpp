// SPDX-License-Identifier: MIT
//
// Attributes of PCI functions, mounts, routes, and the list of names: devices
// make some of them up, and programs others.
#include "launcher/base/text.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/tree.h"
#include "vfio/names.h"
#include "vfio/scan.h"
#include "vfio/selector.h"
#include "vfio/uses.h"

#include <algorithm>

using fuzz::require;
using namespace hv;

namespace {

constexpr std::string_view address = "0000:01:00.0";

fuzz::Tree& tree() {
  static fuzz::Tree the_tree([] {
    std::vector<std::string> files;
    const auto device = fmt::format("/sys/devices/pci0000:00/{}/", address);
    for (const auto* const name :
         {"uevent", "driver_override", "numa_node", "local_cpulist", "reset_method",
          "serial_number", "nvme/nvme0/serial", "boot_vga", "sriov_totalvfs", "sriov_numvfs"})
      files.push_back(device + name);
    for (const auto* const name :
         {"/proc/self/mountinfo", "/proc/swaps", "/proc/net/route", "/proc/net/ipv6_route",
          "/sys/kernel/iommu_groups/7/reserved_regions", "/sys/kernel/iommu_groups/7/name"})
      files.emplace_back(name);
    return files;
  }());
  static const bool linked = [] {
    const auto link = [](const std::string& target, const std::string& path) {
      const auto full = the_tree.place() + path;
      std::filesystem::create_directories(std::filesystem::path(full).parent_path());
      std::filesystem::create_symlink(target, full);
    };
    const auto device = fmt::format("../../../devices/pci0000:00/{}", address);
    link(device, fmt::format("/sys/bus/pci/devices/{}", address));
    link(device, fmt::format("/sys/kernel/iommu_groups/7/devices/{}", address));
    link("../../../kernel/iommu_groups/7",
         fmt::format("/sys/devices/pci0000:00/{}/iommu_group", address));
    link(fmt::format("../../devices/pci0000:00/{}/nvme/nvme0/nvme0n1", address),
         "/sys/class/block/nvme0n1");
    link("../../block/nvme0n1", "/sys/dev/block/259:0");
    link(fmt::format("../../devices/pci0000:00/{}/net/eth0", address), "/sys/class/net/eth0");
    return true;
  }();
  require(linked, "the tree has its links");
  return the_tree;
}

void check_words(std::string_view text) {
  if (const auto one = vfio::parse_pci_address(text)) {
    require(one->device < 32 && one->function < 8, "an address is one");
    require(vfio::parse_pci_address(to_string(*one)) == *one, "an address is the same again");
  }
  if (const auto id = vfio::parse_pci_id(text))
    require(vfio::parse_pci_id(to_string(*id)) == *id, "an id is the same again");
}

void check_names(std::string_view text, const vfio::Function& function) {
  const vfio::Names names{std::string(text)};
  const auto vendor = names.vendor(function.vendor);
  require(vendor.size() <= text.size(), "a name is of the list");
  require(!vendor.contains('\n'), "a name is on one line");
  (void)names.device(function.vendor, function.device);
  (void)names.device_class(function.class_code);
  require(!name_of(names, function).empty(), "each function has a name");
}

void check_devices(const vfio::Devices& devices) {
  require(devices.functions.size() == 1, "the function is there");
  const auto& function = devices.functions.front();
  require(to_string(function.address) == address, "it has its address");
  require(function.iommu_group.value_or(7) == 7, "it has its group, or none");
  for (const auto& method : function.reset_methods)
    require(!method.empty() && !method.contains(' '), "a way to reset is a word");
  require(function.vfs_total != 0 || function.vfs == 0, "what has no virtual functions shows none");
  for (const auto& use : function.uses) require(!use.holder.empty(), "a use says by what");
  require(vfio::matches({.address = function.address}, function), "it is found by its address");
  require(vfio::matches({.id = vfio::PciId{function.vendor, function.device}}, function),
          "it is found by its id");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto text = fuzz::text_of(data, size);
  check_words(text.substr(0, text.find('\xff')));
  tree().fill(text);
  const auto devices = vfio::read_all_devices(tree().root());
  require(devices.has_value(), "a tree can be read");
  check_devices(*devices);
  check_names(text, devices->functions.front());
  return 0;
}
