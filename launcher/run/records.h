// SPDX-License-Identifier: MIT
//
// What hvlaunch remembers of a VM: while it runs (state.json, a cache), and
// from one start to the next (the record).
#pragma once

#include "launcher/plan/plan.h"
#include "launcher/run/place.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace hv::run {

/// Seconds for each rung of the shutdown ladder; 0 skips it.
struct Ladder {
  std::uint64_t agent = 10;
  std::uint64_t acpi = 60;
  std::uint64_t quit = 5;
  std::uint64_t term = 5;
};

/// Where threads are to be, as sets of CPUs: plan::ThreadPins.
struct PinState {
  std::vector<std::string> vcpus;  ///< Empty: nothing is pinned.
  std::string emulator;
  std::string iothreads;
  std::string helpers;
  std::string policy = "other";
  std::uint64_t priority = 0;
};

/// A toggle of the profile and what became of it: plan::FeatureState.
struct FeatureNote {
  std::string name;
  std::string state;
  std::string detail;
};

/// How the guest was started: for `status`, and for `stop` to keep to the
/// ladder that was declared at the start.
struct GuestState {
  std::string vm;
  std::int64_t pid = 0;            ///< A hint; see find_holder().
  std::int64_t started_at = 0;     ///< Seconds since 1970.
  std::string profile;             ///< Path of the profile.
  std::uint64_t profile_hash = 0;  ///< Of its text, to notice that it was edited.
  std::string binary;
  std::string qemu_version;
  std::string architecture;
  std::string accelerator;
  std::string machine;
  std::uint64_t vcpus = 0;
  std::uint64_t memory_mib = 0;
  std::string uuid;
  std::string display;
  bool console = false;
  std::string tty;
  bool watch = false;
  std::vector<plan::DiskSummary> disks;
  std::vector<plan::NicSummary> nics;
  Ladder shutdown;
  PinState pins;
  std::vector<std::string> devices;  ///< Addresses of the host's PCI functions it has.
  std::vector<FeatureNote> features;
  std::vector<std::string> warnings;
};

[[nodiscard]] plan::ThreadPins pins_of(const GuestState& state);
[[nodiscard]] GuestState state_of(const plan::Plan& plan);

[[nodiscard]] Result<> save_state(const Place& place, const GuestState& state);

/// Nothing if it is missing or damaged: it is only a cache. Members that it
/// lacks, of another version of hvlaunch, keep their defaults.
[[nodiscard]] std::optional<GuestState> load_state(const Place& place);

/// Why and when a guest ended.
struct LastExit {
  std::string cause;   ///< "guest-shutdown", "stopped", "killed", "crashed", …
  std::string detail;  ///< One sentence for people.
  std::int64_t at = 0;
  std::vector<std::string> log{};  ///< The last lines that QEMU printed.
};

/// Kept below the state directory from one start to the next.
struct VmRecord {
  std::string machine;  ///< The machine type that the guest has had since its first start.
  std::optional<LastExit> last_exit;
};

/// Empty if there is none yet. A damaged one is an error: it held the machine
/// type, and a guest must not get another unasked.
[[nodiscard]] Result<VmRecord> load_record(const Place& place);
[[nodiscard]] Result<> save_record(const Place& place, const VmRecord& record);

}  // namespace hv::run
