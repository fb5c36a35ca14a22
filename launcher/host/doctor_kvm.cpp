// SPDX-License-Identifier: MIT
#include "launcher/host/doctor_checks.h"

#include <algorithm>

namespace hv::host::checks {
namespace {

bool is_x86(const DoctorFacts& facts) {
  return facts.host.architecture == "x86_64";
}

bool is_intel(const DoctorFacts& facts) {
  return facts.host.cpu_vendor == "GenuineIntel";
}

constexpr std::string_view give_virtualization_to_guest =
    "this host is itself a guest: turn on nested virtualization on the machine that it runs on, "
    "and give it the CPU model `host`";

std::string turn_virtualization_on(const DoctorFacts& facts) {
  if (facts.is_guest) return std::string(give_virtualization_to_guest);
  return is_intel(facts) ? "enable VT-x (Intel Virtualization Technology) in the firmware setup"
                         : "enable SVM (AMD-V) in the firmware setup";
}

bool lacks_virtualization(const DoctorFacts& facts) {
  return is_x86(facts) && !facts.vmx && !facts.svm;
}

/// The module that makes /dev/kvm; "kvm" where the architecture has one only.
std::string_view kvm_module_name(const DoctorFacts& facts) {
  if (!is_x86(facts)) return "kvm";
  return facts.svm || (!facts.vmx && !is_intel(facts)) ? "kvm_amd" : "kvm_intel";
}

std::string_view kernel_package(const DoctorFacts& facts) {
  const auto& architecture = facts.host.architecture;
  if (architecture == "x86_64") return "linux-image-amd64";
  if (architecture == "aarch64") return "linux-image-arm64";
  return architecture == "riscv64" ? "linux-image-riscv64" : "linux-image-loong64";
}

}  // namespace

std::string open_node(const DoctorFacts& facts, const DeviceNode& node) {
  const auto& caller = facts.caller;
  if (caller.is_root() || node.usable)
    return fmt::format(
        "this container or service is kept from it: let it have {} "
        "(DeviceAllow=, --device)",
        node.path);
  const auto* const group = caller.find_group(node.group);
  if (!node.for_group || group == nullptr || group->number == 0)
    return fmt::format("as root: `chgrp kvm {0} && chmod 660 {0}`, as udev does at boot",
                       node.path);
  if (std::ranges::find(group->members, caller.name) != group->members.end() &&
      !caller.is_in(*group))
    return fmt::format("you are in the group {} from your next login on: log in again",
                       group->name);
  return join_group(facts.distribution, caller.name, group->name);
}

Finding module_finding(const DoctorFacts& facts, std::string_view name) {
  switch (facts.module(name)) {
    case ModuleState::loaded: return {.found = fmt::format("{} is loaded", name)};
    case ModuleState::available:
      return {Status::fail, fmt::format("{} is not loaded", name),
              load_module(facts.distribution, name)};
    case ModuleState::absent:
      return {
          Status::fail, fmt::format("the kernel {} has no module {}", facts.kernel, name),
          facts.distribution.family == Family::debian
              ? fmt::format("`apt install {}`, and boot that kernel: those for clouds lack much",
                            kernel_package(facts))
              : "boot a kernel that has it"};
    case ModuleState::unknown:
      return {Status::unknown,
              fmt::format("{} is not loaded, and /lib/modules shows nothing of kernel {}", name,
                          facts.kernel),
              "after an upgrade of the kernel, reboot; in a container, look on its host"};
  }
  std::unreachable();
}

Finding cpu(const DoctorFacts& facts) {
  if (!is_x86(facts))
    return {.found = fmt::format("{}: only /dev/kvm tells", facts.host.architecture)};
  if (lacks_virtualization(facts))
    return {Status::fail, "the CPU shows neither vmx nor svm", turn_virtualization_on(facts)};
  return {.found = fmt::format("{}{}", facts.vmx ? "VT-x (vmx)" : "AMD-V (svm)",
                               facts.is_guest ? "; this host is itself a guest" : "")};
}

Finding kvm_module(const DoctorFacts& facts) {
  const auto name = kvm_module_name(facts);
  // A kernel without loadable modules shows none, and needs none.
  if (facts.host.kvm.usable && facts.module(name) != ModuleState::loaded)
    return {.found = "in the kernel"};
  auto finding = module_finding(facts, name);
  if (finding.status == Status::fail && lacks_virtualization(facts))
    finding.remedy = "first what the CPU needs: " + turn_virtualization_on(facts);
  return finding;
}

Finding kvm(const DoctorFacts& facts) {
  if (facts.host.kvm.usable) return {.found = "opens, and KVM answers"};
  if (facts.dev_kvm.there && !facts.dev_kvm.usable)
    return {Status::fail, "you may not open /dev/kvm", open_node(facts, facts.dev_kvm)};
  if (lacks_virtualization(facts))
    return {Status::fail, facts.host.kvm.reason, turn_virtualization_on(facts)};
  if (facts.dev_kvm.there && facts.host.kvm.reason.starts_with("you may not"))
    return {Status::fail, facts.host.kvm.reason, open_node(facts, facts.dev_kvm)};
  if (facts.dev_kvm.there)
    return {Status::fail, facts.host.kvm.reason,
            "see what /dev/kvm is: `ls -l /dev/kvm` should show a device 10, 232"};
  const auto name = kvm_module_name(facts);
  if (facts.module(name) == ModuleState::loaded)
    return {Status::fail, fmt::format("{} is loaded, but there is no /dev/kvm", name),
            facts.caller.is_root() ? "in a container: let it have the device (--device /dev/kvm); "
                                     "else `mknod -m 660 /dev/kvm c 10 232`"
                                   : "in a container: let it have the device (--device /dev/kvm)"};
  auto remedy = module_finding(facts, name).remedy;
  return {Status::fail, "there is no /dev/kvm", std::move(remedy)};
}

Finding nested(const DoctorFacts& facts) {
  if (!facts.nested)
    return {Status::unknown,
            facts.host.kvm.usable ? "this kernel has no switch for it" : "KVM is not loaded"};
  if (*facts.nested) return {.found = "guests can run guests"};
  const auto name = kvm_module_name(facts);
  return {Status::warn, "guests cannot run guests of their own",
          set_module_option(facts.distribution, name, "nested=1")};
}

}  // namespace hv::host::checks
