// SPDX-License-Identifier: MIT
#include "profiles/decode.h"

#include <algorithm>
#include <map>

namespace hv::profiles {
namespace {

GuestNode read_guest_node(Fields& fields) {
  return {
      .pointer = fields.pointer(),
      .cpus = fields["cpus"].parsed(
          parse_cpu_set, number_set_form,
          {.text = "Its virtual CPUs; without it, in all nodes, an even share for each",
           .example = "\"0-3\""}),
      .memory_mib = fields["memory_mb"].number(
          {.min = 16, .max = largest_memory_mib, .fallback = 0, .unit = "MiB"},
          {.text = "Its part of `memory_mb`; without it, a share by the number of its CPUs",
           .example = "4096"}),
      .host_nodes = fields["host_nodes"].parsed(
          parse_number_set, number_set_form,
          {.text = "The host's NUMA nodes that its memory comes from; `pinning` by intent puts its "
                   "CPUs there, too. Without it, the node that its CPUs are pinned to",
           .example = "\"0\""}),
      .policy = fields["policy"].word(
          numa_policy_words, NumaPolicy::bind,
          {.text = "`bind`: from `host_nodes` strictly. `preferred`: from elsewhere if they are "
                   "full. `interleave`: in turn from each of them",
           .example = "\"preferred\""}),
      .distances = fields["distances"].list(
          [](const Item& item) {
            return item.number({.min = own_distance, .max = largest_distance},
                               {.text = "The distance to one node; 10 to itself", .example = "21"});
          },
          {.text = "How far the nodes are from it, in their order, as `numactl -H` shows them; "
                   "without it in any node, those of the host",
           .example = "[10, 21]"})};
}

/// What the nodes say of CPUs, against the guest's own number of them.
class CpuCheck {
 public:
  CpuCheck(const Profile& profile, Reading& reading)
      : nodes_(profile.numa.nodes), cpus_(profile.cpus), reading_(reading) {}

  void run() {
    const auto listed = std::ranges::count_if(
        nodes_, [](const GuestNode& node) { return !node.cpus.value.empty(); });
    if (!cpus_.value.automatic && nodes_.size() > cpus_.value.value)
      return note_conflict(reading_, {"/numa/nodes", cpus_.pointer},
                           fmt::format("{} nodes for {} CPUs: each node needs one", nodes_.size(),
                                       cpus_.value.value));
    if (listed == 0) return;
    for (const auto& node : nodes_) {
      if (node.cpus.value.empty())
        return note_conflict(reading_, {node.pointer, node.cpus.pointer},
                             "this node has no 'cpus', and others have",
                             "list them in each node, or in none");
      if (cpus_.value.automatic)
        return note_conflict(
            reading_, {node.cpus.pointer, cpus_.pointer},
            "the number of CPUs is the host's matter: their nodes cannot be listed",
            "leave 'cpus' out of the nodes, or say how many CPUs there are");
    }
    check_each();
    check_all();
  }

 private:
  void check_each() {
    const auto count = static_cast<std::uint32_t>(cpus_.value.value);
    for (std::size_t i = 0; i < nodes_.size(); ++i)
      for (const auto cpu : nodes_[i].cpus.value) {
        const auto& pointer = nodes_[i].cpus.pointer;
        if (cpu >= count) {
          note_conflict(reading_, {pointer, cpus_.pointer},
                        fmt::format("there is no virtual CPU {}: 'cpus' says {}, which are 0-{}",
                                    cpu, count, count - 1));
          break;
        }
        const auto [known, added] = owners_.emplace(cpu, i);
        if (added) continue;
        note_conflict(reading_, {pointer, nodes_[known->second].cpus.pointer},
                      fmt::format("virtual CPU {} is in node {} already", cpu, known->second));
        break;
      }
  }

