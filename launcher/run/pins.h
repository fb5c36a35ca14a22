// SPDX-License-Identifier: MIT
//
// Puts QEMU's threads on their CPUs, and proves that they are there. Threads
// are known by the ids that QEMU gives them over QMP, never by their names.
#pragma once

#include "launcher/plan/plan.h"
#include "launcher/run/place.h"
#include "qmp/client.h"

namespace hv::run {

/// A thread of QEMU, where it should be and where it is.
struct PinnedThread {
  std::string what;  ///< "vCPU 0", "iothread disk", "QEMU".
  pid_t id = 0;
  CpuSet intended;
  CpuSet actual;  ///< Empty: it cannot be told.

  [[nodiscard]] bool drifted() const { return actual != intended; }
};

/// Restricts the calling process, before it becomes QEMU, to the CPUs of QEMU's
/// own threads: all that QEMU starts inherits them.
[[nodiscard]] Result<> enter_emulator_cpus(const plan::ThreadPins& pins);

/// Pins vCPUs, I/O threads and those that QEMU has pinned itself, and reads back that the kernel
/// has done so. Error: not-pinned.
[[nodiscard]] Result<> apply_pins(qmp::Client& monitor, const plan::ThreadPins& pins);

/// Every thread of QEMU, process `pid`, against the pins.
[[nodiscard]] Result<std::vector<PinnedThread>> compare_pins(const Root& root, pid_t pid,
                                                             qmp::Client& monitor,
                                                             const plan::ThreadPins& pins);

}  // namespace hv::run
