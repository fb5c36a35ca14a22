// SPDX-License-Identifier: MIT
#include "vfio/scan.h"

#include "tests/vfio_hosts.h"

#include <doctest/doctest.h>

#include <chrono>

using namespace hv::vfio;

TEST_CASE("a function is read in full") {
  const auto devices = devices_of("two-socket");
  const auto* const nic = devices.find(pci("0000:66:00.0"));
  REQUIRE(nic != nullptr);
  CHECK_EQ(nic->class_code, 0x020000);
  CHECK_EQ(nic->vendor, 0x8086);
  CHECK_EQ(nic->device, 0x1592);
  CHECK_EQ(nic->driver, "ice");
  CHECK_EQ(nic->driver_override, "");
  CHECK_EQ(nic->iommu_group, 61);
  CHECK_EQ(nic->numa_node, 1);
  CHECK_EQ(nic->local_cpus, "16-31,48-63");
  CHECK_EQ(nic->reset_methods, std::vector<std::string>{"flr", "bus"});
  CHECK_EQ(nic->slot, "3");
  CHECK_EQ(nic->serial, "b4-96-91-ff-ff-aa-00-01");
  CHECK_EQ(nic->sysfs_path, "/sys/devices/pci0000:65/0000:65:00.0/0000:66:00.0");
  CHECK_EQ(nic->vfs_total, 64);
  CHECK_EQ(nic->vfs, 2);
  CHECK_FALSE(nic->physical_function);

  const auto* const vf = devices.find(pci("0000:66:01.1"));
  REQUIRE(vf != nullptr);
  CHECK_EQ(vf->physical_function, pci("0000:66:00.0"));
  CHECK_EQ(vf->driver, "");
  CHECK_EQ(vf->slot, "");

  const auto* const drive = devices.find(pci("0000:67:00.0"));
  REQUIRE(drive != nullptr);
  CHECK_EQ(drive->serial, "PHAX0002");  // Of the drive: PCI Express tells none.
  CHECK_EQ(devices.find(pci("0000:67:00.1")), nullptr);
  CHECK(devices.find(pci("0000:02:00.0"))->boot_vga);
  CHECK(devices.find(pci("0000:18:00.0"))->firmware_memory);
  CHECK_FALSE(drive->firmware_memory);
  CHECK(devices.iommu);
  CHECK(devices.interrupt_remapping);
  CHECK_FALSE(devices.iommufd);
}

TEST_CASE("only what is asked for is read, with its group") {
  const TempTree tree;
  make_pci_host(tree, "desktop");
  const auto devices =
      read_devices(tree.root(), {{.address = pci("01:00.0")}, {.address = pci("04:00.0")}}).value();
  std::vector<std::string> addresses;
  for (const auto& function : devices.functions) addresses.push_back(to_string(function.address));
  CHECK_EQ(addresses, std::vector<std::string>{"0000:00:01.0", "0000:01:00.0", "0000:01:00.1",
                                               "0000:01:00.2", "0000:01:00.3", "0000:04:00.0"});
  CHECK_EQ(devices.group(1).size(), 5);
  CHECK_EQ(devices.group(16).size(), 1);
  CHECK(devices.group(999).empty());
}

TEST_CASE("a selector without an address finds its devices, each in full") {
  const TempTree tree;
  make_pci_host(tree, "two-socket");
  const auto devices =
      read_devices(tree.root(), {{.id = PciId{.vendor = 0x8086, .device = 0x0b60}}}).value();
  REQUIRE_NE(devices.find(pci("67:00.0")), nullptr);
  CHECK_EQ(devices.find(pci("67:00.0"))->iommu_group, 66);
  CHECK_EQ(devices.find(pci("19:00.0"))->slot, "21");
}

TEST_CASE("a host that shows little is read as far as it goes") {
  const TempTree tree;
  CHECK(read_all_devices(tree.root()).value().functions.empty());
  tree.write("/sys/bus/pci/devices/0000:00:03.0/vendor", "0x8086\n");
  tree.write("/sys/bus/pci/devices/10000:e1:00.0/uevent", "PCI_CLASS=10802\n");  // Behind a VMD.
  tree.write("/sys/bus/pci/devices/nonsense/uevent", "");
  tree.write("/sys/bus/pci/devices/0000:00:04.0/uevent",
             "DRIVER=\nPCI_CLASS=zz\nPCI_ID=:\nPCI_ID=8086\nno equals\n=\n");
  const auto devices = read_all_devices(tree.root()).value();
  REQUIRE_EQ(devices.functions.size(), 2);
  CHECK_EQ(devices.functions[0].class_code, 0);
  CHECK_EQ(devices.functions[1].driver, "");
  CHECK_FALSE(devices.functions[0].iommu_group);
  CHECK_FALSE(devices.iommu);
  CHECK_FALSE(devices.interrupt_remapping);
}

TEST_CASE("the kernel's unsafe mode without an IOMMU makes no groups that count") {
  const TempTree tree;
  make_pci_tree(tree,
                "root pci0000:00\n  00:03.0 0200 8086:10d3 driver=vfio-pci group=0\n"
                "file /sys/kernel/iommu_groups/0/name vfio-noiommu\n");
  const auto devices = read_all_devices(tree.root()).value();
  CHECK_FALSE(devices.functions.at(0).iommu_group);
  CHECK_FALSE(devices.iommu);
}

TEST_CASE("remapped interrupts are known by their chips") {
  struct Row {
    const char* line;
    bool remapped;
  };
  const Row rows[] = {
      {" 9: 0 IR-IO-APIC 9-fasteoi acpi", true},
      {" 9: 0 IO-APIC 9-fasteoi acpi", false},
      {" 25: 0 PCI-MSIX-0000:00:01.0 0-edge nvme", false},
      {" 42: 0 ITS-MSI 1 Edge mlx5", true},
      {"", true},  // Nothing is known.
  };
  for (const auto& [line, remapped] : rows) {
    CAPTURE(line);
    const TempTree tree;
    make_pci_tree(tree, "root pci0000:00\n  00:03.0 0200 8086:10d3 group=0\n");
    tree.write("/proc/interrupts", line);
    CHECK_EQ(read_all_devices(tree.root()).value().interrupt_remapping, remapped);
  }
}

TEST_CASE("a large host is read quickly") {
  using Clock = std::chrono::steady_clock;
  const TempTree tree;
  make_pci_tree(tree, large_host());
  const auto root = tree.root();
  std::vector<Selector> wanted;
  for (unsigned bus = 0; bus < 8; ++bus)
    wanted.push_back({.address = PciAddress{static_cast<std::uint16_t>(bus), 3, 0, 1}});
  auto best = Clock::duration::max();
  for (int round = 0; round < 5; ++round) {
    const auto start = Clock::now();
    const auto devices = read_devices(root, wanted).value();
    best = std::min(best, Clock::now() - start);
    REQUIRE_EQ(devices.functions.size(), 16);
  }
  // Two milliseconds without sanitizers and neighbours; scripts/bench shows it.
  CHECK_LT(best, std::chrono::milliseconds(50));
  CHECK_EQ(read_all_devices(root).value().functions.size(), 500);
}
