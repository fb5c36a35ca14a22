// SPDX-License-Identifier: MIT
//
// Golden cases: folders of tests/golden with a profile, the host and the QEMU
// that it meets, and the plan or the errors that come of it.
//
//     profile.json   the profile
//     case.json      what differs from the defaults (all optional):
//                      qemu         of tests/capabilities; "7.2-" and the profile's arch
//                      host         a tree of tests/hosts; "desktop"
//                      hardware     another tree, for cpus.txt and pci.txt; the host's
//                      offline      CPUs that are switched off
//                      allowed      CPUs that the cpuset leaves; all
//                      iommu        false: the host has none
//                      remapping    false: its IOMMU remaps no interrupts
//                      iommufd      true: the kernel has /dev/iommu
//                      kvm          false: this QEMU was built without KVM
//                      record       the machine type of the guest's first start
//                      base_format  of the disk's base image; "qcow2"
//                      zones        name -> bridge, or {"bridge", "allow_hostdev"}
//     expected       as `plan` prints it
#pragma once

#include "launcher/plan/machine.h"
#include "launcher/plan/plan.h"

#include <expected>
#include <string>
#include <vector>

struct GoldenCase {
  std::string name;
  std::string qemu_name;  ///< "7.2-x86_64".
  hv::profiles::Source source;
  hv::qemu::Capabilities qemu;
  hv::qemu::FirmwareSet firmware;
  hv::host::HostFacts host;
  hv::Paths paths;
  hv::plan::Config config;
  hv::plan::Record record;
  std::string base_format = "qcow2";
  std::vector<hv::plan::HostRecord> baseline{};
};

/// The folders of tests/golden, sorted.
[[nodiscard]] std::vector<std::string> golden_names();
[[nodiscard]] GoldenCase golden_case(const std::string& name);

/// The same profile and host with another QEMU, "10.0", and the firmware of its time.
[[nodiscard]] GoldenCase with_qemu(GoldenCase golden, std::string_view version);

/// No profile yet: a QEMU of tests/capabilities on a host of tests/hosts/cpus, with
/// KVM; on "tcg", without.
[[nodiscard]] GoldenCase feature_case(const std::string& arch, const std::string& version,
                                      const std::string& host);

/// What `hvlaunch plan` does, but for reading the host.
[[nodiscard]] std::expected<hv::plan::Plan, hv::Errors> plan_of(const GoldenCase& golden);
[[nodiscard]] std::expected<hv::plan::Plan, hv::Errors> plan_of(
    const GoldenCase& golden, const hv::profiles::Profile& profile);

/// The whole file; empty if there is none.
[[nodiscard]] std::string slurp(const std::string& path);

/// The system's own paths, as root has them.
[[nodiscard]] hv::Paths golden_paths();

/// One option of a command line, its value taken apart as QEMU does. Of JSON
/// values the strings, numbers and words of the outermost object.
struct Parsed {
  std::string option;
  std::string implied;  ///< "q35" of "-machine q35,smm=on".
  std::vector<std::pair<std::string, std::string>> members;

  [[nodiscard]] std::string at(std::string_view key) const;
};
[[nodiscard]] Parsed parse_argument(const hv::plan::Argument& argument);
