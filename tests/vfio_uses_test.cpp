// SPDX-License-Identifier: MIT
#include "vfio/uses.h"

#include "tests/vfio_hosts.h"
#include "vfio/groups.h"

#include <doctest/doctest.h>

#include <algorithm>

using namespace hv::vfio;

namespace {

struct Row {
  const char* address;
  const char* uses;
};

void check_uses(const Devices& devices, std::initializer_list<Row> rows) {
  for (const auto& [address, uses] : rows) {
    CAPTURE(address);
    const auto* const function = devices.find(pci(address));
    REQUIRE(function != nullptr);
    CHECK_EQ(describe_uses(*function), uses);
  }
  for (const auto& function : devices.functions) {
    const auto address = to_string(function.address);
    CAPTURE(address);
    if (std::ranges::none_of(rows, [&](const Row& row) { return row.address == address; }))
      CHECK_EQ(describe_uses(function), "");
  }
}

Devices devices_in(std::string_view description) {
  const TempTree tree;
  make_pci_tree(tree, description);
  return read_all_devices(tree.root()).value();
}

}  // namespace

TEST_CASE("what a desktop needs: its screen, its disks, the bridge's network card") {
  check_uses(
      devices_of("desktop"),
      {{"0000:01:00.0", "the only display (card0)"},
       {"0000:02:00.0", "/dev/nvme0n1p2, mounted on /; /dev/nvme0n1p1, mounted on /boot/efi"},
       {"0000:00:17.0", "/dev/sda1, mounted on /home"},
       {"0000:03:00.0", "the default route (br0 through enp3s0)"}});
}

TEST_CASE("what a server needs, through LVM, MD, VLAN and bond") {
  check_uses(devices_of("two-socket"),
             {{"0000:02:00.0", "the only display (card0)"},
              {"0000:18:00.0",
               "/dev/sda3, below /dev/mapper/vg0-data, mounted on /srv; /dev/sda2, part of "
               "/dev/md0"},
              {"0000:19:00.0",
               "/dev/nvme0n1p2, below /dev/mapper/vg0-root, mounted on /; /dev/nvme0n1p1, mounted "
               "on /boot; /dev/nvme0n1p2, below /dev/mapper/vg0-swap, swap"},
              {"0000:66:00.0", "the default route (br0 through ens3f0)"},
              {"0000:66:00.1", "the default route (br0 through ens3f1)"}});
}

TEST_CASE("both drives of a mounted ZFS mirror are needed") {
  const auto devices = devices_of("epyc");
  check_uses(devices, {{"0000:42:00.0", "/dev/nvme0n1p3, part of ZFS pool rpool, mounted on /"},
                       {"0000:43:00.0", "/dev/nvme1n1p3, part of ZFS pool rpool, mounted on /"},
                       {"0000:c6:00.0", "the only display (card0)"},
                       {"0000:c8:00.0", "the default route (eno1np0)"}});
  CHECK_EQ(devices.find(pci("42:00.0"))->uses.at(0).kind, Use::Kind::root_disk);
}

TEST_CASE("a laptop's screen is on one of its graphics processors") {
  check_uses(devices_of("hybrid"),
             {{"0000:00:02.0", "the only display (card1)"},
              {"0000:02:00.0",
               "/dev/nvme0n1p3, below /dev/mapper/vg-root, mounted on /; /dev/nvme0n1p3, below "
               "/dev/mapper/vg-home, mounted on /home; /dev/nvme0n1p1, mounted on /boot/efi; "
               "/dev/nvme0n1p2, mounted on /boot; /dev/nvme0n1p3, below /dev/mapper/vg-swap, swap"},
              {"0000:00:14.3", "the default route (wlp0s20f3)"}});
}

TEST_CASE("all devices of a btrfs are needed, although mountinfo names one") {
  check_uses(
      devices_of("arm-server"),
      {{"0000:01:00.0", "the default route (enP0p1s0f0)"},
       {"0004:02:00.0", "the only display (card0)"},
       {"000d:01:00.0", "/dev/nvme0n1p2, mounted on /; /dev/nvme0n1p1, mounted on /boot/efi"},
       {"000d:02:00.0", "/dev/nvme1n1, mounted on /"}});
}

TEST_CASE("disks are found on USB, and behind each controller of a multipath NVMe drive") {
  check_uses(devices_in("root pci0000:00\n  00:05.0 0c0330 8086:1 driver=xhci_hcd\n"
                        "    block sdx sdx1\nmount /media sdx1\n"),
             {{"0000:00:05.0", "/dev/sdx1, mounted on /media"}});

  const TempTree tree;
  make_pci_tree(tree,
                "root pci0000:00\n  00:06.0 0108 144d:1\n    nvme nvme0\n"
                "  00:07.0 0108 144d:1\n    nvme nvme1\n");
  namespace fs = std::filesystem;
  const std::string subsystem = "/sys/devices/virtual/nvme-subsystem/nvme-subsys0";
  tree.write(subsystem + "/nvme0n1/dev", "259:9\n");
  fs::create_directories(tree.path("/sys/class/block"));
  fs::create_directories(tree.path("/sys/dev/block"));
  fs::create_symlink("../../devices/virtual/nvme-subsystem/nvme-subsys0/nvme0n1",
                     tree.path("/sys/class/block/nvme0n1"));
  fs::create_symlink("../../devices/virtual/nvme-subsystem/nvme-subsys0/nvme0n1",
                     tree.path("/sys/dev/block/259:9"));
  for (const int i : {0, 1})
    fs::create_symlink(fmt::format("../../../pci0000:00/0000:00:0{}.0/nvme/nvme{}", i + 6, i),
                       tree.path(fmt::format("{}/nvme{}", subsystem, i)));
  tree.write("/proc/self/mountinfo", "28 1 259:9 / / rw - xfs /dev/nvme0n1 rw\n");
  check_uses(read_all_devices(tree.root()).value(),
             {{"0000:00:06.0", "/dev/nvme0n1, mounted on /"},
              {"0000:00:07.0", "/dev/nvme0n1, mounted on /"}});
}

