// SPDX-License-Identifier: MIT
#include "launcher/host/topology.h"

#include "launcher/host/facts.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <optional>
#include <tuple>

namespace hv::host {
namespace {

constexpr std::string_view cpu_directory = "/sys/devices/system/cpu";

std::optional<CpuSet> set_at(const Root& root, const std::string& path) {
  const auto text = root.read(path);
  if (!text) return std::nullopt;
  const auto numbers = parse_cpu_list(*text);
  return CpuSet(std::vector<std::uint32_t>(numbers.begin(), numbers.end()));
}

/// Firmware that does not know says -1; so do virtual machines on ARM.
std::optional<std::uint32_t> number_at(const Root& root, const std::string& path) {
  const auto text = root.read(path);
  std::uint32_t value = 0;
  if (!text || std::from_chars(text->data(), text->data() + text->size(), value).ec != std::errc{})
    return std::nullopt;
  return value;
}

/// Sizes read "32768K".
std::uint64_t size_at(const Root& root, const std::string& path) {
  return number_at(root, path).value_or(0);
}

/// A file of each CPU that says the same for all CPUs of a set, which another
/// file lists: read for one of them.
class SharedNumbers {
 public:
  SharedNumbers(std::string number, std::vector<std::string> lists)
      : number_(std::move(number)), lists_(std::move(lists)) {}

  std::uint32_t of(const Root& root, const std::string& directory, std::uint32_t cpu) {
    if (const auto known = values_.find(cpu); known != values_.end()) return known->second;
    const auto value = number_at(root, directory + number_).value_or(0);
    values_[cpu] = value;
    for (const auto& list : lists_) {
      const auto members = set_at(root, directory + list);
      if (!members) continue;
      for (const auto member : *members) values_[member] = value;
      break;
    }
    return value;
  }

