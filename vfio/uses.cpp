// SPDX-License-Identifier: MIT
#include "vfio/uses.h"

#include "launcher/base/text.h"
#include "vfio/block_stack.h"
#include "vfio/sysfs.h"

#include <algorithm>
#include <map>
#include <set>

namespace hv::vfio {
namespace {

/// The columns of a line of /proc, whatever stands between them.
std::vector<std::string_view> columns_of(std::string_view line) {
  std::vector<std::string_view> columns;
  for (auto rest = line; !rest.empty();) {
    const auto first = rest.find_first_not_of(" \t");
    if (first == std::string_view::npos) break;
    rest.remove_prefix(first);
    const auto end = std::min(rest.find_first_of(" \t"), rest.size());
    columns.push_back(rest.substr(0, end));
    rest.remove_prefix(end);
  }
  return columns;
}

/// Paths in /proc have \040 for a space.
std::string unescaped(std::string_view text) {
  std::string plain;
  for (std::size_t i = 0; i < text.size(); ++i) {
    unsigned code = 0;
    const auto* const digits = text.data() + i + 1;
    if (text[i] == '\\' && i + 3 < text.size() &&
        std::from_chars(digits, digits + 3, code, 8).ptr == digits + 3) {
      plain += static_cast<char>(code);
      i += 3;
    } else {
      plain += text[i];
    }
  }
  return plain;
}

/// Attributes what the host uses to the functions it is behind.
class Finder {
 public:
  Finder(const Root& root, std::vector<Function>& functions)
      : root_(root), functions_(functions), blocks_(root) {
    for (auto& function : functions_) function.uses.clear();
  }

  void find() {
    find_mounts();
    find_swaps();
    find_stacked();
    find_routes();
    find_displays();
    for (auto& function : functions_)  // The worst first.
      std::ranges::stable_sort(function.uses, {}, &Use::kind);
  }

 private:
  /// The functions that a path of /sys/devices leads through, without bridges.
  std::vector<Function*> owners(std::string_view path) const {
    std::vector<Function*> found;
    for (const auto part : split(path, '/'))
      if (const auto address = parse_pci_address(part); address && part.size() == 12) {
        const auto at = std::ranges::lower_bound(functions_, *address, {}, &Function::address);
        if (at != functions_.end() && at->address == *address && !at->is_bridge())
          found.push_back(&*at);
      }
    return found;
  }

  void add(std::string_view path, const Use& use) {
    for (auto* const function : owners(path))
      if (std::ranges::find(function->uses, use) == function->uses.end())
        function->uses.push_back(use);
  }

  /// A use of a block device, attributed to the disks that it is made of.
  void add_block(const std::string& block, Use::Kind kind, std::string_view how) {
    for (const auto& disk : blocks_.disks_below(block)) {
      const auto through = disk == block ? "" : fmt::format(", below {}", blocks_.node(block));
      used_.insert(disk);
      for (const auto& path : blocks_.paths(disk))
        add(path,
            {.kind = kind, .holder = fmt::format("{}{}, {}", blocks_.node(disk), through, how)});
    }
  }

  void find_mounts();
  void find_swaps();
  void find_stacked();
  void find_routes();
  void find_displays();
  void add_interface(const std::string& name, const std::string& route,
                     std::set<std::string>& seen);

