// SPDX-License-Identifier: MIT
#include "vfio/variant.h"

#include "tests/vfio_hosts.h"

#include <doctest/doctest.h>

using namespace hv::vfio;
using namespace std::string_view_literals;

namespace {

constexpr std::string_view aliases =
    "# Aliases extracted from modules themselves.\n"
    "alias pci:v000015B3d0000101Esv*sd*bc*sc*i* mlx5_core\n"
    "alias vfio_pci:v*d*sv*sd*bc*sc*i* vfio_pci\n"
    "alias vfio_pci:v000015B3d0000101Esv*sd*bc*sc*i* mlx5_vfio_pci\n"
    "alias vfio_pci:v000010DEd00002342sv*sd*bc*sc*i* nvgrace_gpu_vfio_pci\n"
    "alias vfio_pci:v000010DEd*sv*sd*bc03sc*i* any_gpu_vfio_pci\n"
    "alias vfio_pci:v00001AF4d00001041sv00001AF4sd*bc*sc*i* virtio_vfio_pci\n"
    "alias vfio_pci:incomplete\n";

}  // namespace

TEST_CASE("the driver for guests is the one whose alias fits with the fewest wildcards") {
  struct Row {
    const char* id;
    std::uint32_t class_code;
    std::uint16_t subsystem_vendor;
    const char* driver;
  };
  const Row rows[] = {
      {"15b3:101e", 0x020000, 0, "mlx5_vfio_pci"},
      {"15b3:1017", 0x020000, 0, "vfio-pci"},
      {"10de:2342", 0x030200, 0, "nvgrace_gpu_vfio_pci"},
      {"10de:2684", 0x030000, 0, "any_gpu_vfio_pci"},
      {"10de:22ba", 0x040300, 0, "vfio-pci"},
      {"1af4:1041", 0x020000, 0x1af4, "virtio_vfio_pci"},
      {"1af4:1041", 0x020000, 0x1234, "vfio-pci"},
      {"8086:1592", 0x020000, 0, "vfio-pci"},
  };
  const Devices devices{.functions = {}, .variants = parse_variants(aliases)};
  CHECK_EQ(devices.variants.size(), 4);  // Neither vfio-pci's own nor half a line.
  for (const auto& [id, class_code, subsystem_vendor, driver] : rows) {
    CAPTURE(id);
    const auto [vendor, device] = parse_pci_id(id).value();
    CHECK_EQ(guest_driver(devices, {.address = {},
                                    .class_code = class_code,
                                    .vendor = vendor,
                                    .device = device,
                                    .subsystem_vendor = subsystem_vendor}),
             driver);
  }
}

TEST_CASE("variants that are built into the kernel are found as well") {
  constexpr auto modinfo =
      "mlx5_vfio_pci.alias=vfio_pci:v000015B3d0000101Esv*sd*bc*sc*i*\0"
      "mlx5_vfio_pci.license=GPL\0"
      "vfio_pci.alias=vfio_pci:v*d*sv*sd*bc*sc*i*\0"
      "pds_vfio_pci.alias=vfio_pci:v00001DD8d00001003sv*sd*bc*sc*i*\0"sv;
  CHECK_EQ(parse_builtin_variants(modinfo),
           std::vector<Variant>{{"v000015B3d0000101Esv*sd*bc*sc*i*", "mlx5_vfio_pci"},
                                {"v00001DD8d00001003sv*sd*bc*sc*i*", "pds_vfio_pci"}});
  CHECK(parse_builtin_variants("").empty());
}

TEST_CASE("the variants are those of the kernel that runs, wherever its modules are") {
  const TempTree tree;
  CHECK(read_variants(tree.root()).empty());
  tree.write("/proc/sys/kernel/osrelease", "6.8.1\n");
  tree.write("/lib/modules/6.1.0/modules.alias", std::string(aliases));
  CHECK(read_variants(tree.root()).empty());
  tree.write("/run/booted-system/kernel-modules/lib/modules/6.8.1/modules.alias",
             std::string(aliases));
  CHECK_EQ(read_variants(tree.root()).size(), 4);
  tree.write("/proc/sys/kernel/osrelease", "../6.8.1\n");
  CHECK(read_variants(tree.root()).empty());
}
