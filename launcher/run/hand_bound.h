// SPDX-License-Identifier: MIT
//
// PCI functions that somebody binds by hand, with `hvlaunch vfio bind`. They
// stay so until `vfio unbind` or the end of the boot: each has a journal of its
// own below /run/hvlaunch/.vfio/, which is no VM's, so no cleanup undoes it. A
// guest that gets such a function gives it back as it found it.
#pragma once

#include "launcher/base/paths.h"
#include "launcher/base/root.h"
#include "vfio/pci_address.h"

#include <optional>
#include <vector>

namespace hv::run {

struct HandBinding {
  vfio::PciAddress address;
  std::string driver;
  std::vector<vfio::PciAddress> siblings{};  ///< Taken from their drivers with it.
};

/// Binds all of them, or none. One that was bound by hand before keeps what is
/// remembered of it.
[[nodiscard]] Result<> bind_by_hand(const Root& root, const Paths& paths,
                                    const std::vector<HandBinding>& bindings);

/// Gives one back, with the siblings that were taken with it. Errors:
/// not-bound-by-hand; function-in-use while a guest runs with it.
[[nodiscard]] Errors return_by_hand(const Root& root, const Paths& paths,
                                    const vfio::PciAddress& address);

[[nodiscard]] std::vector<vfio::PciAddress> bound_by_hand(const Root& root, const Paths& paths);

/// The running guest in whose journal the function is.
[[nodiscard]] std::optional<std::string> guest_with(const Root& root, const Paths& paths,
                                                    const vfio::PciAddress& address);

/// Loads the module of a PCI driver that the kernel does not have yet.
[[nodiscard]] Result<> load_driver(const Root& root, const std::string& driver);

}  // namespace hv::run
