// SPDX-License-Identifier: MIT
//
// Keeps the host's own work off the CPUs of guests that want them quiet. Each
// such guest says so in its directory, and that counts for as long as its lock
// is held; what the host is to look like follows from all of them together.
// Those that start and end at the same moment take turns.
#pragma once

#include "launcher/base/cpu_set.h"
#include "launcher/base/journal.h"
#include "launcher/run/isolation_knobs.h"
#include "launcher/run/place.h"

namespace hv::run {

/// Error: no-systemd, host-slice, no-cpu-for-host, not-obeyed.
[[nodiscard]] Result<> isolate_cpus(const Place& place, const CpuSet& cpus, Journal& journal,
                                    SetSlices set = set_slices);

/// Takes isolate_cpus() back (Undo::Kind::release_cpus). When no guest isolates
/// any CPU, all is as it was before the first did.
[[nodiscard]] Result<> release_cpus(const Root& root, const Undo& entry,
                                    SetSlices set = set_slices);

/// Whether this process is below one of the host's slices: what it starts would
/// lose the CPUs with all others.
[[nodiscard]] bool in_host_slice(const Root& root);

/// How quiet a guest's CPUs are now.
struct Quiet {
  CpuSet cpus;                      ///< Empty: it has isolated none.
  std::vector<std::string> slices;  ///< Of the host, that may run there nevertheless.
  std::size_t interrupts = 0;       ///< That may come there.
};
[[nodiscard]] Quiet quiet_of(const Place& place);

}  // namespace hv::run
