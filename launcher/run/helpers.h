// SPDX-License-Identifier: MIT
//
// Who works for a guest beside QEMU's own threads: workers of the kernel and
// programs that were started for it.
#pragma once

#include "launcher/run/place.h"

#include <sys/types.h>

#include <string>
#include <vector>

namespace hv::run {

struct Helper {
  std::string what;  ///< "vhost worker", "swtpm".
  pid_t id = 0;
};

/// The kernel's threads that move the packets of `qemu`'s vhost devices: threads
/// of QEMU itself since Linux 6.4, before it of nobody.
[[nodiscard]] std::vector<Helper> vhost_workers(const Root& root, pid_t qemu);

/// Programs of the guest's own user that were told a path in its directory.
/// Only to be shown: a program can say of itself what it likes.
[[nodiscard]] std::vector<Helper> helper_programs(const Place& place, pid_t qemu);

/// Whether the kernel has made the thread of `process` for a purpose of its own.
[[nodiscard]] bool is_kernels_own(const Root& root, pid_t process, pid_t thread);

}  // namespace hv::run
