// SPDX-License-Identifier: MIT
//
// What this host would lose with a PCI function: file systems and swap on its
// disks, through device mapper, MD, bcache, btrfs and ZFS; the default route;
// the display.
#pragma once

#include "launcher/base/root.h"
#include "vfio/function.h"

namespace hv::vfio {

/// Fills in `uses` of the functions, which are sorted by address.
void find_uses(const Root& root, std::vector<Function>& functions);

}  // namespace hv::vfio
