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
  CpuSet actual;                     ///< Empty: it cannot be told.
  std::string intended_scheduler{};  ///< "fifo 1"; empty: any will do.
  std::string scheduler{};

  [[nodiscard]] bool drifted() const {
    return actual != intended || (!intended_scheduler.empty() && scheduler != intended_scheduler);
  }
};

/// Restricts the calling process, before it becomes QEMU, to the CPUs of QEMU's
/// own threads: all that QEMU starts inherits them.
[[nodiscard]] Result<> enter_emulator_cpus(const plan::ThreadPins& pins);

/// The same with those of helper programs, for what starts them.
[[nodiscard]] Result<> enter_helper_cpus(const plan::ThreadPins& pins);

/// Pins vCPUs, I/O threads, vhost workers and those that QEMU, process `qemu`,
/// has pinned itself, gives the vCPUs their scheduler, and reads back that the
/// kernel has done so. Error: not-pinned, no-scheduler.
[[nodiscard]] Result<> apply_pins(const Root& root, pid_t qemu, qmp::Client& monitor,
                                  const plan::ThreadPins& pins);

/// Every thread of QEMU and what works for it, against the pins.
[[nodiscard]] Result<std::vector<PinnedThread>> compare_pins(const Place& place, pid_t qemu,
                                                             qmp::Client& monitor,
                                                             const plan::ThreadPins& pins);

}  // namespace hv::run
