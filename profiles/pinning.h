// SPDX-License-Identifier: MIT
//
// Where a guest's threads shall run, as the profile says it:
//
//     "pinning": {"place": "one-l3", "emulator": "0-1"}
//     "pinning": {"vcpus": ["4", "20", "5", "21"], "exclusive": true}
//     "pinning": {"near": "0000:65:00.0", "smt": "avoid"}
//     "pinning": {"cpus": "8-15"}
#pragma once

#include "launcher/base/cpu_set.h"
#include "profiles/sourced.h"

#include <optional>
#include <variant>
#include <vector>

namespace hv::profiles {

enum class Placement : std::uint8_t {
  one_l3,    ///< Cores that share one last-level cache.
  one_node,  ///< Cores of one NUMA node, of as few caches as will do.
  p_cores,   ///< Performance cores.
  e_cores,   ///< Efficiency cores.
  spread,    ///< A core for each vCPU, evenly over all caches: most cache and bandwidth.
};

/// How a guest's vCPUs use cores that have SMT siblings.
enum class Smt : std::uint8_t {
  pair,   ///< Siblings of the host are siblings of the guest.
  avoid,  ///< One vCPU a core; its siblings stay idle.
};

/// What the kernel's scheduler thinks of the vCPUs (sched(7)).
enum class Policy : std::uint8_t {
  other,
  batch,
  idle,
  fifo,  ///< Real time: runs until it waits.
  rr,    ///< Real time, in turns with others of the same priority.
};

struct Scheduler {
  Sourced<Policy> policy{};
  Sourced<std::uint64_t> priority{};  ///< Of `fifo` and `rr`; 0: not given.

  [[nodiscard]] bool real_time() const {
    return policy.value == Policy::fifo || policy.value == Policy::rr;
  }
};

/// Cores of the NUMA node that a device of the guest is on.
struct NearDevice {
  std::string device;  ///< As the profile names it.
};

/// vCPU i runs on entry i.
struct PinList {
  std::vector<Sourced<CpuSet>> cpus;
  bool repeats = false;  ///< `cpu_pinning`: a short list is used again from its start.
};

/// CPUs for all vCPUs together.
struct PinPool {
  CpuSet cpus;
};

using VcpuPins = std::variant<Placement, NearDevice, PinList, PinPool>;

struct Pinning {
  Sourced<VcpuPins> vcpus;
  std::string second_way{};  ///< Pointer of another field that says it, too: a conflict.
  Sourced<std::optional<CpuSet>> emulator;   ///< QEMU's own threads; nullopt: "auto".
  Sourced<std::optional<CpuSet>> iothreads;  ///< nullopt: "auto".
  Sourced<std::optional<CpuSet>> helpers;    ///< vhost workers, swtpm, virtiofsd; nullopt: "auto".
  /// No other guest may use the vCPUs' cores. Not given: for a placement or a
  /// list they are, for a pool and for `cpu_pinning` they are not.
  Sourced<std::optional<bool>> exclusive;
  Sourced<bool> isolate;            ///< The host's own work is kept off the vCPUs' cores, too.
  Scheduler scheduler;              ///< Of the vCPUs.
  Sourced<std::optional<Smt>> smt;  ///< nullopt: pair, but avoid with `spread`.

  /// Whether the profile says anything of it.
  [[nodiscard]] bool given() const {
    return vcpus.given() || emulator.given() || iothreads.given() || helpers.given() ||
           scheduler.policy.given();
  }
};

}  // namespace hv::profiles
