// SPDX-License-Identifier: MIT
#include "launcher/base/text.h"
#include "launcher/host/doctor_checks.h"

#include <algorithm>
#include <array>

namespace hv::host::checks {
namespace {

/// Words of the command line that change what guests can have.
constexpr std::array<std::string_view, 16> telling = {
    "intel_iommu=", "amd_iommu=",    "iommu=",    "iommu.",       "intremap=",  "nointremap",
    "hugepagesz=",  "hugepages=",    "isolcpus=", "nohz_full=",   "kvm_intel.", "kvm_amd.",
    "kvm.",         "vfio-pci.ids=", "nosmt",     "mem_encrypt=",
};

Finding node_finding(const DoctorFacts& facts, const DeviceNode& node, std::string_view module,
                     std::string_view purpose) {
  if (!node.there) {
    auto remedy = module_finding(facts, module).remedy;
    if (remedy.empty()) remedy = "in a container: let it have the device (--device)";
    return {Status::fail, fmt::format("there is no {}: {}", node.path, purpose), std::move(remedy)};
  }
  if (!node.usable)
    return {Status::fail, fmt::format("you may not open {}: {}", node.path, purpose),
            open_node(facts, node)};
  return {.found = "you may open it"};
}

}  // namespace

Finding tun(const DoctorFacts& facts) {
  auto finding = node_finding(facts, facts.dev_tun, "tun", "guests on a bridge need it");
  constexpr unsigned net_admin = 12;  // linux/capability.h
  if (finding.status == Status::ok && !facts.caller.has_capability(net_admin))
    return {Status::warn, "only root can put a guest on a bridge",
            "start such guests as root, or set \"network\": {\"mode\": \"user\"}"};
  return finding;
}

Finding vhost_net(const DoctorFacts& facts) {
  return node_finding(facts, facts.dev_vhost_net, "vhost_net", "it makes guests' networks fast");
}

Finding bridges(const DoctorFacts& facts) {
  if (!facts.host.bridges.empty()) return {.found = join(facts.host.bridges, ", ")};
  return {Status::warn, "this host has none: guests have their network through QEMU itself",
          make_bridge(facts.distribution)};
}

Finding groups_of_user(const DoctorFacts& facts) {
  const auto& caller = facts.caller;
  if (caller.is_root()) return {.found = "root"};
  std::vector<std::string> in;
  for (const auto* const name : {"kvm", "hvlaunch"}) {
    const auto* const group = caller.find_group(name);
    if (group == nullptr) continue;
    if (caller.is_in(*group)) {
      in.emplace_back(name);
      continue;
    }
    if (std::ranges::find(group->members, caller.name) != group->members.end())
      return {Status::warn,
              fmt::format("{} is in the group {} from the next login on", caller.name, name),
              "log in again"};
    return {Status::warn, fmt::format("{} is not in the group {}", caller.name, name),
            join_group(facts.distribution, caller.name, name)};
  }
  return {.found =
              in.empty() ? caller.name : fmt::format("{}, in {}", caller.name, join(in, ", "))};
}

Finding directories(const DoctorFacts& facts) {
  std::vector<std::string> paths;
  for (const auto& [purpose, path, there, usable] : facts.directories) {
    if (!usable)
      return {Status::fail,
              fmt::format("you cannot {} {} ({})", there ? "write to" : "make", path, purpose),
              there ? fmt::format("mend its owner and mode: `ls -ld {}`", shell_quote(path))
                    : "make it for your user, or set the XDG directory that it is in"};
    paths.push_back(path);
  }
  return {.found = join(paths, ", ")};
}

Finding command_line(const DoctorFacts& facts) {
  std::vector<std::string> words;
  for (const auto& parameter : facts.parameters)
    if (std::ranges::any_of(telling, [&](auto start) { return parameter.starts_with(start); }))
      words.push_back(parameter);
  return {.found = fmt::format("{} on {}{}{}", facts.kernel, facts.distribution.name,
                               words.empty() ? "" : "; ", join(words, " "))};
}

Finding kernel_log(const DoctorFacts& facts) {
  if (!facts.log.readable)
    return {Status::unknown,
            facts.caller.is_root()
                ? "/dev/kmsg is not shown here: what the kernel complains of cannot be known"
                : "only root may read it: what the kernel complains of cannot be known",
            facts.caller.is_root() ? "" : "`sudo hvlaunch doctor`"};
  if (facts.log.complaints.empty())
    return {.found = "as far as it reaches back, no complaint of KVM, IOMMU or VFIO"};
  return {Status::warn, join(facts.log.complaints, "; "),
          "a newer firmware (BIOS) of the board often mends what the kernel complains of; "
          "`dmesg` has the lines around it"};
}

}  // namespace hv::host::checks