 private:
  std::string number_;
  std::vector<std::string> lists_;  // The first that exists: names of newer kernels first.
  std::map<std::uint32_t, std::uint32_t> values_;
};

std::string directory_of(std::uint32_t cpu) {
  return fmt::format("{}/cpu{}", cpu_directory, cpu);
}

CpuSet siblings_of(const Root& root, std::uint32_t cpu, const CpuSet& online) {
  for (const auto* const list : {"/topology/core_cpus_list", "/topology/thread_siblings_list"})
    if (auto set = set_at(root, directory_of(cpu) + list)) {
      const auto siblings = *set & online;
      if (siblings.contains(cpu)) return siblings;
    }
  return {cpu};
}

/// The L3, or without one the highest cache that other cores share as well. On
/// Intel's hybrids, E-cores share an L2 by fours below the L3 of all.
std::optional<Cache> shared_cache_of(const Root& root, const Core& core, const CpuSet& online) {
  std::optional<Cache> best;
  for (std::uint32_t index = 0;; ++index) {
    const auto directory = fmt::format("{}/cache/index{}", directory_of(core.cpus.front()), index);
    const auto level = number_at(root, directory + "/level");
    if (!level) return best;
    if (*level > 3 || (best && best->level >= *level)) continue;
    const auto cpus = set_at(root, directory + "/shared_cpu_list").value_or(CpuSet{}) & online;
    const bool shared = *level == 3 || cpus.size() > core.cpus.size();
    if (shared && cpus.contains(core.cpus))
      best = Cache{.level = *level, .size_kib = size_at(root, directory + "/size"), .cpus = cpus};
  }
}

std::vector<Core> read_cores(const Root& root, const CpuSet& online) {
  SharedNumbers packages("/topology/physical_package_id",
                         {"/topology/package_cpus_list", "/topology/core_siblings_list"});
  SharedNumbers dies("/topology/die_id", {"/topology/die_cpus_list"});
  std::vector<Core> cores;
  CpuSet seen;
  for (const auto cpu : online) {
    if (seen.contains(cpu)) continue;
    const auto directory = directory_of(cpu);
    cores.push_back({.package = packages.of(root, directory, cpu),
                     .die = dies.of(root, directory, cpu),
                     .id = number_at(root, directory + "/topology/core_id").value_or(cpu),
                     .cpus = siblings_of(root, cpu, online) - seen});
    seen |= cores.back().cpus;
  }
  return cores;
}

/// A CPU counts as of the performance kind if it does more than half of what
/// the strongest does: ARM's middle cores are no little ones.
void set_kinds_by_capacity(const Root& root, std::vector<Core>& cores) {
  std::vector<std::uint32_t> capacities;
  for (const auto& core : cores) {
    const auto capacity = number_at(root, directory_of(core.cpus.front()) + "/cpu_capacity");
    if (!capacity) return;
    capacities.push_back(*capacity);
  }
  const auto strongest = std::ranges::max(capacities);
  if (std::ranges::min(capacities) * 2 > strongest) return;
  for (std::size_t i = 0; i < cores.size(); ++i)
    cores[i].kind = capacities[i] * 2 > strongest ? CpuKind::performance : CpuKind::efficiency;
}

/// The PMUs of Intel's hybrids list their CPUs; `topology/core_type`, which
/// some programs look for, is in no kernel. What is not a cpu_core is a
/// cpu_atom, or of a weaker kind still.
void set_kinds(const Root& root, std::vector<Core>& cores) {
  if (cores.empty()) return;
  const auto strong = set_at(root, "/sys/devices/cpu_core/cpus");
  if (!strong || strong->empty() || !root.exists("/sys/devices/cpu_atom/cpus"))
    return set_kinds_by_capacity(root, cores);
  for (auto& core : cores)
    core.kind = strong->contains(core.cpus.front()) ? CpuKind::performance : CpuKind::efficiency;
}

void set_nodes(std::vector<Core>& cores, const std::vector<Node>& nodes) {
  for (auto& core : cores)
    for (const auto& node : nodes)
      if (node.cpus.contains(core.cpus.front())) core.node = node.number;
}

std::vector<Cache> read_caches(const Root& root, std::vector<Core>& cores, const CpuSet& online) {
  std::vector<Cache> caches;
  std::map<std::tuple<std::uint32_t, std::uint32_t, std::uint32_t>, std::size_t> stand_ins;
  CpuSet seen;
  for (auto& core : cores) {
    if (seen.contains(core.cpus.front())) {
      core.cache = static_cast<std::size_t>(
          std::ranges::find_if(
              caches, [&](const Cache& cache) { return cache.cpus.contains(core.cpus.front()); }) -
          caches.begin());
      continue;
    }
    core.cache = caches.size();
    if (auto cache = shared_cache_of(root, core, online)) {
      seen |= cache->cpus;
      caches.push_back(*std::move(cache));
      continue;
    }
    const auto [place, is_new] =
        stand_ins.try_emplace({core.package, core.die, core.node}, caches.size());
    if (is_new) caches.emplace_back();
    core.cache = place->second;
    caches[core.cache].cpus |= core.cpus;
  }
  return caches;
}

}  // namespace

const Core* Topology::core_of(std::uint32_t cpu) const {
  const auto found =
      std::ranges::find_if(cores, [&](const Core& core) { return core.cpus.contains(cpu); });
  return found == cores.end() ? nullptr : &*found;
}

const Node* Topology::find_node(std::uint32_t number) const {
  const auto found = std::ranges::find(nodes, number, &Node::number);
  return found == nodes.end() ? nullptr : &*found;
}

bool Topology::hybrid() const {
  return std::ranges::any_of(cores, [](const Core& core) { return core.kind != CpuKind::uniform; });
}

CpuSet read_cpuset(const Root& root, std::string_view process) {
  const auto text = root.read(fmt::format("/proc/{}/cgroup", process));
  // "0::/user.slice/…" is the line of cgroup v2; v1 hosts have no such line, or one without files.
  const auto start = text ? text->find("0::/") : std::string::npos;
  if (start == std::string::npos) return {};
  auto path = text->substr(start + 3, text->find('\n', start) - start - 3);
  for (;;) {
    if (const auto set = set_at(root, fmt::format("/sys/fs/cgroup{}/cpuset.cpus.effective", path));
        set && !set->empty())
      return *set;
    if (path.empty()) return {};
    path.erase(path.rfind('/'));
  }
}

Topology read_topology(const Root& root) {
  Topology topology;
  const auto file = [](std::string_view name) { return fmt::format("{}/{}", cpu_directory, name); };
  topology.online = set_at(root, file("online")).value_or(CpuSet{});
  if (topology.online.empty()) topology.online = {0};
  topology.present = set_at(root, file("present")).value_or(CpuSet{}) | topology.online;
  topology.isolated = set_at(root, file("isolated")).value_or(CpuSet{}) & topology.online;
  topology.nohz_full = set_at(root, file("nohz_full")).value_or(CpuSet{}) & topology.online;
  const auto cpuset = read_cpuset(root);
  topology.allowed = cpuset.empty() ? topology.online : cpuset & topology.online;
  topology.nodes = read_nodes(root, topology.online);
  topology.cores = read_cores(root, topology.online);
  set_nodes(topology.cores, topology.nodes);
  topology.caches = read_caches(root, topology.cores, topology.online);
  set_kinds(root, topology.cores);
  std::ranges::sort(topology.cores, {}, [](const Core& core) {
    return std::tuple(core.package, core.die, core.node, core.cache, core.kind, core.cpus.front());
  });
  return topology;
}

}  // namespace hv::host
