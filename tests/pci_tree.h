// SPDX-License-Identifier: MIT
//
// A host's PCI side from a page of text: tests/hosts/<name>/pci.txt becomes the
// files and links of /sys, /proc and /run that hvlaunch reads.
//
//   root pci0000:00                        a root bus; what is indented is below it
//     00:01.0 0604 8086:a70d driver=pcieport group=2
//       01:00.0 0300 10de:2684 driver=nvidia group=14 reset=flr,bus boot_vga
//         drm card0 DP-1                   a display card and its connectors
//       02:00.0 0108 144d:a80c driver=nvme group=15 serial=S1
//         nvme nvme0 nvme0n1 nvme0n1p1     a controller, its drive, the partitions
//     00:17.0 0106 8086:7a62 driver=ahci group=9
//       block sda sda1                     a disk and its partitions
//     00:19.0 0200 8086:1a1c driver=e1000e group=10
//       net eno1
//   slot 3 0000:01:00                      a slot's name and address
//   dm 0 vg-root nvme0n1p1                 device mapper's dm-0, and what it is made of
//   array md0 sda1 sdb1                    any other block device made of others
//   net br0 eno1                           an interface made of others
//   mount / dm-0                           or "mount / zfs rpool/root"
//   swap /dev/dm-1
//   route br0                              the default route; "route6" of IPv6
//   file /run/udev/data/b259:2 E:A=1 | E:B=2   any other file; "|" ends a line
//
// Attributes: driver, override, group, numa, cpus, reset, serial, vfs (how many
// there are), vfs_total, vf_offset, vf_stride, vf_device, mdev (type:instances), physfn,
// subsystem, power; and boot_vga.
#pragma once

#include "tests/temp_tree.h"

#include <string>
#include <string_view>

/// A description of 500 functions: 400 behind 100 root ports, in 10 domains,
/// with 60 drives and 10 network interfaces among them.
[[nodiscard]] std::string large_host();

/// Makes the files below the tree.
void make_pci_tree(const TempTree& tree, std::string_view description);

/// The tree of tests/hosts/<host>/pci.txt.
void make_pci_host(const TempTree& tree, std::string_view host);
