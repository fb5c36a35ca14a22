// SPDX-License-Identifier: MIT
//
// The host's CPUs and memory nodes as plain values, read from
// /sys/devices/system (Documentation/ABI/testing/sysfs-devices-system-cpu,
// Documentation/admin-guide/cputopology.rst). Read it only for a profile that
// pins, or to show it: it costs some hundred small files on a large host.
//
//   const auto topology = host::read_topology(root);
//   for (const auto& core : topology.cores) ... core.cpus, core.cache, core.node
#pragma once

#include "launcher/base/cpu_set.h"
#include "launcher/base/root.h"

#include <cstdint>
#include <string>
#include <vector>

namespace hv::host {

enum class CpuKind : std::uint8_t {
  uniform,      ///< The host has one kind only.
  performance,  ///< "P-core", "big".
  efficiency,   ///< "E-core", "LITTLE".
};

/// A core with its SMT siblings that are online.
struct Core {
  std::uint32_t package = 0;
  std::uint32_t die = 0;   ///< Within the package.
  std::uint32_t id = 0;    ///< The kernel's core_id: unique within a package only.
  std::size_t cache = 0;   ///< Index into `Topology::caches`.
  std::uint32_t node = 0;  ///< NUMA node.
  CpuKind kind = CpuKind::uniform;
  CpuSet cpus{};
};

/// The CPUs that share the last cache that any share; mostly an L3. Where the
/// kernel shows no shared cache: the CPUs of one die and node.
struct Cache {
  std::uint32_t level = 0;  ///< 0: no shared cache is shown.
  std::uint64_t size_kib = 0;
  CpuSet cpus{};
};

/// Huge pages of one size on one node (Documentation/admin-guide/mm/hugetlbpage.rst).
struct NodePool {
  std::uint64_t page_kib = 0;
  std::uint64_t pages = 0;
  std::uint64_t free = 0;
  std::uint64_t surplus = 0;
};

struct Node {
  std::uint32_t number = 0;
  CpuSet cpus{};  ///< Online; empty for memory without CPUs, such as CXL's.
  std::uint64_t memory_mib = 0;
  std::uint64_t free_mib = 0;
  std::vector<std::uint32_t> distances{};  ///< To each of `Topology::nodes`; itself is 10.
  std::vector<NodePool> pools{};           ///< By page size.
};

struct Topology {
  std::vector<Core> cores;    ///< By package, die, cache, kind and first CPU.
  std::vector<Cache> caches;  ///< By first CPU.
  std::vector<Node> nodes;    ///< By number; at least one.
  CpuSet present;             ///< All that the kernel knows; those not online have no core.
  CpuSet online;
  CpuSet allowed;    ///< Those of them that this process may use (cgroup cpuset).
  CpuSet isolated;   ///< Kept out of load balancing: isolcpus=, isolated partitions.
  CpuSet nohz_full;  ///< Without a timer tick while one task runs: nohz_full=.

  /// nullptr: not online.
  [[nodiscard]] const Core* core_of(std::uint32_t cpu) const;
  [[nodiscard]] const Node* find_node(std::uint32_t number) const;
  /// Whether there are performance and efficiency cores.
  [[nodiscard]] bool hybrid() const;
};

/// What is not there is left out: a container without sysfs has CPU 0, each
/// CPU without a topology is a core of its own in package 0 and node 0.
[[nodiscard]] Topology read_topology(const Root& root);

/// The CPUs that the cgroup of `process` (cpuset.cpus.effective of it, or of
/// the nearest above it that has one) leaves it; empty: no cpuset says.
/// Documentation/admin-guide/cgroup-v2.rst.
[[nodiscard]] CpuSet read_cpuset(const Root& root, std::string_view process = "self");

[[nodiscard]] std::vector<Node> read_nodes(const Root& root, const CpuSet& online);

}  // namespace hv::host
