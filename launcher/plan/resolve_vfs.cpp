// SPDX-License-Identifier: MIT
#include "launcher/plan/needs.h"
#include "launcher/plan/slices.h"
#include "vfio/sriov.h"

#include <algorithm>

namespace hv::plan {
namespace {

using profiles::HostDevice;
using vfio::PciAddress;
using vfio::PhysicalFunction;

bool is_among(const PciAddress& address, const std::vector<PciAddress>& addresses) {
  return std::ranges::find(addresses, address) != addresses.end();
}

/// An entry, and the card that it wants a virtual function of.
struct Wish {
  const HostDevice* device;
  const PhysicalFunction* physical;
};

/// A virtual function of a card.
struct Pick {
  std::uint64_t index = 0;
  PciAddress address;
};

class Chooser {
 public:
  Chooser(Resolver& in, const std::vector<PciAddress>& whole) : in_(in), whole_(whole) {
    taken_ = whole;
    for (const auto& claim : in.claims())
      taken_.insert(taken_.end(), claim.functions.begin(), claim.functions.end());
    for (const auto& device : in.profile().host_devices)
      if (device.virtual_function.given()) add_wish(device);
  }

  std::vector<ChosenVf> choose() {
    std::vector<ChosenVf> chosen;
    for (const auto& wish : wishes_) {
      auto choice = choose_for(wish);
      if (choice && !set_network(wish, choice->index)) continue;
      if (!choice) {
        note(std::move(choice).error(), wish.device->virtual_function.pointer);
        continue;
      }
      taken_.push_back(choice->address);
      chosen.push_back({wish.device, choice->address, id_of(*wish.physical)});
      add_making(wish, choice->address);
    }
    return chosen;
  }

  /// All are made before one is set.
  [[nodiscard]] std::vector<Step> steps() const {
    auto steps = making_;
    steps.insert(steps.end(), setting_.begin(), setting_.end());
    return steps;
  }

 private:
  void note(Error error, const std::string& pointer) {
    error.origin.pointer = pointer;
    in_.note(std::move(error));
  }

  void add_wish(const HostDevice& device) {
    const auto* const function = choose_function(in_, device);
    if (function == nullptr) return;
    const auto& cards = in_.host().physical_functions;
    const auto card = std::ranges::find(cards, function->address, &PhysicalFunction::address);
    if (card != cards.end() && card->vfs_total != 0) {
      if (may_be_shared(device, card->address)) wishes_.push_back({&device, &*card});
      return;
    }
    const auto& physical = function->physical_function;
    note({.fault = Fault::missing,
          .id = "no-sriov",
          .message = fmt::format("{} cannot have virtual functions", to_string(function->address)),
          .hint = physical ? fmt::format("it is one of {}: leave 'vf' out to pass it, or name the "
                                         "card",
                                         to_string(*physical))
                           : "many cards need SR-IOV switched on in their own firmware's setup"},
         device.virtual_function.pointer);
  }

  /// A function that a guest has as a whole makes none.
  bool may_be_shared(const HostDevice& device, const PciAddress& card) {
    if (is_among(card, whole_)) {
      note({.fault = Fault::profile,
            .id = "conflict",
            .message = fmt::format("{} is passed as a whole, too", to_string(card)),
            .hint = "take one of the two entries out"},
           device.virtual_function.pointer);
      return false;
    }
    for (const auto& claim : in_.claims())
      if (is_among(card, claim.functions)) {
        note({.fault = Fault::state,
              .id = "claimed",
              .message = fmt::format("the running guest '{}' has {}", claim.guest, to_string(card)),
              .hint = fmt::format("stop it first: `hvlaunch stop {}`", claim.guest)},
             device.virtual_function.pointer);
        return false;
      }
    return true;
  }

  /// How many to make: the largest count asked for; without one, all.
  [[nodiscard]] std::uint64_t count_for(const PhysicalFunction& physical) const {
    std::uint64_t count = 0;
    for (const auto& wish : wishes_)
      if (wish.physical == &physical)
        count = std::max(count, wish.device->virtual_function.value.count.value);
    return count == 0 ? physical.vfs_total : count;
  }

  /// All have the card's vendor (PCI Express 6.0, 9.3.4.1.1).
  [[nodiscard]] vfio::PciId id_of(const PhysicalFunction& physical) const {
    const auto* const card = in_.host().devices.find(physical.address);
    return {.vendor = card != nullptr ? card->vendor : std::uint16_t{0},
            .device = physical.vf_device};
  }

  Result<Pick> choose_for(const Wish& wish) const {
    const auto& physical = *wish.physical;
    if (physical.vfs.empty()) return choose_future(wish);
    // What it had, it has again: the host has not used it since.
    for (const auto& vf : physical.vfs)
      if (is_among(vf.address, in_.had()) && !is_among(vf.address, taken_))
        return Pick{vf.index, vf.address};
    const auto* const vf = TRY(vfio::choose_vf(physical, taken_));
    return Pick{vf->index, vf->address};
  }

