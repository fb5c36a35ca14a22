// SPDX-License-Identifier: MIT
//
// What a guest may use of the host: what it is meant to be, and what the kernel
// says it is. `prepare` notes the former, `exec` hands it to the kernel.
#pragma once

#include "launcher/plan/limits.h"
#include "launcher/run/place.h"

#include <optional>
#include <vector>

namespace hv::run {

/// Kept in limits.json.
struct IntendedLimits {
  std::vector<plan::LimitValue> intended{};
  std::vector<std::string> devices{};  ///< "8:0": the block devices that throttles are for.
};

/// Stage `prepare`: finds the devices and notes all for `exec`. Errors: no-unit
/// if this process is not of the guest's unit, no-block-device.
[[nodiscard]] Result<> prepare_limits(const Place& place, const plan::LimitGuest& guest);

/// Empty if there are none.
[[nodiscard]] IntendedLimits load_limits(const Place& place);

/// Sets all limits of a control group; what is not intended, as the kernel has
/// it by itself. Errors: no-controller, not-limited.
[[nodiscard]] Result<> set_limits(const Root& group, const IntendedLimits& limits);

struct LimitState {
  plan::Limit limit;
  std::optional<std::uint64_t> intended;  ///< In the unit of the profile's field.
  std::optional<std::uint64_t> actual;    ///< Nothing: no limit.
  bool as_intended = true;
};

/// Each limit. Error: no-unit, if QEMU is in no group of ours.
[[nodiscard]] Result<std::vector<LimitState>> compare_limits(const Place& place, pid_t qemu);

/// Changes those of a guest that runs, whose disks are `disks`. Errors: those of
/// prepare_limits() and set_limits().
[[nodiscard]] Result<> change_limits(const Place& place, pid_t qemu, const plan::LimitGuest& guest);

}  // namespace hv::run
