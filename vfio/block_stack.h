// SPDX-License-Identifier: MIT
//
// Block devices by the kernel's names ("dm-0", "nvme0n1p2"), what they are made
// of, and which hardware they are on.
#pragma once

#include "launcher/base/root.h"

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace hv::vfio {

class BlockStack {
 public:
  explicit BlockStack(const Root& root);

  /// Name and path below /sys/devices.
  [[nodiscard]] const std::map<std::string, std::string>& all() const { return paths_; }

  /// The one with a number, "259:2"; empty: none.
  [[nodiscard]] std::string with_number(std::string_view number) const;
  /// The one that a file of /dev is, through links; empty: none.
  [[nodiscard]] std::string at_node(std::string_view node) const;
  /// The devices of a mounted file system that may have several.
  [[nodiscard]] std::vector<std::string> members(std::string_view type,
                                                 std::string_view node) const;
  /// The disks and partitions at the bottom of a stack; itself, if it is none.
  [[nodiscard]] std::vector<std::string> disks_below(const std::string& name) const;
  /// Where its hardware is: of an NVMe drive with several controllers, each.
  [[nodiscard]] std::vector<std::string> paths(const std::string& name) const;
  /// The imported ZFS pool that it is in; empty: none.
  [[nodiscard]] std::string zfs_pool(const std::string& name) const;
  /// For people: "/dev/mapper/vg-root", "/dev/sda1".
  [[nodiscard]] std::string node(const std::string& name) const;

 private:
  const Root& root_;
  std::map<std::string, std::string> paths_;
  bool has_zfs_ = false;
};

}  // namespace hv::vfio
