// SPDX-License-Identifier: MIT
#include "launcher/base/text.h"
#include "launcher/plan/slices.h"

#include <algorithm>

namespace hv::plan {
namespace {

Error no_parent(const vfio::PciAddress& address) {
  return {.fault = Fault::missing,
          .id = "no-mdev-parent",
          .message = fmt::format("{} makes no mediated devices", to_string(address)),
          .hint = "its driver must be one that does; vGPUs need the vendor's"};
}

Error no_type(const host::MdevParent& parent, const std::string& type) {
  std::vector<std::string> known;
  for (const auto& each : parent.types) known.push_back(each.id);
  return {.fault = Fault::missing,
          .id = "no-mdev-type",
          .message = fmt::format("{} makes no mediated devices of type '{}'",
                                 to_string(parent.address), type),
          .hint = fmt::format("it makes {}", join(known, ", "))};
}

Error no_instance(const host::MdevParent& parent, const vfio::MdevType& type) {
  return {.fault = Fault::state,
          .id = "no-mdev-instance",
          .message = fmt::format("{} makes only {} more of type '{}'", to_string(parent.address),
                                 type.available, type.id),
          .hint = "stop a guest that has one"};
}

/// How many of this parent's type the guest gets already, and how many of them
/// are yet to be made.
struct Count {
  std::uint64_t all = 0;
  std::uint64_t to_make = 0;
};

bool is_there(const Resolver& in, const std::string& uuid) {
  return std::ranges::find(in.host().mdevs, uuid) != in.host().mdevs.end();
}

Count count_of(const Resolver& in, const Machine& machine, const MakeMdev& like) {
  Count count;
  for (const auto& [mdev, port, cause] : machine.mdevs)
    if (mdev.parent == like.parent && mdev.type == like.type) {
      ++count.all;
      if (!is_there(in, mdev.uuid)) ++count.to_make;
    }
  return count;
}

Result<MakeMdev> mdev_for(const Resolver& in, const Machine& machine,
                          const vfio::PciAddress& address, const std::string& wanted) {
  const auto& parents = in.host().mdev_parents;
  const auto parent = std::ranges::find(parents, address, &host::MdevParent::address);
  if (parent == parents.end()) return std::unexpected(no_parent(address));
  const auto type = std::ranges::find(parent->types, wanted, &vfio::MdevType::id);
  if (type == parent->types.end()) return std::unexpected(no_type(*parent, wanted));
  MakeMdev mdev{.parent = address, .type = wanted, .uuid = {}};
  const auto [all, to_make] = count_of(in, machine, mdev);
  mdev.uuid = in.seed_for(fmt::format("mdev/{}/{}/{}", to_string(address), wanted, all));
  // One that is there is this guest's own, of its last run.
  if (to_make >= type->available && !is_there(in, mdev.uuid))
    return std::unexpected(no_instance(*parent, *type));
  return mdev;
}

}  // namespace

void resolve_mdevs(Resolver& in, Machine& machine) {
  for (const auto& device : in.profile().host_devices) {
    if (device.mdev.value.empty()) continue;
    const auto* const function = choose_function(in, device);
    if (function == nullptr) continue;
    auto mdev = mdev_for(in, machine, function->address, device.mdev.value);
    if (!mdev) {
      mdev.error().origin.pointer = device.mdev.pointer;
      in.note(std::move(mdev).error());
      continue;
    }
    machine.mdevs.push_back(
        {.mdev = *std::move(mdev),
         .port = next_port(machine),
         .cause = {.pointer = device.mdev.pointer, .why = "a slice of a device of this host"}});
  }
}

unsigned next_port(const Machine& machine) {
  if (!machine.mdevs.empty()) return machine.mdevs.back().port + 1;
  return machine.passed.empty() ? 0U : machine.passed.back().port + 1;
}

}  // namespace hv::plan
