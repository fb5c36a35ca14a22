// SPDX-License-Identifier: MIT
//
// Stage `powerdown`: the shutdown ladder, from asking to killing.
#pragma once

#include "launcher/run/place.h"
#include "launcher/run/records.h"

#include <chrono>
#include <functional>

namespace hv::run {

/// What ends a guest, gentlest first.
enum class Rung : std::uint8_t {
  agent,  ///< The guest agent's guest-shutdown, if it runs.
  acpi,   ///< The ACPI power button, twice: Windows takes the first for waking up.
  quit,   ///< QMP `quit`: the guest is not asked, its disks are flushed.
  term,   ///< SIGTERM to QEMU, which then does as for `quit`.
  kill,   ///< SIGKILL to QEMU.
};

[[nodiscard]] std::string_view to_string(Rung rung);

/// How long all rungs together may take, and what is done between them.
[[nodiscard]] std::chrono::seconds longest(const Ladder& ladder);

/// Told before each rung is tried, with the time it has.
using OnRung = std::function<void(Rung, std::chrono::seconds)>;

/// Whether to clean up after it, or leave that to a stage that comes.
enum class Afterwards : std::uint8_t { clean_up, leave };

/// Climbs the ladder from `first` on until QEMU has ended. Returns the rung
/// that did it.
[[nodiscard]] Result<Rung> powerdown(const Place& place, const Ladder& ladder, Rung first,
                                     const OnRung& on_rung,
                                     Afterwards afterwards = Afterwards::clean_up);

}  // namespace hv::run
