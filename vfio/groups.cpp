// SPDX-License-Identifier: MIT
#include "vfio/groups.h"

#include "launcher/base/text.h"
#include "vfio/quarantine.h"

#include <algorithm>

namespace hv::vfio {
namespace {

bool is_among(const PciAddress& address, const std::vector<PciAddress>& addresses) {
  return std::ranges::find(addresses, address) != addresses.end();
}

bool on_same_card(const PciAddress& one, const PciAddress& other) {
  return one.domain == other.domain && one.bus == other.bus && one.device == other.device;
}

std::string listed(const std::vector<const Function*>& functions) {
  std::vector<std::string> names;
  for (const auto* const function : functions) names.push_back(to_string(function->address));
  return join(names, ", ");
}

/// "0000:01:00.1 (class 0403, snd_hda_intel)", and what uses it.
std::string describe_sibling(const Function& function) {
  const auto uses = describe_uses(function);
  return fmt::format("{} (class {:04x}, {}{}{})", to_string(function.address),
                     function.class_code >> 8U, function.driver, uses.empty() ? "" : ": ", uses);
}

/// Judges one function of those wanted.
class Judge {
 public:
  Judge(const Devices& devices, const Request& request, const Function& function)
      : devices_(devices),
        request_(request),
        function_(function),
        name_(to_string(function.address)),
        verdict_{.address = function.address} {}

  Verdict judge() {
    if (function_.is_bridge()) {
      // Nothing else that could be said would help.
      refuse("is-a-bridge", fmt::format("{} is a bridge", name_),
             "pass the devices behind it, each by its own address");
      return std::move(verdict_);
    }
    judge_order(function_);
    judge_iommu();
    judge_vfs();
    judge_uses();
    judge_siblings();
    if (function_.reset_methods.empty())
      warn("no-reset",
           fmt::format("the kernel cannot reset {}: after one guest, the next may find it hung",
                       name_),
           "if it does, only a reboot of the host helps");
    return std::move(verdict_);
  }

 private:
  void refuse(std::string id, std::string message, std::string hint) {
    verdict_.errors.push_back({.fault = Fault::missing,
                               .id = std::move(id),
                               .message = std::move(message),
                               .hint = std::move(hint)});
  }
  void warn(std::string id, std::string message, std::string hint) {
    verdict_.warnings.push_back({.fault = Fault::missing,
                                 .id = std::move(id),
                                 .message = std::move(message),
                                 .hint = std::move(hint)});
  }

  void judge_order(const Function& function) {
    if (!function.out_of_order.empty())
      refuse(
          "quarantined",
          fmt::format("{} is out of order: {}", to_string(function.address), function.out_of_order),
          cure_of_quarantine(function.address));
  }

  void judge_iommu() {
    if (!devices_.iommu)
      return refuse("no-iommu", fmt::format("{} cannot be passed: this host has no IOMMU", name_),
                    "enable VT-d, AMD-Vi or the SMMU in the firmware setup; Intel also needs "
                    "intel_iommu=on on the kernel's command line");
    if (!function_.iommu_group)
      return refuse("no-iommu", fmt::format("{} is in no IOMMU group", name_),
                    "the host's IOMMU does not reach it: another slot may");
    if (!devices_.interrupt_remapping && !devices_.unsafe_interrupts)
      refuse("no-interrupt-remapping",
             fmt::format("{} could raise any interrupt of the host: its IOMMU does not remap them",
                         name_),
             "enable x2APIC or interrupt remapping in the firmware setup; for guests that you "
             "trust, allow_unsafe_interrupts=1 of the module vfio_iommu_type1");
    if (function_.firmware_memory)
      refuse("firmware-memory",
             fmt::format("the host's firmware uses memory through {} (RMRR)", name_),
             "turn its management or shared memory off in the firmware setup, or use another slot");
  }

  void judge_vfs() {
    if (function_.vfs != 0)
      refuse("has-vfs", fmt::format("{} has {} virtual functions", name_, function_.vfs),
             fmt::format("pass one of them, or write 0 to {}/sriov_numvfs", function_.sysfs_path));
  }

