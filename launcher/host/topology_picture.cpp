// SPDX-License-Identifier: MIT
#include "launcher/host/topology_picture.h"

#include "launcher/base/text.h"

#include <algorithm>
#include <set>

namespace hv::host {
namespace {

std::string size_text(std::uint64_t mib) {
  if (mib < 1024) return fmt::format("{} MiB", mib);
  return mib % 1024 == 0 ? fmt::format("{} GiB", mib / 1024)
                         : fmt::format("{:.1f} GiB", static_cast<double>(mib) / 1024);
}

std::string page_text(std::uint64_t kib) {
  return kib < 1024 ? fmt::format("{} KiB", kib) : size_text(kib / 1024);
}

std::string counted(std::size_t count, std::string_view what) {
  return fmt::format("{} {}{}", count, what, count == 1 ? "" : "s");
}

bool is_in(const NearDevice& device, const Node& node, const Topology& host) {
  // One node is where all is, whether or not the firmware says so.
  return device.node ? *device.node == node.number : host.nodes.size() == 1;
}

/// The last of `list`, or a new one.
template <class T, class Same>
T& last_or_new(std::vector<T>& list, Same same) {
  if (list.empty() || !same(list.back())) list.emplace_back();
  return list.back();
}

}  // namespace

std::vector<PackagePart> parts_of(const Picture& picture) {
  const auto& host = picture.host;
  std::vector<PackagePart> packages;
  std::set<std::uint32_t> seen;
  for (const auto& core : host.cores) {
    auto& package = last_or_new(packages, [&](auto& last) { return last.number == core.package; });
    package.number = core.package;
    const auto* const node = host.find_node(core.node);
    auto& part = last_or_new(package.nodes, [&](auto& last) { return last.node == node; });
    part.node = node;
    if (node != nullptr && seen.insert(node->number).second)
      for (const auto& device : picture.devices)
        if (is_in(device, *node, host)) part.devices.push_back(&device);
    const auto* const cache = &host.caches[core.cache];
    auto& group = last_or_new(part.groups, [&](auto& last) {
      return last.cache == cache && last.kind == core.kind && last.cores.front()->die == core.die;
    });
    group.cache = cache;
    group.kind = core.kind;
    group.cores.push_back(&core);
  }
  return packages;
}

Tenants tenants_of(const Picture& picture) {
  Tenants tenants;
  for (const auto& [name, vcpu, cpus] : picture.vcpus) {
    const auto found = std::ranges::find(tenants.guests, name, &Tenants::Guest::name);
    const auto index = static_cast<std::size_t>(found - tenants.guests.begin());
    if (found == tenants.guests.end())
      tenants.guests.push_back(
          {.name = name,
           .letter = index < 26 ? std::string(1, "abcdefghijklmnopqrstuvwxyz"[index]) : "*"});
    auto& guest = tenants.guests[index];
    ++guest.vcpus;
    guest.cpus |= cpus;
    for (const auto cpu : cpus) {
      const auto [use, is_new] = tenants.uses.try_emplace(cpu);
      auto& [owner, label, who] = use->second;
      if (is_new) {
        owner = index;
        label = fmt::format("{}{}", guest.letter, vcpu);
        who = fmt::format("{} vCPU {}", name, vcpu);
        continue;
      }
      label = owner == index && label != "++" ? guest.letter + "+" : "++";
      who +=
          owner == index ? fmt::format(", vCPU {}", vcpu) : fmt::format(", {} vCPU {}", name, vcpu);
    }
  }
  return tenants;
}

std::vector<const NearDevice*> devices_elsewhere(const Picture& picture) {
  std::vector<const NearDevice*> devices;
  for (const auto& device : picture.devices)
    if (std::ranges::none_of(picture.host.nodes, [&](const Node& node) {
          return !node.cpus.empty() && is_in(device, node, picture.host);
        }))
      devices.push_back(&device);
  return devices;
}

std::vector<const Node*> nodes_without_cpus(const Topology& host) {
  std::vector<const Node*> nodes;
  for (const auto& node : host.nodes)
    if (node.cpus.empty()) nodes.push_back(&node);
  return nodes;
}

std::string title_of(const CoreGroup& group) {
  CpuSet cpus;
  for (const auto* const core : group.cores) cpus |= core->cpus;
  std::string title;
  if (group.kind != CpuKind::uniform)
    title = group.kind == CpuKind::performance ? "P-cores, " : "E-cores, ";
  if (group.cores.front()->die != 0) title += fmt::format("die {}, ", group.cores.front()->die);
  if (group.cache->level != 0)
    title += fmt::format("{}L{} {}, ", cpus == group.cache->cpus ? "" : "shared ",
                         group.cache->level, page_text(group.cache->size_kib));
  return title + fmt::format("CPU{} {}", cpus.size() == 1 ? "" : "s", to_string(cpus));
}

std::string summary_of(const Topology& host) {
  std::set<std::uint32_t> packages;
  for (const auto& core : host.cores) packages.insert(core.package);
  std::uint64_t mib = 0;
  for (const auto& node : host.nodes) mib += node.memory_mib;
  auto text = fmt::format("{}, {}, {}, {}", counted(packages.size(), "package"),
                          counted(host.cores.size(), "core"), counted(host.online.size(), "CPU"),
                          counted(host.nodes.size(), "NUMA node"));
  if (mib != 0) text += ", " + size_text(mib);
  return text;
}

std::string memory_of(const Node& node) {
  if (node.memory_mib == 0) return "";
  return fmt::format("{}, {} free", size_text(node.memory_mib), size_text(node.free_mib));
}

std::vector<std::string> pools_of(const Node& node) {
  std::vector<std::string> pools;
  for (const auto& [page_kib, pages, free, surplus] : node.pools)
    if (pages + surplus != 0)
      pools.push_back(fmt::format("{}: {} of {} free{}", page_text(page_kib), free, pages,
                                  surplus == 0 ? "" : fmt::format(", {} surplus", surplus)));
  return pools;
}

std::vector<std::string> notes_of(const Topology& host) {
  struct Row {
    const char* what;
    CpuSet cpus;
  };
  const Row rows[] = {{"offline", host.present - host.online},
                      {"isolated", host.isolated},
                      {"without timer tick (nohz_full)", host.nohz_full},
                      {"not for this service or session", host.online - host.allowed}};
  std::vector<std::string> notes;
  for (const auto& [what, cpus] : rows)
    if (!cpus.empty()) notes.push_back(fmt::format("{}: {}", what, to_string(cpus)));
  return notes;
}

MemoryShares shares_of(const Node& node) {
  if (node.memory_mib == 0) return {};
  std::uint64_t huge_kib = 0;
  for (const auto& pool : node.pools) huge_kib += pool.pages * pool.page_kib;
  const auto all = static_cast<double>(node.memory_mib);
  const auto free = std::min(1.0, static_cast<double>(node.free_mib) / all);
  return {.huge = std::min(1.0 - free, static_cast<double>(huge_kib) / 1024 / all), .free = free};
}

std::size_t per_row(std::size_t count, std::size_t most) {
  most = std::max<std::size_t>(most, 1);
  if (count <= most) return count;
  for (auto row = most; row * 2 >= most; --row)
    if (count % row == 0) return row;
  const auto rows = (count + most - 1) / most;
  return (count + rows - 1) / rows;
}

}  // namespace hv::host
