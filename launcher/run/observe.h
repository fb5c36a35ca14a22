// SPDX-License-Identifier: MIT
//
// What a VM is doing, from the kernel and from QEMU itself; state.json only
// adds what neither knows.
#pragma once

#include "launcher/run/records.h"

#include <chrono>

namespace hv::run {

enum class Activity : std::uint8_t {
  stopped,
  starting,  ///< The lock is held, but not yet by QEMU.
  running,
  paused,
  unresponsive,  ///< QEMU lives and does not answer.
  stopping,      ///< QEMU has ended but for what the kernel takes back of it: devices, memory.
};

[[nodiscard]] std::string_view to_string(Activity activity);

/// What a host thread has used.
struct VcpuTime {
  std::uint64_t index = 0;
  std::int64_t thread = 0;
  std::chrono::nanoseconds cpu_time{};
};

struct Observation {
  Activity activity = Activity::stopped;
  std::string qemu_status;  ///< QEMU's own word: "running", "prelaunch", "guest-panicked".
  std::int64_t pid = 0;
  std::chrono::seconds uptime{};
  std::uint64_t resident_kib = 0;  ///< Host memory that QEMU has.
  std::vector<VcpuTime> vcpus;
  bool watched = false;
  std::optional<GuestState> state;
};

/// How much to find out: `activity` alone costs one question, no /proc.
enum class Detail : std::uint8_t { activity, everything };

/// `timeout`: for QEMU to answer.
[[nodiscard]] Observation observe(const Place& place, Detail detail,
                                  std::chrono::milliseconds timeout);

/// Names of all VMs that have a directory below the runtime directory.
[[nodiscard]] std::vector<std::string> active_vms(const Root& root, const Paths& paths);

}  // namespace hv::run
