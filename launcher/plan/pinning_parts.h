// SPDX-License-Identifier: MIT
//
// What the files of the pinning solver share.
#pragma once

#include "launcher/plan/pinning.h"

namespace hv::plan {

/// The CPUs that no other guest has claimed, of those that are allowed.
[[nodiscard]] CpuSet free_cpus(const PinningInputs& in);

/// A core as vCPUs are put on it: its free CPUs, the first `used` of them.
struct Slot {
  const host::Core* core = nullptr;
  std::vector<std::uint32_t> used{};
};

using Cores = std::vector<const host::Core*>;

/// How far apart the cores of one guest may be, from near to far.
enum class Scope : std::uint8_t { cache, node, host };

/// What one try may use.
struct Try {
  Scope scope = Scope::cache;
  profiles::Smt smt = profiles::Smt::pair;
};

/// The cores by cache, or by node, or all.
[[nodiscard]] std::vector<Cores> domains(const PinningInputs& in, const Cores& cores, Scope scope);

/// How many vCPUs a core takes, and cores take.
[[nodiscard]] std::size_t width_of(const host::Core& core, profiles::Smt smt);
[[nodiscard]] std::size_t room(const Cores& cores, profiles::Smt smt);

/// Those of `cores` that suit the guest best; nullopt: no domain has the room.
[[nodiscard]] std::optional<Cores> best_cores(const PinningInputs& in, const Cores& cores,
                                              Try with);

struct Placed {
  std::vector<Slot> slots;  ///< In the order of the vCPUs.
  std::string why;          ///< "8 vCPUs on 4 cores of the L3 of CPUs 8-15".
};

/// Cores for the vCPUs by an intent.
[[nodiscard]] std::expected<Placed, Errors> place(const PinningInputs& in,
                                                  std::vector<Warning>& warnings);

/// What the guest is told of its CPUs, for vCPUs on these cores.
[[nodiscard]] Choice<Cpus> guest_of(const PinningInputs& in, const std::vector<Slot>& slots);

/// The same for pins that the profile lists.
[[nodiscard]] Choice<Cpus> guest_of(const PinningInputs& in,
                                    const std::vector<Choice<CpuSet>>& vcpus);

/// Where what the guest is told of its threads is not so.
[[nodiscard]] std::vector<Warning> thread_warnings(const PinningInputs& in, const Pins& pins);

/// "1 core", "8 cores".
[[nodiscard]] std::string counted(std::uint64_t count, std::string_view what);

}  // namespace hv::plan
