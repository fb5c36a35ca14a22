// SPDX-License-Identifier: MIT
//
// The larger of the files that `doctor` reads.
#pragma once

#include "launcher/host/doctor_facts.h"

namespace hv::host {

/// State of each module that guests need, by the kernel's name ("vfio_pci").
[[nodiscard]] std::map<std::string, ModuleState, std::less<>> read_modules(
    const Root& root, const std::string& release);

/// The kernel's log as it is now; never waits for more.
[[nodiscard]] KernelLog read_kernel_log(const Root& root);

}  // namespace hv::host
