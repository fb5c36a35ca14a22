// SPDX-License-Identifier: MIT
//
// Where the guest's threads and memory are: pinning, NUMA nodes, huge pages.
#include "launcher/base/text.h"
#include "launcher/plan/resolver.h"

#include <algorithm>

namespace hv::plan {
namespace {

using profiles::Pinning;

/// The wish, whether it was made the older way or ours.
Pinning wish_of(const Resolver& in) {
  const auto& profile = in.profile();
  auto wish = profile.pinning;
  if (!profile.cpu_pinning.empty()) {
    profiles::PinList list{.cpus = {}, .repeats = true};
    for (const auto& [cpu, pointer] : profile.cpu_pinning)
      list.cpus.push_back({CpuSet{static_cast<std::uint32_t>(cpu)}, pointer});
    wish.vcpus = {std::move(list), "/cpu_pinning"};
  } else if (!wish.vcpus.given()) {
    // Only QEMU's other threads are to be kept somewhere.
    wish.vcpus = {profiles::PinPool{in.host().topology.allowed}, "/pinning"};
  }
  return wish;
}

std::optional<DevicePlace> near_device(Resolver& in, const Pinning& wish) {
  const auto* const near = std::get_if<profiles::NearDevice>(&wish.vcpus.value);
  const auto address = vfio::parse_pci_address(near != nullptr ? near->device : "");
  if (!address) return std::nullopt;
  DevicePlace place{.device = near->device};
  auto found = vfio::choose({.address = *address}, in.host().devices);
  if (!found) {
    found.error().origin.pointer = wish.vcpus.pointer;
    in.note(std::move(found).error());
    return place;
  }
  const auto* const function = *found;
  if (function->numa_node) place.node = static_cast<std::uint32_t>(*function->numa_node);
  if (auto local = parse_cpu_set(function->local_cpus)) place.local = *std::move(local);
  return place;
}

/// The size of the huge pages that are asked for; 0: none.
std::uint64_t page_size(const Resolver& in) {
  const auto& wish = in.profile().huge_pages;
  if (!wish.enable.value) return 0;
  return wish.size_kib.value != 0 ? wish.size_kib.value : in.host().default_huge_page_kib;
}

/// Pages of `page_kib` that nobody has on a node.
std::uint64_t free_pages(const Resolver& in, const host::Node& node, std::uint64_t page_kib) {
  const auto pool = std::ranges::find(node.pools, page_kib, &host::NodePool::page_kib);
  const auto all = std::ranges::find(in.host().huge_pages, page_kib, &host::HugePagePool::page_kib);
  if (pool == node.pools.end()) return 0;
  // The kernel does not say on which node the promised ones will be.
  const auto reserved = all == in.host().huge_pages.end() ? 0 : all->reserved;
  return pool->free - std::min(pool->free, reserved);
}

bool has_pool(const Resolver& in, std::uint64_t page_kib) {
  return std::ranges::any_of(in.host().nodes, [&](const host::Node& node) {
    return std::ranges::find(node.pools, page_kib, &host::NodePool::page_kib) != node.pools.end();
  });
}

/// The nodes that the guest's memory may come from, those with most free pages first.
std::vector<const host::Node*> candidates(const Resolver& in, const Machine& machine,
                                          std::uint64_t page_kib) {
  std::vector<const host::Node*> nodes;
  for (const auto& node : in.host().nodes)
    if (machine.memory_nodes.value.empty() ||
        std::ranges::find(machine.memory_nodes.value, node.number) !=
            machine.memory_nodes.value.end())
      nodes.push_back(&node);
  std::ranges::stable_sort(nodes, std::greater(), [&](const host::Node* node) {
    return free_pages(in, *node, page_kib) * page_kib + node->free_mib * 1024;
  });
  return nodes;
}

/// What one node can give: what is free, and what can be made of its memory.
std::uint64_t can_give(const Resolver& in, const host::Node& node, std::uint64_t page_kib) {
  return free_pages(in, node, page_kib) + node.free_mib * 1024 / page_kib;
}

/// All on one node if one has enough; else over as many as it takes.
std::vector<HugePages> shared_out(const Resolver& in, const std::vector<const host::Node*>& nodes,
                                  std::uint64_t page_kib, std::uint64_t pages) {
  std::vector<HugePages> shares;
  for (const auto* const node : nodes) {
    if (pages == 0) break;
    const auto share = std::min(pages, can_give(in, *node, page_kib));
    if (share == 0) continue;
    const auto free = free_pages(in, *node, page_kib);
    shares.push_back({.node = node->number,
                      .page_kib = page_kib,
                      .pages = share,
                      .free = std::min(free, share)});
    pages -= share;
  }
  return pages == 0 ? shares : std::vector<HugePages>();
}

/// "choose 1024 or 2048 for memory_mb".
std::string nearest_multiples(std::uint64_t memory_mib, std::uint64_t page_mib) {
  const auto below = memory_mib / page_mib * page_mib;
  if (below == 0) return fmt::format("choose {} for memory_mb", page_mib);
  return fmt::format("choose {} or {} for memory_mb", below, below + page_mib);
}

std::string sizes_there_are(const Resolver& in) {
  std::vector<std::string> sizes;
  for (const auto& pool : in.host().nodes.front().pools) sizes.push_back(size_word(pool.page_kib));
  return join(sizes, ", ");
}

/// What the nodes have, and how they could have more.
Error too_few(const Resolver& in, const std::vector<const host::Node*>& nodes,
              std::uint64_t page_kib, std::uint64_t pages) {
  std::string have;
  std::uint64_t all_mib = 0;
  for (const auto* const node : nodes) {
    all_mib += node->memory_mib;
    have += fmt::format("{}node {} has {} free and {} MiB for more", have.empty() ? "" : ", ",
                        node->number, free_pages(in, *node, page_kib), node->free_mib);
  }
  const bool hopeless = pages * page_kib / 1024 >= all_mib;
  constexpr std::uint64_t gib_kib = 1U << 20U;
  return {.fault = Fault::missing,
          .id = "no-hugepages",
          .message = fmt::format("the guest needs {} huge pages of {}, and {}", pages,
                                 size_word(page_kib), have),
          .origin = {.pointer = in.profile().huge_pages.enable.pointer},
          .hint = hopeless ? fmt::format("give the guest less memory: that of {} is {} MiB in all",
                                         nodes.size() == 1 ? "the node" : "the nodes", all_mib)
                  : page_kib >= gib_kib
                      ? fmt::format("keep them at boot: hugepagesz=1G hugepages={} on the kernel's "
                                    "command line",
                                    pages * page_kib / gib_kib)
                      : "give the guest less memory, stop another guest, or set \"policy\": "
                        "\"prefer\" to go on with ordinary pages"};
}

}  // namespace

void resolve_pins(Resolver& in, Machine& machine) {
  const auto& profile = in.profile();
  if (!profile.pinning.given() && profile.cpu_pinning.empty()) return;
  const auto wish = wish_of(in);
  auto pins =
      pin({.host = in.host().topology,
           .wish = wish,
           .vcpus = machine.cpus.value.count,
           .guest = profile.topology,
           .dies = profile.arch.value == profiles::Arch::x86_64 ? Dies::possible : Dies::none,
           .claims = in.cpu_claims(),
           .near = near_device(in, wish),
           .memory_mib = machine.memory_mib.value,
           .huge_page_kib = page_size(in)});
  if (!pins) {
    for (auto& error : pins.error()) in.note(std::move(error));
    return;
  }
  for (const auto& [id, message] : pins->warnings) in.warn(id, message);
  if (wish.scheduler.real_time() && pins->claim.value.empty())
    in.warn("shared-real-time",
            "the vCPUs run before all else on CPUs that are not theirs alone: others wait for as "
            "long as the guest is busy");
  machine.cpus = pins->guest;
  machine.pins = *std::move(pins);
}

void resolve_memory_nodes(Resolver& in, Machine& machine) {
  const auto& asked = in.profile().numa_nodes;
  for (const auto& node : asked)
    machine.memory_nodes.value.push_back(static_cast<std::uint32_t>(node.value));
  if (!asked.empty()) {
    machine.memory_nodes.cause = {.pointer = "/numa/nodeset",
                                  .why = "RAM strictly from these host nodes"};
    machine.strict_nodes = true;
  } else if (machine.pins && in.host().nodes.size() > 1 && machine.pins->nodes.value.size() == 1) {
    machine.memory_nodes = {
        machine.pins->nodes.value,
        {.rule = "near-memory", .why = "RAM of the node that the vCPUs run on"}};
  }
}

void resolve_huge_pages(Resolver& in, Machine& machine) {
  const auto& wish = in.profile().huge_pages;
  if (!wish.enable.value) return;
  const auto& pointer = wish.enable.pointer;
  const auto refuse = [&](std::string message, std::string hint) {
    in.note({.fault = Fault::missing,
             .id = "no-hugepages",
             .message = std::move(message),
             .origin = {.pointer = pointer},
             .hint = std::move(hint)});
  };
  const auto page_kib = page_size(in);
  if (in.host().default_huge_page_kib == 0)
    return refuse("this kernel has no huge pages", "use a kernel with CONFIG_HUGETLBFS");
  if (!has_pool(in, page_kib))
    return refuse(fmt::format("this kernel has no huge pages of {}", size_word(page_kib)),
                  fmt::format("it has {}", sizes_there_are(in)));
  if (const auto page_mib = page_kib / 1024;
      in.profile().memory_mib.value.automatic && page_mib > 1)
    machine.memory_mib.value -= machine.memory_mib.value % page_mib;
  const auto memory_kib = machine.memory_mib.value * 1024;
  if (memory_kib % page_kib != 0)
    return refuse(fmt::format("{} MiB is not a whole number of pages of {}",
                              machine.memory_mib.value, size_word(page_kib)),
                  nearest_multiples(machine.memory_mib.value, page_kib / 1024));

  const auto nodes = candidates(in, machine, page_kib);
  auto shares = shared_out(in, nodes, page_kib, memory_kib / page_kib);
  if (shares.empty()) {
    auto error = too_few(in, nodes, page_kib, memory_kib / page_kib);
    if (wish.policy.value != profiles::HugePagePolicy::prefer) return in.note(std::move(error));
    return in.warn("no-hugepages", error.message + "; going on with ordinary pages");
  }
  machine.huge_page_kib = page_kib;
  machine.huge_pages = std::move(shares);
  if (in.host().nodes.size() == 1 || !machine.memory_nodes.value.empty()) return;
  machine.memory_nodes.cause = {.rule = "huge-page-nodes",
                                .why = "the nodes that the huge pages are on"};
  for (const auto& share : machine.huge_pages) machine.memory_nodes.value.push_back(share.node);
  std::ranges::sort(machine.memory_nodes.value);
}

}  // namespace hv::plan
