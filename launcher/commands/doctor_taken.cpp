// SPDX-License-Identifier: MIT
#include "launcher/base/text.h"
#include "launcher/commands/doctor.h"
#include "launcher/commands/load.h"
#include "launcher/commands/vfio.h"
#include "launcher/plan/needs.h"
#include "vfio/groups.h"
#include "vfio/scan.h"

#include <algorithm>

namespace hv::commands {
namespace {

using host::Status;

class DeviceRemarks {
 public:
  DeviceRemarks(const Loaded& loaded, const vfio::Devices& devices, const vfio::Names& names,
                std::vector<Remark>& remarks)
      : loaded_(loaded), devices_(devices), names_(names), remarks_(remarks) {}

  void add_missing(Error error, const std::string& pointer) {
    error.origin.pointer = pointer;
    auto remark =
        remark_of(placed({std::move(error)}, loaded_).front(), Status::fail, area, "device");
    if (!is_said(remark)) remarks_.push_back(std::move(remark));
  }

  void add(const vfio::Verdict& verdict, const std::string& pointer) {
    const auto title = to_string(verdict.address);
    const auto put = [&](const Errors& errors, Status status) {
      for (auto error : errors) {
        error.origin.pointer = pointer;
        auto remark = remark_of(placed({std::move(error)}, loaded_).front(), status, area, title);
        if (!is_said(remark)) remarks_.push_back(std::move(remark));
      }
    };
    if (const auto* const function = devices_.find(verdict.address);
        function != nullptr && verdict.may_be_passed())
      remarks_.push_back(make_remark("device", area, title, {Status::ok, describe(*function)}));
    put(verdict.errors, Status::fail);
    put(verdict.warnings, Status::warn);
  }

 private:
  static constexpr std::string_view area = "Its devices";

  /// The plan may have refused it for the same reason.
  bool is_said(const Remark& remark) const {
    return std::ranges::any_of(remarks_, [&](const Remark& other) {
      return other.id == remark.id && other.finding.found == remark.finding.found;
    });
  }

  std::string describe(const vfio::Function& function) const {
    auto text = title_of(names_, function);
    if (function.iommu_group) {
      const auto members = devices_.group(*function.iommu_group).size();
      text += fmt::format("; group {}{}", *function.iommu_group,
                          members == 1 ? ", alone in it" : fmt::format(" of {}", members));
    }
    if (const auto uses = describe_uses(function); !uses.empty())
      return text + "; the host would lose " + uses;
    if (function.has_guest_driver()) return text + "; ready: it has the driver " + function.driver;
    return text + (function.driver.empty() ? "; no driver of the host has it"
                                           : "; the host's driver lets it go: " + function.driver);
  }

  const Loaded& loaded_;
  const vfio::Devices& devices_;
  const vfio::Names& names_;
  std::vector<Remark>& remarks_;
};

}  // namespace

void add_devices(const Context& context, const Loaded& loaded, std::vector<Remark>& remarks) {
  const auto& wanted = loaded.profile.host_devices;
  if (wanted.empty()) return;
  const auto devices = vfio::read_devices(context.root, plan::needs_of(loaded.profile).devices,
                                          vfio::quarantined(context.root, context.paths.runtime));
  if (!devices) {
    remarks.push_back(remark_of(devices.error(), Status::fail, "Its devices", "devices"));
    return;
  }
  const auto names = vfio::read_names(context.root);
  DeviceRemarks all(loaded, *devices, names, remarks);
  std::vector<vfio::PciAddress> addresses;
  for (const auto& device : wanted)
    if (const auto chosen = choose(plan::selector_of(device), *devices))
      addresses.push_back((*chosen)->address);
    else
      all.add_missing(chosen.error(), device.pointer);
  for (const auto& device : wanted) {
    const auto chosen = choose(plan::selector_of(device), *devices);
    if (!chosen) continue;
    for (const auto& verdict : judge(*devices, {.wanted = addresses,
                                               .siblings = device.siblings.value,
                                               .force = device.even_if_used.value}))
      if (verdict.address == (*chosen)->address) all.add(verdict, device.pointer);
  }
}

void add_taken(const plan::Plan& plan, std::vector<Remark>& remarks) {
  for (const auto& [action, cause] : plan.steps)
    if (std::holds_alternative<plan::HugePages>(action))
      remarks.push_back(make_remark("hugepages-need", "Its memory", "huge pages",
                                    {Status::ok, describe(action)}));
  std::vector<std::string> pins;
  for (const auto& cpus : plan.pins.vcpus) pins.push_back(to_string(cpus));
  if (!pins.empty())
    remarks.push_back(
        make_remark("pins", "Its CPUs", "pins",
                    {Status::ok, fmt::format("vCPUs on CPU {}; QEMU on CPU {}", join(pins, " "),
                                             to_string(plan.pins.emulator))}));
}

}  // namespace hv::commands
