// SPDX-License-Identifier: MIT
//
// The NUMA nodes that the guest sees: which vCPUs and how much memory they
// have, where on the host these are, and how far apart they are.
#include "launcher/plan/resolver.h"

#include <algorithm>
#include <numeric>
#include <set>

namespace hv::plan {
namespace {

using profiles::NumaTopology;

/// Of the newest machine, the only one whose properties are asked for.
bool machine_has(const Resolver& in, std::string_view property) {
  const bool x86 = in.profile().arch.value == profiles::Arch::x86_64;
  const auto* const newest = in.qemu().find_machine(x86 ? "q35" : "virt");
  return newest != nullptr && in.qemu().has_property(newest->name + "-machine", property);
}

/// QEMU 7.2 aborts where riscv64's nodes are more, or not alike: each has an
/// interrupt controller, and it counts their outputs wrongly.
bool has_riscv_nodes(const Resolver& in, const std::vector<GuestNode>& nodes) {
  if (in.profile().arch.value != profiles::Arch::riscv64) return true;
  if (machine_has(in, "smp-cache")) return true;  // QEMU 9.2 and later.
  return nodes.size() == 1 || (nodes.size() == 2 && nodes[0].vcpus.size() == nodes[1].vcpus.size());
}

/// Notes what this QEMU's machine cannot give.
void check_machine(Resolver& in, const Machine& machine, const std::string& pointer) {
  if (machine.guest_nodes.empty()) return;
  const auto refuse = [&](std::string_view what, std::string hint) {
    in.note({.fault = Fault::missing,
             .id = "no-guest-numa",
             .message = fmt::format("machine type '{}' of {} {}", machine.type.value,
                                    in.qemu().binary, what),
             .origin = {.pointer = pointer},
             .hint = std::move(hint)});
  };
  // Machines that know of NUMA have this property, and no others (hw/core/machine.c).
  if (!machine_has(in, "hmat"))
    return refuse("has no NUMA nodes", "a newer QEMU may have them; or leave 'numa' out");
  if (!has_riscv_nodes(in, machine.guest_nodes))
    return refuse("has no more than two NUMA nodes, with as many CPUs each",
                  "use QEMU 9.2 or later, or two nodes that are alike");
  std::vector<CpuSet> vcpus;
  vcpus.reserve(machine.guest_nodes.size());
  for (const auto& node : machine.guest_nodes) vcpus.push_back(node.vcpus);
  if (const auto limit = profiles::numa_limit(in.profile().arch.value, vcpus))
    in.note({.fault = Fault::profile,
             .id = "conflict",
             .message = limit->message,
             .origin = {.pointer = pointer}});
}

/// The share of node `index` where all have as many vCPUs, as far as can be.
CpuSet even_share(std::uint64_t vcpus, std::size_t index, std::size_t nodes) {
  CpuSet share;
  for (auto cpu = index * vcpus / nodes; cpu < (index + 1) * vcpus / nodes; ++cpu)
    share.insert(static_cast<std::uint32_t>(cpu));
  return share;
}

/// The only host node of CPUs; nullopt: there are several.
std::optional<std::uint32_t> only_node(const host::Topology& host, const CpuSet& cpus) {
  std::set<std::uint32_t> nodes;
  for (const auto cpu : cpus)
    if (const auto* const core = host.core_of(cpu)) nodes.insert(core->node);
  return nodes.size() == 1 ? std::optional(*nodes.begin()) : std::nullopt;
}

CpuSet host_cpus(const Pins& pins, const CpuSet& vcpus) {
  CpuSet cpus;
  for (const auto vcpu : vcpus) cpus |= pins.vcpus[vcpu].value;
  return cpus;
}

/// A guest node for each host node of the pins, in the order of the vCPUs: the
/// first one is where the guest boots.
void mirror_host(Resolver& in, const Pins& pins, Machine& machine) {
  const auto& pointer = in.profile().numa.topology.pointer;
  for (std::uint32_t vcpu = 0; vcpu < machine.cpus.value.count; ++vcpu) {
    const auto& cpus = pins.vcpus[vcpu].value;
    const auto node = only_node(in.host().topology, cpus);
    if (!node)
      return in.note({.fault = Fault::profile,
                      .id = "vcpu-of-several-nodes",
                      .message = fmt::format("vCPU {} may run on CPUs {}, which are of several "
                                             "host nodes: the guest cannot mirror them",
                                             vcpu, to_string(cpus)),
                      .origin = {.pointer = pointer},
                      .hint = "pin by 'place', or by 'vcpus' with CPUs of one node each"});
    auto& nodes = machine.guest_nodes;
    auto found = std::ranges::find(nodes, std::vector{*node}, &GuestNode::host_nodes);
    if (found == nodes.end())
      found = nodes.insert(nodes.end(),
                           {.vcpus = {},
                            .host_nodes = {*node},
                            .cause = {.pointer = pointer,
                                      .why = fmt::format("host node {}, as the guest sees what it "
                                                         "has of it",
                                                         *node)}});
    found->vcpus.insert(vcpu);
  }
  // One node has no distances: the guest needs not know of it.
  if (machine.guest_nodes.size() == 1) machine.guest_nodes.clear();
  check_machine(in, machine, pointer);
}

/// Where the profile leaves it open, memory is where the vCPUs are.
void follow_pins(const Resolver& in, Machine& machine) {
  if (!machine.pins || in.host().nodes.size() < 2) return;
  for (auto& node : machine.guest_nodes)
    if (node.host_nodes.empty())
      if (const auto near = only_node(in.host().topology, host_cpus(*machine.pins, node.vcpus)))
        node.host_nodes = {*near};
}

/// What the profile leaves open, by the number of vCPUs.
void share_memory(const Resolver& in, Machine& machine) {
  const auto granule = std::max<std::uint64_t>(in.huge_page_kib() / 1024, 1);
  auto rest = machine.memory_mib.value;
  std::uint64_t vcpus = 0;
  for (const auto& node : machine.guest_nodes) {
    rest -= std::min(rest, node.memory_mib);
    if (node.memory_mib == 0) vcpus += node.vcpus.size();
  }
  for (auto& node : machine.guest_nodes) {
    if (node.memory_mib != 0) continue;
    const auto share = rest * node.vcpus.size() / vcpus;
    // The last one gets what rounding has left.
    node.memory_mib = node.vcpus.size() == vcpus ? rest : share - share % granule;
    rest -= node.memory_mib;
    vcpus -= node.vcpus.size();
  }
}

/// As the host's firmware says; nullopt: it does not, or what Linux takes for nonsense.
std::optional<std::uint64_t> host_distance(const Resolver& in, std::uint32_t from,
                                           std::uint32_t to) {
  const auto& nodes = in.host().nodes;
  const auto start = std::ranges::find(nodes, from, &host::Node::number);
  const auto end = std::ranges::find(nodes, to, &host::Node::number);
  if (start == nodes.end() || end == nodes.end() || start->distances.size() != nodes.size())
    return std::nullopt;
  const std::uint64_t distance = start->distances[static_cast<std::size_t>(end - nodes.begin())];
  const bool possible =
      from == to ? distance == profiles::own_distance
                 : distance > profiles::own_distance && distance <= profiles::largest_distance;
  return possible ? std::optional(distance) : std::nullopt;
}

/// Those of the host, if each guest node stands for another node of it.
void measure_distances(const Resolver& in, Machine& machine) {
  auto& nodes = machine.guest_nodes;
  const auto says = [](const GuestNode& node) { return !node.distances.empty(); };
  if (std::ranges::any_of(nodes, says)) return;
  std::set<std::uint32_t> places;
  for (const auto& node : nodes)
    if (node.host_nodes.size() != 1 || !places.insert(node.host_nodes.front()).second) return;
  std::vector<std::vector<std::uint64_t>> table(nodes.size());
  for (std::size_t i = 0; i < nodes.size(); ++i)
    for (const auto& to : nodes) {
      const auto distance = host_distance(in, nodes[i].host_nodes.front(), to.host_nodes.front());
      if (!distance) return;  // The guest's own idea of it is better.
      table[i].push_back(*distance);
    }
  for (std::size_t i = 0; i < nodes.size(); ++i) nodes[i].distances = std::move(table[i]);
  machine.distances = {.rule = "near-distances", .why = "as far apart as the host's nodes are"};
}

/// Schedulers take the CPUs of a socket (on x86, of a die) for CPUs that share
/// a cache: those of two nodes must not.
void fit_sockets(Resolver& in, Machine& machine) {
  auto& [count, sockets, dies, cores, threads] = machine.cpus.value;
  const bool x86 = in.profile().arch.value == profiles::Arch::x86_64;
  // The longest runs of vCPUs such that none has those of two nodes.
  std::uint64_t run = count;
  std::vector<std::size_t> owner(count);
  for (std::size_t i = 0; i < machine.guest_nodes.size(); ++i)
    for (const auto vcpu : machine.guest_nodes[i].vcpus) owner[vcpu] = i;
  for (std::size_t i = 1; i < owner.size(); ++i)
    if (owner[i] != owner[i - 1]) run = std::gcd(run, i);
  if (run % (cores * threads) == 0) return;
  const auto& [wished_sockets, wished_dies, wished_cores, wished_threads] = in.profile().topology;
  const bool wished = wished_sockets.given() || wished_dies.given() || wished_cores.given() ||
                      wished_threads.given();
  if (wished || run % threads != 0)
    return in.warn("node-splits-socket",
                   fmt::format("the guest takes vCPUs of two NUMA nodes for neighbours in one {}: "
                               "its scheduler will err; let each node have whole ones",
                               x86 ? "die" : "socket"));
  sockets = count / run;
  dies = 1;
  cores = run / threads;
  machine.cpus.cause = {.rule = "node-sockets",
                        .why = "no socket of the guest has vCPUs of two NUMA nodes"};
}

/// Where vCPUs run that have their memory elsewhere.
void warn_of_far_memory(Resolver& in, const Machine& machine) {
  if (in.host().nodes.size() < 2) return;
  for (std::size_t i = 0; i < machine.guest_nodes.size(); ++i) {
    const auto& node = machine.guest_nodes[i];
    CpuSet near;
    for (const auto& host : in.host().nodes)
      if (std::ranges::find(node.host_nodes, host.number) != node.host_nodes.end())
        near |= host.cpus;
    if (near.empty()) continue;  // Anywhere, or memory that no CPU is near to.
    const auto where = to_string(CpuSet(node.host_nodes));
    if (!machine.pins)
      return in.warn("far-memory",
                     fmt::format("guest node {} has memory of host node {}, and nothing keeps its "
                                 "vCPUs there: add \"pinning\": \"one-node\"",
                                 i, where));
    CpuSet far;
    for (const auto vcpu : node.vcpus)
      if (!near.contains(machine.pins->vcpus[vcpu].value)) far.insert(vcpu);
    if (!far.empty())
      in.warn("far-memory",
              fmt::format("guest node {} has memory of host node {}, and its vCPU {} may run on "
                          "others: pin it to CPUs {}, or set its \"host_nodes\" to where it runs",
                          i, where, to_string(far), to_string(near)));
  }
}

/// What only one of two nodes says of their distance holds for both.
void mirror_distances(Machine& machine) {
  auto& nodes = machine.guest_nodes;
  const auto silent =
      std::ranges::find_if(nodes, [](const GuestNode& node) { return node.distances.empty(); });
  if (silent == nodes.end()) return;
  const auto index = static_cast<std::size_t>(silent - nodes.begin());
  std::vector<std::uint64_t> distances;
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    if (i != index && nodes[i].distances.empty()) return;  // None says any.
    distances.push_back(i == index ? profiles::own_distance : nodes[i].distances[index]);
  }
  if (nodes.size() > 1) silent->distances = std::move(distances);
}

}  // namespace

