// SPDX-License-Identifier: MIT
//
// A /dev of QEMU's own: the nodes that the guest needs, as its user's, and no
// others. Nothing of the host's /dev is changed, and it is gone with QEMU.
#pragma once

#include "launcher/base/error.h"
#include "launcher/base/root.h"

#include <string>
#include <vector>

namespace hv::run {

/// Puts the process into a mount namespace of its own (mount_namespaces(7))
/// with such a /dev; what the host mounts and unmounts later is seen there,
/// too. `paths` are below /dev; one that is not there is left out. False: this
/// host lets nobody do that, as in a container; then nothing is changed.
[[nodiscard]] Result<bool> take_own_devices(const Root& root, const std::vector<std::string>& paths,
                                            uid_t user);

}  // namespace hv::run
