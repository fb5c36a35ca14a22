// SPDX-License-Identifier: MIT
//
// Reads PCI functions from sysfs.
//
//   const auto devices = TRY(vfio::read_devices(root, {selector}));
#pragma once

#include "launcher/base/root.h"
#include "vfio/quarantine.h"
#include "vfio/selector.h"

namespace hv::vfio {

/// The functions that the selectors could mean, in full, with all members of
/// their IOMMU groups and what uses them. A start asks for its own only: a
/// server has hundreds.
/// Of those in quarantine nothing is read that their driver could hold up.
[[nodiscard]] Result<Devices> read_devices(const Root& root, const std::vector<Selector>& wanted,
                                           const std::vector<Quarantined>& quarantined = {});

/// Every function of the host, in full.
[[nodiscard]] Result<Devices> read_all_devices(const Root& root,
                                               const std::vector<Quarantined>& quarantined = {});

}  // namespace hv::vfio
