// SPDX-License-Identifier: MIT
#include "launcher/plan/needs.h"
#include "launcher/plan/pcie.h"
#include "launcher/plan/resolver.h"
#include "launcher/plan/slices.h"
#include "vfio/groups.h"
#include "vfio/variant.h"

#include <algorithm>

namespace hv::plan {
namespace {

using profiles::HostDevice;

/// An entry of `hostdevs`, and the functions that it means.
struct Entry {
  const HostDevice* device;
  const vfio::Function* named = nullptr;  ///< nullptr: there is none.
  std::vector<const vfio::Function*> functions{};
};

bool on_same_card(vfio::PciAddress one, const vfio::PciAddress& other) {
  one.function = other.function;
  return one == other;
}

Entry entry_of(Resolver& in, const HostDevice& device) {
  const auto* const found = choose_function(in, device);
  Entry entry{.device = &device, .named = found};
  if (found == nullptr) return entry;
  for (const auto& function : in.host().devices.functions)
    if (&function == found ||
        (device.all_functions.value && on_same_card(function.address, found->address)))
      entry.functions.push_back(&function);
  return entry;
}

bool is_display(const vfio::Function& function) {
  return function.class_code >> 16U == 0x03;
}

void check_primary_gpu(Resolver& in, const Entry& entry) {
  const auto& wish = entry.device->primary_gpu;
  if (!wish.value || is_display(*entry.named)) return;
  in.note({.fault = Fault::profile,
           .id = "conflict",
           .message = fmt::format("{} is no display, and cannot be the 'primary_gpu'",
                                  to_string(entry.named->address)),
           .origin = {.pointer = wish.pointer},
           .hint = "set it for the graphics function of the card"});
}

/// The entries for whole functions, then those for virtual ones, which are of
/// `devices`: what there is and what will be.
std::vector<Entry> entries_of(Resolver& in, Machine& machine, vfio::Devices& devices) {
  std::vector<Entry> entries;
  std::vector<vfio::PciAddress> whole;
  for (const auto& device : in.profile().host_devices) {
    if (device.virtual_function.given() || !device.mdev.value.empty()) continue;
    entries.push_back(entry_of(in, device));
    for (const auto* const function : entries.back().functions) whole.push_back(function->address);
  }
  const auto vfs = resolve_vfs(in, whole, machine);
  add_future_vfs(vfs, devices);
  for (const auto& [device, address, id] : vfs)
    entries.push_back({device, devices.find(address), {devices.find(address)}});
  std::ranges::sort(entries, {}, &Entry::device);  // As the profile lists them.
  return entries;
}

/// The profile's driver, or the one that this kernel has for the function.
std::string driver_of(const Entry& entry, const vfio::Devices& devices,
                      const vfio::Function& function) {
  const auto& wish = entry.device->driver.value;
  return wish.empty() ? vfio::guest_driver(devices, function) : wish;
}

std::string why_passed(const Entry& entry, const std::string& driver) {
  std::string why = "a device of this host, for this guest alone";
  if (entry.device->driver.value.empty() && driver != "vfio-pci")
    why += fmt::format("; this kernel's driver for it is {}", driver);
  return why;
}

void add(Machine& machine, const Entry& entry, const vfio::Devices& devices) {
  const auto& device = *entry.device;
  const auto card = next_port(machine);
  for (const auto* const function : entry.functions) {
    const bool named = function == entry.named;
    auto driver = driver_of(entry, devices, *function);
    auto why = why_passed(entry, driver);
    machine.passed.push_back(
        {.address = function->address,
         .driver = std::move(driver),
         .former_driver = function->driver,
         .rom = named ? below(machine.paths.state, device.rom.value) : "",
         .primary_gpu = named && device.primary_gpu.value,
         .port = card,
         .function = entry.functions.size() == 1 ? 0U : function->address.function,
         .multifunction = entry.functions.size() > 1,
         .cause = {.pointer = device.pointer, .why = std::move(why)}});
  }
}

/// Notes why the functions of one entry may not be passed, and which others of
/// their groups its profile gives up for them.
void judge(Resolver& in, const Entry& entry, const vfio::Devices& devices,
           const std::vector<vfio::PciAddress>& wanted, Machine& machine) {
  const auto& device = *entry.device;
  const auto verdicts = vfio::judge(devices, {.wanted = wanted,
                                              .siblings = device.siblings.value,
                                              .force = device.even_if_used.value,
                                              .handed_over = device.hand_over.enable.value});
  for (const auto* const function : entry.functions) {
    const auto verdict = std::ranges::find(verdicts, function->address, &vfio::Verdict::address);
    for (auto error : verdict->errors) {
      error.origin.pointer = device.pointer;
      in.note(std::move(error));
    }
    for (const auto& warning : verdict->warnings) in.warn(warning.id, warning.message);
    for (const auto& address : verdict->take) {
      const auto* const sibling = in.host().devices.find(address);
      if (std::ranges::find(machine.siblings, address, &Sibling::address) == machine.siblings.end())
        machine.siblings.push_back({.address = address,
                                    .former_driver = sibling != nullptr ? sibling->driver : "",
                                    .cause = {.pointer = device.siblings.pointer,
                                              .why = fmt::format("it shares the IOMMU group of {}",
                                                                 to_string(function->address))}});
    }
  }
}

void refuse_twice(Resolver& in, const std::vector<Entry>& entries) {
  std::vector<vfio::PciAddress> seen;
  for (const auto& [device, named, functions] : entries)
    for (const auto* const function : functions) {
      if (std::ranges::find(seen, function->address) != seen.end())
        in.note({.fault = Fault::profile,
                 .id = "conflict",
                 .message = fmt::format("{} is meant twice", to_string(function->address)),
                 .origin = {.pointer = device->pointer},
                 .hint = "take one of the two entries out"});
      seen.push_back(function->address);
    }
}

/// A zone's guests are kept from the host's devices unless config.json lets them.
void check_zone(Resolver& in) {
  const auto& name = in.profile().network.zone.value;
  const auto& zones = in.config().zones;
  const auto zone = std::ranges::find(zones, name, &Config::Zone::name);
  if (name.empty() || zone == zones.end() || zone->allow_hostdev) return;
  in.note(
      {.fault = Fault::profile,
       .id = "conflict",
       .message = fmt::format("guests of the network zone '{}' get no devices of the host", name),
       .origin = {.pointer = "/hostdevs"},
       .hint = "set allow_hostdev in config.json for this zone, or choose another"});
}

void check_qemu(Resolver& in, Machine& machine) {
  if (!in.qemu().has_type("vfio-pci"))
    in.note({.fault = Fault::missing,
             .id = "no-device",
             .message = fmt::format("{} has no 'vfio-pci'", in.qemu().binary),
             .origin = {.pointer = "/hostdevs"},
             .hint = "use a QEMU for this host's own architecture, on Linux"});
  const auto ports = next_port(machine);
  machine.iommufd = in.host().devices.iommufd && in.qemu().has_type("iommufd");
  if (ports > slot::passed_ports)
    in.note({.fault = Fault::profile,
             .id = "too-many-devices",
             .message =
                 fmt::format("{} devices, and there are ports for {}", ports, slot::passed_ports),
             .origin = {.pointer = "/hostdevs"},
             .hint = "pass a card with several functions as one, with \"all_functions\": true"});
}

/// What QEMU's process must be able to lock in memory: all that devices may
/// write to. VFIO counts the guest's RAM; the rest is for QEMU's own mappings.
void resolve_locked_memory(Resolver& in, Machine& machine) {
  constexpr std::uint64_t overhead_mib = 1024;
  const bool lock = in.wants_memory("lock");
  const auto& confidential = machine.confidential;
  const bool pinned = confidential && !has_private_memory(confidential->value.technology);
  if (machine.passed.empty() && machine.mdevs.empty() && !lock && !pinned) return;
  machine.locked_memory_mib = {
      machine.memory_mib.value + overhead_mib,
      lock     ? Cause{.pointer = "/memory_options/lock", .why = "none of it may be swapped out"}
      : pinned ? Cause{.pointer = confidential->cause.pointer,
                       .why = "encrypted pages cannot be moved, so all of it stays where it is"}
               : Cause{.pointer = "/hostdevs",
                       .why = "a device may write to any of the guest's memory, so all of it stays "
                              "where it is"}};
}

}  // namespace

void resolve_devices(Resolver& in, Machine& machine) {
  const auto& wishes = in.profile().host_devices;
  resolve_locked_memory(in, machine);
  if (wishes.empty()) return;
  auto devices = in.host().devices;
  const auto entries = entries_of(in, machine, devices);
  refuse_twice(in, entries);
  std::vector<vfio::PciAddress> wanted;
  for (const auto& entry : entries)
    for (const auto* const function : entry.functions) wanted.push_back(function->address);
  for (const auto& entry : entries) {
    if (entry.named == nullptr) continue;
    check_primary_gpu(in, entry);
    judge(in, entry, devices, wanted, machine);
    add(machine, entry, devices);
  }
  resolve_hand_over(in, machine);
  resolve_mdevs(in, machine);
  resolve_locked_memory(in, machine);
  check_zone(in);
  check_qemu(in, machine);
}

}  // namespace hv::plan
