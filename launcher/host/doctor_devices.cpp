// SPDX-License-Identifier: MIT
#include "launcher/base/text.h"
#include "launcher/host/doctor_checks.h"
#include "vfio/quarantine.h"

#include <algorithm>
#include <set>

namespace hv::host::checks {
namespace {

struct Iommu {
  std::string_view name;    ///< As the firmware setup and people call it.
  std::string_view table;   ///< The ACPI table with which the firmware tells of it.
  std::string_view unit;    ///< What its units are called in /sys/class/iommu.
  std::string_view vendor;  ///< Of the CPUs that come with it, as /proc/cpuinfo has it.
};

constexpr Iommu vt_d = {"VT-d", "DMAR", "dmar", "GenuineIntel"};
constexpr Iommu kinds[] = {
    vt_d,
    {"AMD-Vi", "IVRS", "ivhd", "AuthenticAMD"},
    {"AMD-Vi", "IVRS", "ivhd", "HygonGenuine"},
    {"SMMU", "IORT", "smmu", ""},
};

/// By its units, by what the firmware tells, or else as such CPUs have it.
const Iommu& kind_of(const DoctorFacts& facts) {
  for (const auto& kind : kinds)
    for (const auto& unit : facts.iommus)
      if (unit.starts_with(kind.unit)) return kind;
  for (const auto& kind : kinds)
    if (std::ranges::find(facts.acpi_tables, kind.table) != facts.acpi_tables.end()) return kind;
  for (const auto& kind : kinds)
    if (facts.host.cpu_vendor == kind.vendor) return kind;
  return kinds[3];
}

bool has_parameter_like(const DoctorFacts& facts, std::string_view key, std::string_view word) {
  return std::ranges::any_of(facts.parameters, [&](const std::string& parameter) {
    if (!parameter.starts_with(key)) return false;
    const auto words = split(std::string_view(parameter).substr(key.size()), ',');
    return std::ranges::find(words, word) != words.end();
  });
}

bool shows_devices(const DoctorFacts& facts) {
  return facts.devices.has_value();
}

Finding devices_not_shown() {
  return {Status::unknown, "no PCI devices are visible here: a container, or a machine without"};
}

Finding no_iommu(const DoctorFacts& facts) {
  const auto& kind = kind_of(facts);
  const auto fail_with = [&](std::string why, std::string remedy) -> Finding {
    return {Status::fail, fmt::format("no device can be passed to a guest: {}", why),
            std::move(remedy)};
  };
  for (const auto* const off : {"intel_iommu=off", "amd_iommu=off", "iommu=off"})
    if (facts.has_parameter(off))
      return fail_with(fmt::format("{} is on the kernel's command line", off),
                       remove_parameter(facts.distribution, off));
  const auto enable = facts.is_guest ? std::string(
                                           "this host is itself a guest: give it a virtual IOMMU "
                                           "(QEMU: -device intel-iommu,intremap=on)")
                                     : fmt::format("enable {} in the firmware setup", kind.name);
  const bool intel_needs_word =
      kind.name == vt_d.name && !has_parameter_like(facts, "intel_iommu=", "on");
  const auto& tables = facts.acpi_tables;
  const bool told = std::ranges::find(tables, kind.table) != tables.end();
  if (!told && !tables.empty())
    return fail_with(
        fmt::format("the firmware does not tell of one (no ACPI table {})", kind.table),
        intel_needs_word ? fmt::format("{}; then {}", enable,
                                       add_parameters(facts.distribution, "intel_iommu=on"))
                         : enable);
  if (intel_needs_word)
    return fail_with("VT-d is off: intel_iommu=on is not on the kernel's command line",
                     add_parameters(facts.distribution, "intel_iommu=on"));
  return fail_with(fmt::format("{} is off", kind.name),
                   fmt::format("{}; if it is, the kernel's log says why: `dmesg | grep -i -e DMAR "
                               "-e AMD-Vi -e iommu`",
                               enable));
}

std::set<std::uint64_t> group_numbers(const vfio::Devices& devices) {
  std::set<std::uint64_t> numbers;
  for (const auto& function : devices.functions)
    if (function.iommu_group) numbers.insert(*function.iommu_group);
  return numbers;
}

/// What of a group guests would get: all but bridges to buses.
std::vector<const vfio::Function*> passable(const vfio::Devices& devices, std::uint64_t group) {
  auto members = devices.group(group);
  std::erase_if(members, [](const auto* member) { return member->is_bridge(); });
  return members;
}

bool on_one_card(const std::vector<const vfio::Function*>& members) {
  return std::ranges::all_of(members, [&](const auto* member) {
    const auto& one = member->address;
    const auto& first = members.front()->address;
    return one.domain == first.domain && one.bus == first.bus && one.device == first.device;
  });
}

std::string addresses_of(const std::vector<const vfio::Function*>& functions) {
  std::vector<std::string> addresses;
  for (const auto* const function : functions) addresses.push_back(to_string(function->address));
  return join(addresses, ", ");
}

}  // namespace

Finding iommu(const DoctorFacts& facts) {
  if (!shows_devices(facts)) return devices_not_shown();
  if (!facts.devices->iommu) return no_iommu(facts);
  return {.found = fmt::format(
              "{} is on{}{}", kind_of(facts).name,
              facts.has_parameter("iommu=pt") ? ", the host's own devices bypass it" : "",
              facts.devices->iommufd ? "; IOMMUFD is there" : "")};
}

Finding interrupt_remapping(const DoctorFacts& facts) {
  if (!shows_devices(facts)) return devices_not_shown();
  if (!facts.devices->iommu) return {Status::unknown, "there is no IOMMU to do it"};
  if (facts.devices->interrupt_remapping) return {.found = "on"};
  for (const auto* const off : {"intremap=off", "nointremap"})
    if (facts.has_parameter(off))
      return {Status::fail, fmt::format("off: {} is on the kernel's command line", off),
              remove_parameter(facts.distribution, off)};
  if (facts.devices->unsafe_interrupts)
    return {Status::warn,
            "off, and allow_unsafe_interrupts=1 lets devices be passed nevertheless: a guest can "
            "then raise any interrupt of the host",
            "enable x2APIC or interrupt remapping in the firmware setup, or pass devices to "
            "guests that you trust only"};
  return {
      Status::fail, "off: the kernel lets no device be passed",
      "enable x2APIC or interrupt remapping in the firmware setup; only for guests that you "
      "trust: " +
          set_module_option(facts.distribution, "vfio_iommu_type1", "allow_unsafe_interrupts=1")};
}

Finding groups(const DoctorFacts& facts) {
  if (!shows_devices(facts)) return devices_not_shown();
  const auto numbers = group_numbers(*facts.devices);
  if (numbers.empty()) return {Status::unknown, "there are none without an IOMMU"};
  std::size_t useful = 0;
  std::size_t alone = 0;
  for (const auto number : numbers) {
    const auto members = passable(*facts.devices, number).size();
    if (members != 0) ++useful;
    if (members == 1) ++alone;
  }
  return {.found = fmt::format("{} with devices for guests, {} of them with one alone; "
                               "`hvlaunch vfio list` shows them",
                               useful, alone)};
}

Finding acs(const DoctorFacts& facts) {
  if (!shows_devices(facts)) return devices_not_shown();
  if (!facts.devices->iommu) return {Status::unknown, "there are no groups without an IOMMU"};
  if (std::ranges::any_of(facts.parameters, [](const std::string& parameter) {
        return parameter.starts_with("pcie_acs_override=");
      }))
    return {Status::warn,
            "pcie_acs_override splits groups that the hardware does not: a guest's device can "
            "reach the memory of its neighbours' devices",
            remove_parameter(facts.distribution, "pcie_acs_override")};
  std::vector<std::string> shared;
  for (const auto number : group_numbers(*facts.devices)) {
    const auto members = passable(*facts.devices, number);
    if (members.size() < 2 || on_one_card(members)) continue;
    shared.push_back(fmt::format("group {} has {} devices that must be passed together: {}", number,
                                 members.size(), addresses_of(members)));
  }
  if (shared.empty()) return {.found = "each slot has a group of its own"};
  constexpr std::size_t shown = 3;
  const auto more = shared.size() - std::min(shared.size(), shown);
  shared.resize(std::min(shared.size(), shown));
  return {Status::warn,
          join(shared, "; ") + (more == 0 ? "" : fmt::format("; and {} more groups", more)),
          "move the card to another slot, best to one of the CPU's own; the firmware setup may "
          "have a switch for ACS"};
}

Finding quarantine(const DoctorFacts& facts) {
  if (!shows_devices(facts)) return devices_not_shown();
  std::vector<std::string> broken;
  std::string remedy;
  for (const auto& function : facts.devices->functions) {
    if (function.out_of_order.empty()) continue;
    broken.push_back(fmt::format("{}: {}", to_string(function.address), function.out_of_order));
    if (remedy.empty()) remedy = vfio::cure_of_quarantine(function.address);
  }
  if (broken.empty()) return {.found = "no device is out of order"};
  return {Status::warn, join(broken, "; "), remedy};
}

Finding vfio_module(const DoctorFacts& facts) {
  auto finding = module_finding(facts, "vfio_pci");
  // Whoever binds a device loads it.
  if (facts.module("vfio_pci") == ModuleState::available)
    return {.found = "vfio_pci is there, and loaded when a device is taken"};
  return finding;
}

Finding vfio_access(const DoctorFacts& facts) {
  if (facts.caller.is_root()) return {.found = "root takes devices, and opens them"};
  const auto& nodes = facts.vfio_groups;
  const auto closed = std::ranges::find(nodes, false, &DeviceNode::usable);
  const auto rule =
      add_udev_rule(facts.distribution, "SUBSYSTEM==\"vfio\", GROUP=\"kvm\", MODE=\"0660\"");
  if (nodes.empty())
    return {Status::warn, "no device is bound to vfio-pci, which takes root",
            "as root: `hvlaunch vfio bind <address>`; and so that you may open it: " + rule};
  if (closed != nodes.end()) return {Status::fail, "you may not open " + closed->path, rule};
  return {.found = fmt::format("you may open the {} groups that are bound", nodes.size())};
}

}  // namespace hv::host::checks