  void check_all() {
    CpuSet missing;
    for (std::uint32_t cpu = 0; cpu < cpus_.value.value; ++cpu)
      if (!owners_.contains(cpu)) missing.insert(cpu);
    if (missing.empty()) return;
    if (std::ranges::any_of(reading_.problems, [](const Error& problem) {
          return problem.origin.pointer.starts_with("/numa/nodes/");
        }))
      return;  // It follows from that one.
    note_conflict(reading_, {"/numa/nodes", cpus_.pointer},
                  fmt::format("virtual CPU {} is in no node", to_string(missing)),
                  "each must be in one");
  }

  const std::vector<GuestNode>& nodes_;
  const Sourced<Amount>& cpus_;
  Reading& reading_;
  std::map<std::uint32_t, std::size_t> owners_;  // The node of each virtual CPU.
};

void check_memory(const Profile& profile, Reading& reading) {
  const auto& nodes = profile.numa.nodes;
  const auto& memory = profile.memory_mib;
  std::uint64_t sum = 0;
  std::string first;
  std::size_t open = 0;
  for (const auto& node : nodes) {
    sum += node.memory_mib.value;  // At most 2^39: there are 128 nodes.
    if (first.empty()) first = node.memory_mib.pointer;
    if (node.memory_mib.value == 0) ++open;
  }
  if (first.empty()) return;
  if (memory.value.automatic)
    return note_conflict(reading, {first, memory.pointer},
                         "the guest's memory is the host's matter: its nodes' cannot be said",
                         "leave 'memory_mb' out of the nodes, or say how much there is");
  const auto total = memory.value.value;
  if (open == 0 && sum != total)
    note_conflict(reading, {first, memory.pointer},
                  fmt::format("the nodes have {} MiB together, 'memory_mb' says {}", sum, total),
                  "a node without 'memory_mb' gets the rest");
  if (open != 0 && sum + open > total)
    note_conflict(
        reading, {first, memory.pointer},
        fmt::format("of {} MiB the nodes leave none for those without 'memory_mb'", total));
}

void check_distances_of(const std::vector<GuestNode>& nodes, std::size_t from, Reading& reading) {
  const auto& distances = nodes[from].distances;
  if (distances.size() != nodes.size())
    return note_conflict(reading, {nodes[from].pointer + "/distances"},
                         fmt::format("{} distances for {} nodes", distances.size(), nodes.size()),
                         fmt::format("give one for each node in their order; that of node {} is "
                                     "{}, as it is this one",
                                     from, own_distance));
  for (std::size_t to = 0; to < nodes.size(); ++to) {
    const auto& [distance, pointer] = distances[to];
    if (from == to && distance != own_distance)
      note_conflict(reading, {pointer},
                    fmt::format("the distance of node {} to itself is {}, not {}", from,
                                own_distance, distance));
    // Linux takes such a table for broken, and none of it.
    if (from != to && distance == own_distance)
      note_conflict(
          reading, {pointer},
          fmt::format("{} is the distance to itself, and this one is to node {}", distance, to),
          fmt::format("use 11 to {}", largest_distance));
    if (to >= from || nodes[to].distances.size() != nodes.size()) continue;
    const auto& back = nodes[to].distances[from];
    if (back.value != distance)
      note_conflict(
          reading, {pointer, back.pointer},
          fmt::format("it is {} from node {} to {}, and {} back", distance, from, to, back.value),
          "give both the same");
  }
}

/// What one node says of a pair is enough.
void check_distances(const Profile& profile, Reading& reading) {
  const auto& nodes = profile.numa.nodes;
  const auto says = [](const GuestNode& node) { return !node.distances.empty(); };
  if (std::ranges::none_of(nodes, says)) return;
  const GuestNode* silent = nullptr;
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    if (says(nodes[i])) {
      check_distances_of(nodes, i, reading);
      continue;
    }
    if (silent != nullptr)
      return note_conflict(reading, {nodes[i].pointer},
                           fmt::format("neither this node nor node {} says how far they are apart",
                                       silent - nodes.data()),
                           "add 'distances', one for each node in their order");
    silent = &nodes[i];
  }
}

void check_places(const Profile& profile, Reading& reading) {
  for (const auto& node : profile.numa.nodes)
    if (node.policy.given() && node.host_nodes.value.empty())
      note_conflict(reading, {node.policy.pointer, node.host_nodes.pointer},
                    "'policy' needs the 'host_nodes' that it is about");
}

}  // namespace

