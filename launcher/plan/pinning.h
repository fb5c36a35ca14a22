// SPDX-License-Identifier: MIT
//
// Where each thread of a guest runs: from what the profile wishes, the host's
// topology and what other guests have claimed. Pure: values in, values out.
//
//   auto pins = TRY(plan::pin({.host = topology, .wish = *profile.pinning,
//                              .vcpus = 8, .claims = claims}));
//   pins.vcpus[3].value ... pins.emulator.value ... pins.guest.value.threads
#pragma once

#include "launcher/host/topology.h"
#include "launcher/plan/choice.h"
#include "profiles/pinning.h"
#include "profiles/profile.h"

#include <expected>
#include <optional>
#include <span>

namespace hv::plan {

/// CPUs that a guest has for itself.
struct CpuClaim {
  std::string guest;
  CpuSet cpus;
};

/// Where the device is that a wish names: /sys/bus/pci/devices/*/numa_node and
/// local_cpulist.
struct DevicePlace {
  std::string device;
  std::optional<std::uint32_t> node{};  ///< nullopt: the firmware does not say.
  CpuSet local{};                       ///< Empty: it does not say.
};

/// Whether the guest's machine has dies: x86's have, QEMU's `virt` has none.
enum class Dies : std::uint8_t { none, possible };

/// The vCPUs of a NUMA node of the guest, and where an intent may put them.
struct PinPart {
  CpuSet vcpus;
  CpuSet within;      ///< Host CPUs; empty: all.
  std::string where;  ///< "guest node 1 on host node 0".
};

struct PinningInputs {
  const host::Topology& host;
  const profiles::Pinning& wish;
  std::uint64_t vcpus = 1;
  const profiles::Topology& guest;  ///< What the profile fixes of it.
  Dies dies = Dies::possible;
  std::span<const CpuClaim> claims{};  ///< Those of other guests.
  std::optional<DevicePlace> near{};   ///< For profiles::NearDevice.
  std::uint64_t memory_mib = 0;        ///< Where there is a choice, a node with so much free,
  std::uint64_t huge_page_kib = 0;     ///< in huge pages of this size unless 0.
  std::span<const PinPart> parts{};    ///< All vCPUs are in one of them; none: the guest is one.
  CpuSet within{};                     ///< Of the part that is being placed,
  CpuSet taken{};                      ///< and what those before it have.
};

struct Pins {
  std::vector<Choice<CpuSet>> vcpus;  ///< Of each vCPU.
  Choice<CpuSet> emulator;
  Choice<CpuSet> iothreads;
  Choice<CpuSet> helpers;
  Choice<Cpus> guest;  ///< Its vCPUs in this order: threads, cores, dies, sockets.
  Choice<std::vector<std::uint32_t>> nodes;  ///< NUMA nodes of the vCPUs' CPUs: for its memory.
  Choice<CpuSet> claim;                      ///< What no other guest may use; empty: it shares.
  Choice<CpuSet> isolated;                   ///< What the host itself may not use; mostly empty.
  std::vector<Warning> warnings;
};

/// Every reason why it cannot be, or the pins.
[[nodiscard]] std::expected<Pins, Errors> pin(const PinningInputs& inputs);

}  // namespace hv::plan
