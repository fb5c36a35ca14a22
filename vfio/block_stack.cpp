// SPDX-License-Identifier: MIT
#include "vfio/block_stack.h"

#include "launcher/base/text.h"
#include "vfio/sysfs.h"

#include <algorithm>
#include <set>

namespace hv::vfio {
namespace {

constexpr std::string_view mapper = "/dev/mapper/";

}  // namespace

BlockStack::BlockStack(const Root& root)
    : root_(root), has_zfs_(root.exists("/proc/spl/kstat/zfs")) {
  for (auto& name : names_in(root, "/sys/class/block"))
    paths_.emplace(name, link_path(root, "/sys/class/block/" + name));
}

std::string BlockStack::with_number(std::string_view number) const {
  return link_name(root_, fmt::format("/sys/dev/block/{}", number));
}

std::string BlockStack::at_node(std::string_view node) const {
  std::string path(node);
  // /dev/disk/by-uuid/… leads to /dev/mapper/… leads to /dev/dm-0.
  for (int links = 0; links < 8 && path.starts_with("/dev/"); ++links) {
    auto name = path.substr(5);
    std::ranges::replace(name, '/', '!');  // As in "cciss!c0d0".
    if (paths_.contains(name)) return name;
    if (path.starts_with(mapper))
      for (const auto& [block, where] : paths_)
        if (block.starts_with("dm-") &&
            text_at(root_, where + "/dm/name") == path.substr(mapper.size()))
          return block;
    path = link_path(root_, path);
  }
  return {};
}

std::vector<std::string> BlockStack::members(std::string_view type, std::string_view node) const {
  const auto block = at_node(node);
  if (block.empty()) return {};
  constexpr const char* directory = "/sys/fs/btrfs";
  if (type == "btrfs")
    for (const auto& uuid : names_in(root_, directory)) {
      auto devices = names_in(root_, fmt::format("{}/{}/devices", directory, uuid));
      if (std::ranges::find(devices, block) != devices.end()) return devices;
    }
  return {block};
}

std::vector<std::string> BlockStack::disks_below(const std::string& name) const {
  std::set<std::string> seen{name};
  std::vector<std::string> open{name};
  std::vector<std::string> disks;
  while (!open.empty()) {
    const auto block = open.back();
    open.pop_back();
    const auto found = paths_.find(block);
    if (found == paths_.end()) continue;
    const auto slaves = names_in(root_, found->second + "/slaves");
    if (slaves.empty()) disks.push_back(block);
    for (const auto& slave : slaves)
      if (seen.insert(slave).second) open.push_back(slave);
  }
  std::ranges::sort(disks);
  return disks;
}

std::vector<std::string> BlockStack::paths(const std::string& name) const {
  const auto found = paths_.find(name);
  if (found == paths_.end()) return {};
  // With native multipath, a drive is below its subsystem and no controller.
  constexpr std::string_view subsystems = "/virtual/nvme-subsystem/";
  const auto at = found->second.find(subsystems);
  if (at == std::string::npos) return {found->second};
  const auto subsystem = found->second.substr(0, found->second.find('/', at + subsystems.size()));
  std::vector<std::string> controllers;
  for (const auto& entry : names_in(root_, subsystem))
    if (entry.starts_with("nvme"))
      if (auto path = link_path(root_, fmt::format("{}/{}", subsystem, entry)); !path.empty())
        controllers.push_back(std::move(path));
  return controllers;
}

std::string BlockStack::zfs_pool(const std::string& name) const {
  if (!has_zfs_) return {};
  // ZFS tells sysfs nothing of its members; udev has read their labels.
  const auto number = text_at(root_, paths_.at(name) + "/dev");
  const auto text = text_at(root_, "/run/udev/data/b" + number);
  std::string_view pool;
  bool member = false;
  constexpr std::string_view label = "E:ID_FS_LABEL=";
  for (const auto line : split(text, '\n')) {
    if (line == "E:ID_FS_TYPE=zfs_member") member = true;
    if (line.starts_with(label)) pool = line.substr(label.size());
  }
  if (!member || pool.empty()) return {};
  const bool imported = root_.exists(fmt::format("/proc/spl/kstat/zfs/{}", pool));
  return imported ? std::string(pool) : "";
}

std::string BlockStack::node(const std::string& name) const {
  const auto found = paths_.find(name);
  if (name.starts_with("dm-") && found != paths_.end())
    if (const auto mapped = text_at(root_, found->second + "/dm/name"); !mapped.empty())
      return fmt::format("{}{}", mapper, mapped);
  auto path = "/dev/" + name;
  std::ranges::replace(path, '!', '/');
  return path;
}

}  // namespace hv::vfio
