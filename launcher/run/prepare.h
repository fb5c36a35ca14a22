// SPDX-License-Identifier: MIT
//
// Stage `prepare`: all that must be there before QEMU starts.
#pragma once

#include "launcher/base/journal.h"
#include "launcher/plan/plan.h"
#include "launcher/run/place.h"

namespace hv::run {

/// Files that the plan needs and that cannot be read, and disks that a running
/// guest has: all of them. Touches nothing.
[[nodiscard]] Errors check_files(const Place& place, const plan::Plan& plan);

/// Carries out the plan's steps in order, each recorded in the journal first.
/// The caller holds the VM's lock.
[[nodiscard]] Result<> prepare(const Place& place, const plan::Plan& plan, Journal& journal);

/// Takes back what a step or a crash left (an UndoFunction).
[[nodiscard]] Result<> undo(const Root& root, const Undo& entry);

/// Makes the VM's directory and takes its lock. The error of a VM that runs
/// already is Fault::state, "already-running".
[[nodiscard]] Result<UniqueFd> claim(const Place& place);

}  // namespace hv::run