void resolve_guest_nodes(Resolver& in, Machine& machine) {
  const auto& wish = in.profile().numa.nodes;
  const auto count = machine.cpus.value.count;
  if (wish.empty()) return;
  if (wish.size() > count)
    return in.note(
        {.fault = Fault::profile,
         .id = "conflict",
         .message = fmt::format("{} nodes for {} CPUs: each node needs one", wish.size(), count),
         .origin = {.pointer = "/numa/nodes"}});
  for (std::size_t i = 0; i < wish.size(); ++i) {
    const auto& [pointer, cpus, memory, host_nodes, policy, distances] = wish[i];
    GuestNode node{.vcpus = cpus.given() ? cpus.value : even_share(count, i, wish.size()),
                   .memory_mib = memory.value,
                   .cause = {.pointer = pointer, .why = "a NUMA node that the guest sees"}};
    for (const auto number : host_nodes.value) {
      in.check_host_node(number, host_nodes.pointer);
      node.host_nodes.push_back(static_cast<std::uint32_t>(number));
    }
    if (!host_nodes.value.empty()) node.policy = policy.value;
    for (const auto& distance : distances) node.distances.push_back(distance.value);
    if (!distances.empty() && machine.distances.why.empty())
      machine.distances = {.pointer = pointer + "/distances",
                           .why = "as far apart as the profile says"};
    machine.guest_nodes.push_back(std::move(node));
  }
  check_machine(in, machine, "/numa/nodes");
  mirror_distances(machine);
}

void resolve_node_memory(Resolver& in, Machine& machine) {
  if (in.profile().numa.topology.value == NumaTopology::host && machine.pins)
    mirror_host(in, *machine.pins, machine);
  if (machine.guest_nodes.empty()) return;
  follow_pins(in, machine);
  share_memory(in, machine);
  measure_distances(in, machine);
  fit_sockets(in, machine);
  warn_of_far_memory(in, machine);
}

}  // namespace hv::plan
