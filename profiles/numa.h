// SPDX-License-Identifier: MIT
//
// NUMA: the host's nodes that a guest's memory comes from, and the nodes that
// the guest itself sees, as the profile says it:
//
//     "numa": "host"
//     "numa": {"nodeset": "0-1"}
//     "numa": {"nodes": [{"cpus": "0-3", "memory_mb": "4G", "host_nodes": "0"},
//                        {"cpus": "4-7", "memory_mb": "4G", "host_nodes": "1"}]}
#pragma once

#include "launcher/base/cpu_set.h"
#include "profiles/sourced.h"

#include <cstdint>
#include <optional>
#include <vector>

namespace hv::profiles {

/// Which nodes the guest has, where the profile does not list them.
enum class NumaTopology : std::uint8_t {
  none,
  host,  ///< One for each host node that its vCPUs run on.
};

/// How memory comes from several host nodes, or from elsewhere (mbind(2)).
enum class NumaPolicy : std::uint8_t {
  bind,  ///< From there or not at all.
  preferred,
  interleave,  ///< Page by page from each in turn.
};

/// Distances of ACPI's SLIT: 10 is the node itself, and 255 out of reach.
inline constexpr std::uint64_t own_distance = 10;
inline constexpr std::uint64_t largest_distance = 254;

/// A NUMA node of the guest.
struct GuestNode {
  std::string pointer{};
  Sourced<CpuSet> cpus;                            ///< vCPUs; not given: an even share.
  Sourced<std::uint64_t> memory_mib;               ///< 0: a share by the number of vCPUs.
  Sourced<std::vector<std::uint64_t>> host_nodes;  ///< Empty: any.
  Sourced<NumaPolicy> policy;
  std::vector<Sourced<std::uint64_t>> distances;  ///< To each node, itself too; empty: not given.
};

struct Numa {
  Sourced<NumaTopology> topology;
  std::vector<GuestNode> nodes;
  std::vector<Sourced<std::uint64_t>> nodeset;  ///< Host nodes of a guest without nodes of its own.
};

}  // namespace hv::profiles