  void judge_uses() {
    auto function = function_;
    if (request_.handed_over)
      std::erase_if(function.uses, [](const Use& use) { return use.kind == Use::Kind::display; });
    const auto uses = describe_uses(function);
    if (uses.empty()) return;
    if (request_.force) return warn("forced", fmt::format("{} is taken from {}", name_, uses), "");
    const bool shows = std::ranges::any_of(
        function.uses, [](const Use& use) { return use.kind == Use::Kind::display; });
    refuse(
        "function-in-use", fmt::format("the host uses {}: {}", name_, uses),
        shows ? "pass another device, or let the host hand its screen over with \"hand_over\": true"
              : "free it first, or pass another device");
  }

  void judge_siblings() {
    const auto in_the_way = siblings_in_the_way(devices_, function_, request_.wanted);
    if (in_the_way.empty()) return;
    if (request_.siblings == Siblings::refuse) return refuse_siblings(in_the_way);
    for (const auto* const sibling : in_the_way) {
      verdict_.take.push_back(sibling->address);
      judge_order(*sibling);
      const auto uses = describe_uses(*sibling);
      const auto message =
          fmt::format("{} is in IOMMU group {} with {}, which the host uses: {}", name_,
                      *function_.iommu_group, to_string(sibling->address), uses);
      if (!uses.empty() && !request_.force)
        refuse("function-in-use", message, "free it first, or use a slot with a group of its own");
      else if (!uses.empty())
        warn("forced", message, "");
    }
  }

  void refuse_siblings(const std::vector<const Function*>& in_the_way) {
    std::vector<std::string> descriptions;
    std::vector<const Function*> same_card;
    std::vector<const Function*> used;
    for (const auto* const sibling : in_the_way) {
      descriptions.push_back(describe_sibling(*sibling));
      if (on_same_card(sibling->address, function_.address) && !sibling->is_bridge())
        same_card.push_back(sibling);
      if (!sibling->uses.empty()) used.push_back(sibling);
    }
    std::string hint;
    if (!used.empty() && !request_.force)
      hint = fmt::format("the host needs {}: use a slot with a group of its own", listed(used));
    else if (same_card.size() == in_the_way.size())
      hint = fmt::format("pass {} as well, or take {} from {} with \"siblings\": \"bind\"",
                         listed(same_card), same_card.size() == 1 ? "it" : "them",
                         same_card.size() == 1 ? "its driver" : "their drivers");
    else if (!same_card.empty())
      hint = fmt::format(
          "pass {} as well, and take the others from their drivers with "
          "\"siblings\": \"bind\"",
          listed(same_card));
    else
      hint = fmt::format("take {} from the host with \"siblings\": \"bind\"", listed(in_the_way));
    refuse("incomplete-group",
           fmt::format("{} is in IOMMU group {} with {}", name_, *function_.iommu_group,
                       join(descriptions, ", ")),
           std::move(hint));
  }

  const Devices& devices_;
  const Request& request_;
  const Function& function_;
  std::string name_;
  Verdict verdict_;
};

}  // namespace

std::vector<Verdict> judge(const Devices& devices, const Request& request) {
  std::vector<Verdict> verdicts;
  for (const auto& address : request.wanted) {
    if (const auto* const function = devices.find(address)) {
      verdicts.push_back(Judge(devices, request, *function).judge());
      continue;
    }
    verdicts.push_back({.address = address});
    verdicts.back().errors.push_back(
        {.fault = Fault::missing,
         .id = "no-device-here",
         .message = fmt::format("this host has no PCI device {}", to_string(address)),
         .hint = "`hvlaunch vfio list` shows what there is"});
  }
  return verdicts;
}

std::vector<const Function*> siblings_in_the_way(const Devices& devices, const Function& function,
                                                 const std::vector<PciAddress>& wanted) {
  if (!function.iommu_group) return {};
  auto members = devices.group(*function.iommu_group);
  std::erase_if(members, [&](const Function* member) {
    return member->address == function.address || is_among(member->address, wanted) ||
           member->is_bus_bridge() || member->driver.empty() || member->has_guest_driver();
  });
  return members;
}

std::string describe_uses(const Function& function) {
  std::vector<std::string> holders;
  for (const auto& use : function.uses) holders.push_back(use.holder);
  return join(holders, "; ");
}

}  // namespace hv::vfio
