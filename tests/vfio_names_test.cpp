// SPDX-License-Identifier: MIT
#include "vfio/names.h"

#include "tests/temp_tree.h"

#include <doctest/doctest.h>

using namespace hv::vfio;

namespace {

constexpr const char* pci_ids =
    "# a comment\n\n"
    "001c  Vendor One\n"
    "\t0001  First device\n"
    "\t\t001c 0004  A subsystem\n"
    "10de  NVIDIA Corporation\n"
    "\t2684  AD102 [GeForce RTX 4090]\n"
    "8086  Intel Corporation\n"
    "\n# classes\n"
    "C 02  Network controller\n"
    "\t00  Ethernet controller\n"
    "C 03  Display controller\n"
    "\t00  VGA compatible controller\n"
    "\t\t01  8514 controller\n"
    "\t02  3D controller";

}  // namespace

TEST_CASE("names of devices and classes") {
  const Names names{pci_ids};
  CHECK_EQ(names.vendor(0x10de), "NVIDIA Corporation");
  CHECK_EQ(names.vendor(0x001c), "Vendor One");
  CHECK_EQ(names.vendor(0xffff), "");
  CHECK_EQ(names.device(0x10de, 0x2684), "AD102 [GeForce RTX 4090]");
  CHECK_EQ(names.device(0x001c, 0x0001), "First device");
  CHECK_EQ(names.device(0x001c, 0x0004), "");
  CHECK_EQ(names.device(0x8086, 0x2684), "");
  CHECK_EQ(names.device_class(0x030000), "VGA compatible controller");
  CHECK_EQ(names.device_class(0x030200), "3D controller");
  CHECK_EQ(names.device_class(0x038000), "Display controller");
  CHECK_EQ(names.device_class(0x020000), "Ethernet controller");
  CHECK_EQ(names.device_class(0x120000), "");

  const auto name = [&](std::uint16_t vendor, std::uint16_t device) {
    return name_of(names, Function{.address = {}, .vendor = vendor, .device = device});
  };
  CHECK_EQ(name(0x10de, 0x2684), "NVIDIA Corporation AD102 [GeForce RTX 4090]");
  CHECK_EQ(name(0x10de, 0x0001), "NVIDIA Corporation device 0001");
  CHECK_EQ(name(0x1234, 0x0001), "device 1234:0001");
}

TEST_CASE("without a list of names, and with a damaged one, numbers do") {
  for (const auto* const text : {"", "\n", "10de", "10de NVIDIA", "\t2684  Device of nobody\n",
                                 "C \nC 0\nC zz  what\n", "\xff\xfe"}) {
    CAPTURE(text);
    const Names names{text};
    CHECK_EQ(names.vendor(0x10de), "");
    CHECK_EQ(names.device(0x10de, 0x2684), "");
    CHECK_EQ(names.device_class(0x030000), "");
  }
}

TEST_CASE("the list is where distributions put it") {
  const TempTree tree;
  CHECK_EQ(read_names(tree.root()).vendor(0x10de), "");
  tree.write("/usr/share/hwdata/pci.ids", pci_ids);
  CHECK_EQ(read_names(tree.root()).vendor(0x10de), "NVIDIA Corporation");
  tree.write("/usr/share/misc/pci.ids", "10de  Debian's\n");
  CHECK_EQ(read_names(tree.root()).vendor(0x10de), "Debian's");
}
