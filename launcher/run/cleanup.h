// SPDX-License-Identifier: MIT
//
// Stage `cleanup`: the guest has ended; the host becomes what it was before.
#pragma once

#include "launcher/run/place.h"
#include "launcher/run/records.h"

#include <chrono>
#include <string_view>

namespace hv::run {

/// Records why the guest ended, undoes the journal and removes the VM's
/// directory. `lock` is the VM's: whoever holds it knows that no guest runs.
[[nodiscard]] Result<> cleanup(const Place& place, UniqueFd lock, LastExit last_exit);

/// Cleans up after a guest that ended while nobody watched. True if there was
/// something to clean up; false if there was nothing, or the guest runs.
[[nodiscard]] Result<bool> recover(const Place& place);

/// The same for a caller that holds the lock and starts the VM next: the
/// directory and the lock stay.
[[nodiscard]] Result<> clear_leftovers(const Place& place);

/// Says in the VM's directory that hvlaunch is about to end the guest, by what,
/// and how long it tries, so that whoever cleans up can record it.
void announce_stop(const Place& place, std::string_view rung, std::chrono::seconds time);

/// Says in the VM's directory why the guest has ended, for whoever cleans up.
void note_exit(const Place& place, const LastExit& last_exit);

/// What was announced and is still tried, as a cause; else `otherwise`.
[[nodiscard]] LastExit announced_or(const Place& place, LastExit otherwise);

}  // namespace hv::run