  const Root& root_;
  std::vector<Function>& functions_;
  BlockStack blocks_;
  std::set<std::string> used_;                ///< Disks and partitions with a use.
  std::map<std::string, std::string> pools_;  ///< Of mounted ZFS: where.
};

/// Remembers where something is mounted: "/" of all places, or the first.
void remember(std::map<std::string, std::string>& mounts, const std::string& what,
              const std::string& where) {
  const auto [known, is_new] = mounts.try_emplace(what, where);
  if (!is_new && where == "/") known->second = where;
}

void Finder::find_mounts() {
  std::map<std::string, std::string> mounts;
  const auto text = text_at(root_, "/proc/self/mountinfo");
  for (const auto line : split(text, '\n')) {
    const auto columns = columns_of(line);
    const auto dash = std::ranges::find(columns, "-");
    if (columns.size() < 7 || columns.end() - dash < 3) continue;
    const auto where = unescaped(columns[4]);
    const auto source = unescaped(dash[2]);
    if (!columns[2].starts_with("0:"))
      remember(mounts, blocks_.with_number(columns[2]), where);
    else if (dash[1] == "zfs")
      remember(pools_, source.substr(0, source.find('/')), where);
    else  // File systems over several disks have no device's number.
      for (const auto node : split(source, ':'))
        for (const auto& block : blocks_.members(dash[1], node)) remember(mounts, block, where);
  }
  for (const auto& [block, where] : mounts)
    add_block(block, where == "/" ? Use::Kind::root_disk : Use::Kind::filesystem,
              fmt::format("mounted on {}", where));
}

void Finder::find_swaps() {
  // A swap file's file system is mounted.
  const auto text = text_at(root_, "/proc/swaps");
  for (const auto line : split(text, '\n'))
    if (const auto columns = columns_of(line); columns.size() > 1 && columns[1] == "partition")
      add_block(blocks_.at_node(unescaped(columns[0])), Use::Kind::swap, "swap");
}

/// What is used by something that is not mounted, or not on this host.
void Finder::find_stacked() {
  for (const auto& [name, path] : blocks_.all()) {
    if (used_.contains(name)) continue;
    const auto paths = blocks_.paths(name);
    if (std::ranges::all_of(paths, [&](const auto& each) { return owners(each).empty(); }))
      continue;
    Use use{.kind = Use::Kind::stacked, .holder = {}};
    const auto holders = names_in(root_, path + "/holders");
    if (!holders.empty()) {
      use.holder = fmt::format("{}, part of {}", blocks_.node(name), blocks_.node(holders.front()));
    } else if (const auto pool = blocks_.zfs_pool(name); !pool.empty()) {
      const auto mounted = pools_.find(pool);
      use.holder = fmt::format("{}, part of ZFS pool {}", blocks_.node(name), pool);
      if (mounted != pools_.end()) {
        use.kind = mounted->second == "/" ? Use::Kind::root_disk : Use::Kind::filesystem;
        use.holder += fmt::format(", mounted on {}", mounted->second);
      }
    } else {
      continue;
    }
    for (const auto& each : paths) add(each, use);
  }
}

/// The interfaces of default routes: of IPv4 with an empty mask, of IPv6 with an
/// empty prefix. The kernel's own "unreachable" is on lo.
std::set<std::string> default_routes(const Root& root) {
  std::set<std::string> interfaces;
  const auto ipv4 = text_at(root, "/proc/net/route");
  for (const auto line : split(ipv4, '\n'))
    if (const auto columns = columns_of(line);
        columns.size() > 7 && columns[1] == "00000000" && columns[7] == "00000000")
      interfaces.emplace(columns[0]);
  const auto ipv6 = text_at(root, "/proc/net/ipv6_route");
  const std::string nowhere(32, '0');
  for (const auto line : split(ipv6, '\n'))
    if (const auto columns = columns_of(line);
        columns.size() > 9 && columns[0] == nowhere && columns[1] == "00" && columns[9] != "lo")
      interfaces.emplace(columns[9]);
  interfaces.erase("*");  // A route that rejects has no interface.
  return interfaces;
}

void Finder::find_routes() {
  for (const auto& interface : default_routes(root_)) {
    std::set<std::string> seen;
    add_interface(interface, interface, seen);
    // An Open vSwitch bridge is no master of its ports: all are of one datapath.
    if (seen.size() == 1 && link_path(root_, "/sys/class/net/" + interface).contains("/virtual/"))
      add_interface("ovs-system", interface, seen);
  }
}

/// An interface, and those it is made of: bridges, bonds, VLANs, macvlans.
void Finder::add_interface(const std::string& name, const std::string& route,
                           std::set<std::string>& seen) {
  if (!seen.insert(name).second) return;
  const auto path = link_path(root_, "/sys/class/net/" + name);
  if (!path.contains("/virtual/")) {
    const auto through = name == route ? name : fmt::format("{} through {}", route, name);
    return add(
        path, {.kind = Use::Kind::route, .holder = fmt::format("the default route ({})", through)});
  }
  for (const auto& entry : names_in(root_, path))
    if (entry.starts_with("lower_")) add_interface(entry.substr(6), route, seen);
}

/// A card with connectors is a display; one without only computes.
void Finder::find_displays() {
  const auto names = names_in(root_, "/sys/class/drm");
  std::map<std::string, std::string> screens;  // Path, and what is there.
  for (const auto& card : names) {
    if (!card.starts_with("card") || card.contains('-')) continue;
    const bool has_connector = std::ranges::any_of(names, [&](const std::string& name) {
      return name.starts_with(card + "-") && !name.contains("Writeback");
    });
    const auto path = link_path(root_, "/sys/class/drm/" + card);
    if (has_connector && !path.contains("-framebuffer")) screens.emplace(path, card);
  }
  for (const auto& name : names_in(root_, "/sys/class/graphics"))
    if (const auto path = link_path(root_, "/sys/class/graphics/" + name);
        name.starts_with("fb") && path.contains("/pci"))
      screens.emplace(path, name);

  std::map<const Function*, std::string> displays;
  std::set<std::string> places;  // A card and its framebuffer are one.
  for (const auto& [path, name] : screens) {
    const auto kind = path.find(name.starts_with("fb") ? "/graphics/" : "/drm/");
    places.insert(path.substr(0, kind));
    for (const auto* const function : owners(path)) displays.try_emplace(function, name);
  }
  for (auto& function : functions_) {
    if (function.class_code >> 16U != 0x03 || function.has_guest_driver()) continue;
    const auto found = displays.find(&function);
    const bool shows = found != displays.end();
    const bool is_only = shows && places.size() == 1;
    // Without a driver, the firmware's framebuffer or VGA text is still on it.
    const bool is_console = function.boot_vga && (shows || places.empty());
    if (is_only || is_console)
      function.uses.push_back(
          {.kind = Use::Kind::display,
           .holder = fmt::format("the {} display{}", is_only || places.empty() ? "only" : "boot",
                                 shows ? fmt::format(" ({})", found->second) : "")});
  }
}

}  // namespace

void find_uses(const Root& root, std::vector<Function>& functions) {
  Finder(root, functions).find();
}

}  // namespace hv::vfio
