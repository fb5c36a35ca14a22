// SPDX-License-Identifier: MIT
#include "launcher/base/text.h"
#include "launcher/host/facts.h"
#include "launcher/host/topology.h"

#include <algorithm>
#include <charconv>

namespace hv::host {
namespace {

std::uint64_t number_in(std::string_view text) {
  const auto first = std::min(text.find_first_of("0123456789"), text.size());
  std::uint64_t value = 0;
  (void)std::from_chars(text.data() + first, text.data() + text.size(), value);  // None: 0.
  return value;
}

std::uint64_t number_at(const Root& root, const std::string& path) {
  const auto text = root.read(path);
  return text ? number_in(*text) : 0;
}

/// "Node 0 MemTotal:   131072 kB" of a node, "MemTotal:   131072 kB" of the host.
std::uint64_t mib_of(std::string_view meminfo, std::string_view key) {
  const auto found = meminfo.find(key);
  return found == std::string_view::npos ? 0 : number_in(meminfo.substr(found)) / 1024;
}

std::vector<NodePool> read_pools(const Root& root, const std::string& directory) {
  std::vector<NodePool> pools;
  const auto names = root.list(directory);
  if (!names) return pools;
  for (const auto& name : *names) {
    const auto pool = fmt::format("{}/{}", directory, name);
    pools.push_back({.page_kib = number_in(name),
                     .pages = number_at(root, pool + "/nr_hugepages"),
                     .free = number_at(root, pool + "/free_hugepages"),
                     .surplus = number_at(root, pool + "/surplus_hugepages")});
  }
  std::ranges::sort(pools, {}, &NodePool::page_kib);
  return pools;
}

void read_memory(const Root& root, const std::string& meminfo, Node& node) {
  const auto text = root.read(meminfo);
  if (!text) return;
  node.memory_mib = mib_of(*text, "MemTotal:");
  node.free_mib = mib_of(*text, "MemFree:");
}

Node read_node(const Root& root, std::uint64_t number, const CpuSet& online) {
  const auto directory = fmt::format("/sys/devices/system/node/node{}", number);
  Node node{.number = static_cast<std::uint32_t>(number)};
  if (const auto text = root.read(directory + "/cpulist"); text) {
    const auto cpus = parse_cpu_list(*text);
    node.cpus = CpuSet(std::vector<std::uint32_t>(cpus.begin(), cpus.end())) & online;
  }
  read_memory(root, directory + "/meminfo", node);
  if (const auto text = root.read(directory + "/distance"))
    for (const auto word : split(*text, ' '))
      if (!word.empty()) node.distances.push_back(static_cast<std::uint32_t>(number_in(word)));
  node.pools = read_pools(root, directory + "/hugepages");
  return node;
}

}  // namespace

std::vector<Node> read_nodes(const Root& root, const CpuSet& online) {
  std::vector<Node> nodes;
  CpuSet placed;
  if (const auto numbers = root.read("/sys/devices/system/node/online"))
    for (const auto number : parse_cpu_list(*numbers)) {
      nodes.push_back(read_node(root, number, online));
      placed |= nodes.back().cpus;
    }
  for (auto& node : nodes)
    if (node.distances.size() != nodes.size()) node.distances.clear();
  // A kernel without NUMA, a container that shows none: all is node 0.
  if (nodes.empty()) nodes.emplace_back();
  nodes.front().cpus |= online - placed;
  if (nodes.size() > 1) return nodes;
  if (nodes.front().memory_mib == 0) read_memory(root, "/proc/meminfo", nodes.front());
  if (nodes.front().pools.empty())
    nodes.front().pools = read_pools(root, "/sys/kernel/mm/hugepages");
  return nodes;
}

}  // namespace hv::host
