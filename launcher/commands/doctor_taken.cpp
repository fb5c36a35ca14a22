// SPDX-License-Identifier: MIT
#include "launcher/base/text.h"
#include "launcher/commands/doctor.h"
#include "launcher/commands/load.h"
#include "launcher/commands/vfio.h"
#include "launcher/host/topology.h"
#include "launcher/run/observe.h"
#include "profiles/source.h"
#include "vfio/scan.h"

#include <algorithm>

namespace hv::commands {
namespace {

using host::DoctorFacts;
using host::Finding;
using host::Status;

Origin place_in(const Loaded& loaded, const std::string& pointer) {
  return profiles::locate(loaded.source, pointer);
}

class DeviceRemarks {
 public:
  DeviceRemarks(const Loaded& loaded, const vfio::Devices& devices, const vfio::Names& names,
                std::vector<Remark>& remarks)
      : loaded_(loaded), devices_(devices), names_(names), remarks_(remarks) {}

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

/// CPUs on which a running guest's vCPUs are held, by the guest's name.
std::vector<std::pair<std::string, CpuSet>> pinned_guests(const Context& context,
                                                          const CpuSet& online,
                                                          const std::string& but) {
  std::vector<std::pair<std::string, CpuSet>> guests;
  for (const auto& vm : run::active_vms(context.root, context.paths)) {
    if (vm == but) continue;
    constexpr std::chrono::milliseconds patience{200};
    const run::Place place{context.root, context.paths, vm};
    CpuSet pinned;
    for (const auto& vcpu : observe(place, run::Detail::everything, patience).vcpus) {
      const auto status = context.root.read(fmt::format("/proc/{}/status", vcpu.thread));
      constexpr std::string_view key = "Cpus_allowed_list:\t";
      const auto found = status ? status->find(key) : std::string::npos;
      if (found == std::string::npos) continue;
      const auto text = std::string_view(*status).substr(found + key.size());
      const auto cpus = parse_cpu_set(text.substr(0, text.find('\n')));
      if (cpus && !cpus->contains(online)) pinned |= *cpus;
    }
    if (!pinned.empty()) guests.emplace_back(vm, pinned);
  }
  return guests;
}

}  // namespace

void add_devices(const Context& context, const Loaded& loaded, std::vector<Remark>& remarks) {
  const auto& wanted = loaded.profile.host_devices;
  if (wanted.empty()) return;
  std::vector<vfio::Selector> selectors;
  vfio::Request request;
  for (const auto& device : wanted) {
    selectors.push_back({.address = device.value});
    request.wanted.push_back(device.value);
  }
  const auto devices = vfio::read_devices(context.root, selectors);
  if (!devices) {
    remarks.push_back(remark_of(devices.error(), Status::fail, "Its devices", "devices"));
    return;
  }
  const auto names = vfio::read_names(context.root);
  DeviceRemarks all(loaded, *devices, names, remarks);
  const auto verdicts = judge(*devices, request);
  for (std::size_t i = 0; i < verdicts.size(); ++i) all.add(verdicts[i], wanted[i].pointer);
}

void add_huge_pages(const DoctorFacts& facts, const Loaded& loaded, std::vector<Remark>& remarks) {
  const auto& profile = loaded.profile;
  const auto page_kib = facts.host.default_huge_page_kib;
  const auto memory_mib = facts.guest_memory_mib;
  if (!profile.hugepages.value || page_kib == 0 || memory_mib == 0) return;
  const auto need = (memory_mib * 1024 + page_kib - 1) / page_kib;
  std::uint64_t free = 0;
  std::uint64_t all = 0;
  std::vector<std::string> nodes;
  for (const auto& node : facts.nodes)
    for (const auto& pool : node.pools) {
      if (pool.page_kib != page_kib) continue;
      all += pool.pages;
      const auto& chosen = profile.numa_nodes;
      if (!chosen.empty() && std::ranges::find(chosen, node.number, [](const auto& each) {
                               return each.value;
                             }) == chosen.end())
        continue;
      free += pool.free;
      nodes.push_back(fmt::format("{} on node {}", pool.free, node.number));
    }
  const auto found = fmt::format("it needs {} of {}; free: {}", need, host::size_text(page_kib),
                                 nodes.empty() ? "none" : join(nodes, ", "));
  auto remark = make_remark("hugepages-need", "Its memory", "huge pages", {Status::ok, found});
  if (free < need) {
    remark.finding = {
        Status::fail, found,
        set_sysctl(facts.distribution, "vm.nr_hugepages", std::to_string(all + need - free))};
    remark.origin = place_in(loaded, profile.hugepages.pointer);
  }
  remarks.push_back(std::move(remark));
}

void add_pins(const Context& context, const Loaded& loaded, std::vector<Remark>& remarks) {
  const auto& pins = loaded.profile.cpu_pinning;
  if (pins.empty()) return;
  const auto topology = host::read_topology(context.root);
  const auto before = remarks.size();
  const auto add = [&](Finding finding, const std::string& pointer) {
    auto remark = make_remark("pins", "Its CPUs", "pins", std::move(finding));
    if (!pointer.empty()) remark.origin = place_in(loaded, pointer);
    remarks.push_back(std::move(remark));
  };
  CpuSet wanted;
  for (const auto& pin : pins) {
    const auto cpu = static_cast<std::uint32_t>(pin.value);
    wanted.insert(cpu);
    if (!topology.online.contains(cpu))
      add({Status::fail, fmt::format("CPU {} is not online", cpu),
           fmt::format("choose from {}", to_string(topology.online))},
          pin.pointer);
    else if (!topology.allowed.contains(cpu))
      add({Status::fail, fmt::format("your cgroup's cpuset keeps you off CPU {}", cpu),
           fmt::format("choose from {}, or widen AllowedCPUs= of the slice",
                       to_string(topology.allowed))},
          pin.pointer);
  }
  for (const auto& [guest, cpus] :
       pinned_guests(context, topology.online, loaded.profile.name.value))
    if (const auto both = cpus & wanted; !both.empty())
      add({Status::warn, fmt::format("'{}' runs on CPUs {} as well", guest, to_string(both)),
           fmt::format("choose from {}", to_string(topology.allowed - cpus))},
          "");
  if (remarks.size() == before)
    add({Status::ok, fmt::format("CPUs {} are online, allowed, and no guest is held on them",
                                 to_string(wanted))},
        "");
}

}  // namespace hv::commands