Numa read_numa(Fields& fields) {
  Numa numa{
      .topology = fields["topology"].word(
          numa_topology_words, NumaTopology::none,
          {.text = "`host`: the guest has a node for each host node that its CPUs are pinned to, "
                   "with its share of memory from there. `none`: only those of `nodes`",
           .example = "\"host\""}),
      .nodes = fields["nodes"].list(
          [](const Item& item) {
            return item.object(read_guest_node,
                               {.text = "A NUMA node that the guest sees",
                                .example = R"({"cpus": "0-3", "host_nodes": "0"})"});
          },
          {.text = "The NUMA nodes that the guest sees",
           .example = R"([{"host_nodes": "0"}, {"host_nodes": "1"}])"}),
      .nodeset = {}};
  const auto [nodes, pointer] = fields["nodeset"].parsed(
      parse_number_set, number_set_form,
      {.text = "The host's NUMA nodes that the memory of a guest without `nodes` comes from, "
               "strictly",
       .example = "\"0-1\""});
  numa.nodeset.reserve(nodes.size());
  for (const auto node : nodes) numa.nodeset.push_back({node, pointer});
  return numa;
}

std::optional<NumaLimit> numa_limit(Arch arch, const std::vector<CpuSet>& nodes) {
  const bool riscv = arch == Arch::riscv64;
  const std::size_t most = riscv ? 4 : 128;  // QEMU's VIRT_SOCKETS_MAX, MAX_NODES.
  if (nodes.size() > most)
    return NumaLimit{.node = most,
                     .message = fmt::format("{} nodes: a guest of {} has at most {}", nodes.size(),
                                            to_string(arch), most)};
  if (!riscv) return std::nullopt;
  for (std::size_t i = 0; i < nodes.size(); ++i)
    if (const auto& cpus = nodes[i];
        !cpus.empty() && *std::ranges::max_element(cpus) - cpus.front() + 1 != cpus.size())
      return NumaLimit{.node = i,
                       .message = fmt::format("a node of riscv64 has CPUs that follow each other, "
                                              "and '{}' do not",
                                              to_string(cpus))};
  return std::nullopt;
}

void check_numa(const Profile& profile, Reading& reading) {
  const auto& [topology, nodes, nodeset] = profile.numa;
  const bool mirrors = topology.value == NumaTopology::host;
  if (mirrors && !nodes.empty())
    note_conflict(reading, {topology.pointer}, "'host' finds the nodes, and 'nodes' lists them",
                  "leave one of the two out");
  if (mirrors && !profile.pinning.vcpus.given() && profile.cpu_pinning.empty())
    note_conflict(reading, {topology.pointer, profile.pinning.vcpus.pointer},
                  "'host' needs to know where the vCPUs run",
                  "add \"pinning\": \"spread\", or another that is over several nodes");
  if (!nodeset.empty() && (mirrors || !nodes.empty()))
    note_conflict(reading, {nodeset.front().pointer},
                  "'nodeset' is for a guest without nodes of its own",
                  "leave it out: each node has its own 'host_nodes'");
  if (nodes.empty()) return;
  std::vector<CpuSet> cpus;
  cpus.reserve(nodes.size());
  for (const auto& node : nodes) cpus.push_back(node.cpus.value);
  if (const auto limit = numa_limit(profile.arch.value, cpus)) {
    note_conflict(reading, {fmt::format("/numa/nodes/{}", limit->node), profile.arch.pointer},
                  limit->message);
    return;
  }
  CpuCheck(profile, reading).run();
  check_memory(profile, reading);
  check_distances(profile, reading);
  check_places(profile, reading);
}

}  // namespace hv::profiles
