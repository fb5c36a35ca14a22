// SPDX-License-Identifier: MIT
//
// Where the guest's threads and memory are: pinning, and the host's nodes.
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

/// The guest's nodes as an intent has to place them; none of them is tied to
/// the host: it places the guest as a whole.
std::vector<PinPart> parts_of(const Resolver& in, const Machine& machine) {
  std::vector<PinPart> parts;
  bool tied = false;
  for (std::size_t i = 0; i < machine.guest_nodes.size(); ++i) {
    const auto& node = machine.guest_nodes[i];
    PinPart part{.vcpus = node.vcpus, .within = {}, .where = fmt::format("guest node {}", i)};
    for (const auto number : node.host_nodes)
      if (const auto* const host = in.host().topology.find_node(number)) part.within |= host->cpus;
    if (!node.host_nodes.empty())
      part.where += " on host node " + to_string(CpuSet(node.host_nodes));
    tied = tied || !node.host_nodes.empty();
    parts.push_back(std::move(part));
  }
  return tied ? parts : std::vector<PinPart>();
}

}  // namespace

void resolve_pins(Resolver& in, Machine& machine) {
  const auto& profile = in.profile();
  if (!profile.pinning.given() && profile.cpu_pinning.empty()) return;
  const auto wish = wish_of(in);
  const auto parts = parts_of(in, machine);
  auto pins =
      pin({.host = in.host().topology,
           .wish = wish,
           .vcpus = machine.cpus.value.count,
           .guest = profile.topology,
           .dies = profile.arch.value == profiles::Arch::x86_64 ? Dies::possible : Dies::none,
           .claims = in.cpu_claims(),
           .near = near_device(in, wish),
           .memory_mib = machine.memory_mib.value,
           .huge_page_kib = in.huge_page_kib(),
           .parts = parts});
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
  const auto& asked = in.profile().numa.nodeset;
  for (const auto& node : asked)
    machine.memory_nodes.value.push_back(static_cast<std::uint32_t>(node.value));
  for (const auto& node : asked) in.check_host_node(node.value, node.pointer);
  if (!machine.guest_nodes.empty()) return;
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

}  // namespace hv::plan
