// SPDX-License-Identifier: MIT
//
// The hosts of tests/hosts as hvlaunch sees them.
#pragma once

#include "tests/pci_tree.h"
#include "vfio/scan.h"

inline hv::vfio::PciAddress pci(std::string_view text) {
  return hv::vfio::parse_pci_address(text).value();
}

inline hv::vfio::Devices devices_of(std::string_view host) {
  const TempTree tree;
  make_pci_host(tree, host);
  return hv::vfio::read_all_devices(tree.root()).value();
}