TEST_CASE("mounts that are on no disk, and damaged lines, name nobody") {
  const TempTree tree;
  make_pci_tree(tree, "root pci0000:00\n  00:06.0 0106 8086:1\n    block sda sda1\n");
  tree.write("/proc/self/mountinfo",
             "22 1 0:30 / / rw - overlay overlay rw,lowerdir=/dev/sda1\n"
             "23 22 0:5 / /dev rw - devtmpfs udev rw\n"
             "24 22 0:40 / /nfs rw - nfs4 server:/dev rw\n"
             "25 22 7:0 / /snap rw - squashfs /dev/loop0 rw\n"
             "short line\n\n26 22 259:1 / /x rw -\n");
  tree.write("/proc/swaps", "Filename Type\n/swapfile file 1 0 -2\n/dev/zram0 partition 1 0 -2\n");
  check_uses(read_all_devices(tree.root()).value(), {});
}

TEST_CASE("a live system's medium, and a mount point with a space") {
  const TempTree tree;
  make_pci_tree(tree, "root pci0000:00\n  00:06.0 0106 8086:1\n    block sda sda1\n");
  tree.write("/proc/self/mountinfo",
             "22 1 0:30 / / rw - overlay overlay rw\n"
             "23 1 259:1 / /run/live\\040medium rw - iso9660 /dev/sda1 ro\n");
  check_uses(read_all_devices(tree.root()).value(),
             {{"0000:00:06.0", "/dev/sda1, mounted on /run/live medium"}});
}

TEST_CASE("which display is the host's") {
  const std::string form = "root pci0000:00\n  00:02.0 0300 8086:1 {}\n  01:00.0 0300 10de:1 {}\n";
  struct Case {
    const char* first_line;
    const char* second_line;
    const char* first;
    const char* second;
  };
  const Case cases[] = {
      // Two screens: the firmware's is the console.
      {"driver=i915 boot_vga\n    drm card0 DP-1", "driver=nouveau\n    drm card1 DP-2",
       "the boot display (card0)", ""},
      {"driver=i915\n    drm card0 DP-1", "driver=nouveau\n    drm card1 DP-2", "", ""},
      // The other is a guest's already.
      {"driver=i915\n    drm card0 DP-1", "driver=vfio-pci boot_vga", "the only display (card0)",
       ""},
      // No driver: the firmware's framebuffer.
      {"boot_vga", "", "the only display", ""},
      {"boot_vga", "driver=nouveau\n    drm card1 DP-2", "", "the only display (card1)"},
      // Without connectors it shows nothing.
      {"driver=i915\n    drm card0 DP-1", "driver=nouveau\n    drm card1",
       "the only display (card0)", ""},
  };
  for (const auto& [first_line, second_line, first, second] : cases) {
    CAPTURE(first_line);
    CAPTURE(second_line);
    const auto devices = devices_in(fmt::format(fmt::runtime(form), first_line, second_line));
    CHECK_EQ(describe_uses(*devices.find(pci("00:02.0"))), first);
    CHECK_EQ(describe_uses(*devices.find(pci("01:00.0"))), second);
  }
}

TEST_CASE("routes that go nowhere, and interfaces that are gone, name nobody") {
  const TempTree tree;
  make_pci_tree(tree,
                "root pci0000:00\n  00:06.0 0200 8086:1\n    net eth0\n"
                "  00:07.0 0200 8086:1\n    net eth1\nroute gone\nnet br0 eth1\nroute6 lo\n");
  tree.write("/proc/net/route",
             "Iface Destination Gateway Flags RefCnt Use Metric Mask MTU\n"
             "eth0 0000A8C0 00000000 0001 0 0 0 00FFFFFF 0\n"  // A network, not everything.
             "eth0 00000000 00000000 0001 0 0 0 00000080 0\n"  // Half of everything.
             "* 00000000 00000000 0200 0 0 0 00000000 0\n");
  check_uses(read_all_devices(tree.root()).value(), {});
}

TEST_CASE("a network card below Open vSwitch is found") {
  check_uses(devices_in("root pci0000:00\n  00:06.0 0200 8086:1\n    net eth0\n"
                        "net ovs-system eth0\nnet ovsbr0\nroute ovsbr0\n"),
             {{"0000:00:06.0", "the default route (ovsbr0 through eth0)"}});
}

TEST_CASE("interfaces that are made of each other end the search") {
  const TempTree tree;
  make_pci_tree(tree,
                "root pci0000:00\n  00:06.0 0200 8086:1\n    net eth0\n"
                "net a b\nnet b a eth0\nroute a\n");
  check_uses(read_all_devices(tree.root()).value(),
             {{"0000:00:06.0", "the default route (a through eth0)"}});
}
