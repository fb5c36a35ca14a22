// SPDX-License-Identifier: MIT
//
// The hands' side of vfio/quarantine.h: whoever changes a function's driver
// notes here that it went wrong for good.
#pragma once

#include "launcher/base/journal.h"
#include "launcher/base/paths.h"
#include "vfio/pci_address.h"

namespace hv::run {

/// What came of taking or returning the function; an error that calls for it
/// puts the function in quarantine, and says so.
[[nodiscard]] Result<> or_quarantine(const Root& root, const Paths& paths,
                                     const vfio::PciAddress& address, Result<> done);

/// undo(), of a guest or a binding by hand whose files `paths` tells of. A
/// function that comes back without an answer is put in quarantine.
[[nodiscard]] UndoFunction undo_for(const Paths& paths);

}  // namespace hv::run
