// SPDX-License-Identifier: MIT
//
// The functions in the table of checks (doctor.cpp), one a row.
#pragma once

#include "launcher/host/doctor.h"

namespace hv::host::checks {

Finding cpu(const DoctorFacts& facts);
Finding kvm_module(const DoctorFacts& facts);
Finding kvm(const DoctorFacts& facts);
Finding nested(const DoctorFacts& facts);

Finding iommu(const DoctorFacts& facts);
Finding interrupt_remapping(const DoctorFacts& facts);
Finding groups(const DoctorFacts& facts);
Finding acs(const DoctorFacts& facts);
Finding vfio_module(const DoctorFacts& facts);
Finding quarantine(const DoctorFacts& facts);
Finding vfio_access(const DoctorFacts& facts);

Finding huge_pages(const DoctorFacts& facts);
Finding gigantic_pages(const DoctorFacts& facts);
Finding memlock(const DoctorFacts& facts);

Finding tun(const DoctorFacts& facts);
Finding vhost_net(const DoctorFacts& facts);
Finding bridges(const DoctorFacts& facts);

Finding qemu(const DoctorFacts& facts);
Finding other_qemus(const DoctorFacts& facts);
Finding firmware(const DoctorFacts& facts);
Finding other_firmware(const DoctorFacts& facts);
Finding qemu_img(const DoctorFacts& facts);
Finding xorriso(const DoctorFacts& facts);
Finding swtpm(const DoctorFacts& facts);
Finding modprobe(const DoctorFacts& facts);

Finding groups_of_user(const DoctorFacts& facts);
Finding directories(const DoctorFacts& facts);
Finding command_line(const DoctorFacts& facts);
Finding kernel_log(const DoctorFacts& facts);

/// What to do so that the caller may open a file of /dev.
[[nodiscard]] std::string open_node(const DoctorFacts& facts, const DeviceNode& node);

/// What to do about a module that is not loaded. `name` is the kernel's: "vfio_pci".
[[nodiscard]] Finding module_finding(const DoctorFacts& facts, std::string_view name);

}  // namespace hv::host::checks