  Result<Pick> choose_future(const Wish& wish) const {
    const auto& physical = *wish.physical;
    const auto name = to_string(physical.address);
    const auto count = count_for(physical);
    if (count > physical.vfs_total)
      return std::unexpected(
          with_hint({.fault = Fault::missing,
                     .id = "too-many-vfs",
                     .message = fmt::format("{} can have {} virtual functions, not {}", name,
                                            physical.vfs_total, count)},
                    "a smaller 'count'; without it, all that there can be are made"));
    for (std::uint64_t index = 0; index < count; ++index) {
      const auto address = vfio::vf_address(physical, index);
      if (!address)
        return std::unexpected(with_hint(
            {.fault = Fault::missing,
             .id = "no-vf-address",
             .message = fmt::format("this kernel does not tell where virtual functions of {} "
                                    "will be",
                                    name)},
            fmt::format("make them first: `echo {} >/sys/bus/pci/devices/{}/sriov_numvfs`", count,
                        name)));
      if (!is_among(*address, taken_)) return Pick{index, *address};
    }
    return std::unexpected(
        with_hint({.fault = Fault::profile,
                   .id = "no-free-vf",
                   .message = fmt::format("more than {} virtual function{} of {} {} needed", count,
                                          count == 1 ? "" : "s", name, count == 1 ? "is" : "are")},
                  count < physical.vfs_total
                      ? fmt::format("a larger 'count': {} can have {}", name, physical.vfs_total)
                      : "take an entry out"));
  }

  bool set_network(const Wish& wish, std::uint64_t index) {
    const auto& [device, physical] = wish;
    const auto& [count, mac, vlan] = device->virtual_function.value;
    SetVirtualFunction set{.physical = physical->address,
                           .interface = physical->network_interface,
                           .index = index,
                           .network = {.mac = mac.value}};
    if (vlan.value != 0) set.network.vlan = static_cast<std::uint16_t>(vlan.value);
    const auto& pointer = mac.value.empty() ? vlan.pointer : mac.pointer;
    auto command = vfio::vf_network_command(*physical, index, set.network);
    if (command && command->empty()) return true;
    if (!command) {
      note(std::move(command).error(), pointer);
      return false;
    }
    setting_.push_back(
        {std::move(set), {.pointer = pointer, .why = "set by the card, not by the guest"}});
    return true;
  }

  /// Also for those that another guest's start made: whoever of the two ends
  /// last destroys them.
  void add_making(const Wish& wish, const PciAddress& address) {
    const auto& [device, physical] = wish;
    const bool there = !physical->vfs.empty();
    if (there && !is_among(physical->address, in_.made_vfs())) return;
    for (auto& [action, cause] : making_)
      if (auto& making = std::get<MakeVirtualFunctions>(action);
          making.physical == physical->address)
        return making.functions.push_back(address);
    making_.push_back(
        {MakeVirtualFunctions{.physical = physical->address,
                              .count = there ? physical->vfs.size() : count_for(*physical),
                              .there = there,
                              .functions = {address}},
         {.pointer = device->virtual_function.pointer,
          .why = "the card makes all of them at once"}});
  }

  Resolver& in_;
  const std::vector<PciAddress>& whole_;
  std::vector<PciAddress> taken_;
  std::vector<Wish> wishes_;
  std::vector<Step> making_;
  std::vector<Step> setting_;
};

}  // namespace

const vfio::Function* choose_function(Resolver& in, const HostDevice& device) {
  auto found = vfio::choose(selector_of(device), in.host().devices);
  if (found) return *found;
  found.error().origin.pointer = device.pointer;
  in.note(std::move(found).error());
  return nullptr;
}

std::vector<ChosenVf> resolve_vfs(Resolver& in, const std::vector<PciAddress>& whole,
                                  Machine& machine) {
  Chooser chooser(in, whole);
  auto chosen = chooser.choose();
  machine.virtual_functions = chooser.steps();
  return chosen;
}

void add_future_vfs(const std::vector<ChosenVf>& vfs, vfio::Devices& devices) {
  std::uint64_t group = std::uint64_t{1} << 32U;  // Of its own, which no host counts to.
  for (const auto& [device, address, id] : vfs) {
    if (devices.find(address) != nullptr) continue;
    vfio::Function function{.address = address, .vendor = id.vendor, .device = id.device};
    if (devices.iommu) function.iommu_group = group++;
    function.reset_methods = {"flr"};  // Every virtual function has it.
    devices.functions.insert(
        std::ranges::lower_bound(devices.functions, address, {}, &vfio::Function::address),
        std::move(function));
  }
}

}  // namespace hv::plan
