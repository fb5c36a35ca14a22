// SPDX-License-Identifier: MIT
#include "launcher/run/slices.h"

#include "launcher/base/text.h"
#include "launcher/run/claims.h"
#include "launcher/run/program.h"
#include "vfio/mdev.h"
#include "vfio/sriov.h"

#include <algorithm>
#include <charconv>

namespace hv::run {
namespace {

constexpr std::string_view nothing = "-";

/// "3 52:54:00:12:34:56 100", or "-" for what is not set: for the journal.
std::string text_of(std::uint64_t index, const vfio::VfNetwork& network) {
  return fmt::format("{} {} {}", index, network.mac.empty() ? nothing : network.mac,
                     network.vlan ? std::to_string(*network.vlan) : nothing);
}

std::optional<std::uint64_t> number_in(std::string_view text) {
  std::uint64_t value = 0;
  const auto* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  return error == std::errc{} && stop == end ? std::optional(value) : std::nullopt;
}

Result<> set_network(const std::string& network_interface, std::uint64_t index,
                     const vfio::VfNetwork& network) {
  const vfio::PhysicalFunction physical{.address = {}, .network_interface = network_interface};
  const auto argv = TRY(vfio::vf_network_command(physical, index, network));
  return argv.empty() ? Result<>() : run_program(argv, "iproute2");
}

/// Where the plan has them.
Result<> require_functions(const Root& root, const plan::MakeVirtualFunctions& make) {
  const auto physical = TRY(vfio::read_physical_function(root, make.physical));
  for (const auto& function : make.functions)
    if (std::ranges::find(physical.vfs, function, &vfio::VirtualFunction::address) ==
        physical.vfs.end())
      return std::unexpected(with_hint(
          {.fault = Fault::failed,
           .id = "not-obeyed",
           .message = fmt::format("{} is none of the virtual functions of {}, although the "
                                  "card's offset and stride say so",
                                  to_string(function), to_string(make.physical))},
          fmt::format("make them first: `echo {} >/sys/bus/pci/devices/{}/sriov_numvfs`",
                      make.count, to_string(make.physical))));
  return {};
}

}  // namespace

Result<> make_virtual_functions(const Place& place, const plan::MakeVirtualFunctions& make,
                                Journal& journal) {
  const auto& root = place.root;
  const auto turn = TRY(take_turn(place), "making virtual functions");
  const auto before = TRY(vfio::read_physical_function(root, make.physical));
  // Another start may have made them since the plan; whoever else did keeps them.
  const auto ours = cards_with_made_vfs(place);
  if (!before.vfs.empty() && std::ranges::find(ours, make.physical) != ours.end())
    TRY(journal.record({.kind = Undo::Kind::remove_vfs, .path = to_string(make.physical)}));
  TRY(vfio::make_vfs(root, make.physical, make.count, journal));
  return require_functions(root, make);
}

Result<> set_virtual_function(const plan::SetVirtualFunction& set, Journal& journal) {
  const auto& [physical, network_interface, index, network] = set;
  auto former = TRY(vfio::read_vf_network(network_interface, index));
  if (network.mac.empty()) former.mac.clear();
  if (!network.vlan) former.vlan.reset();
  TRY(journal.record(
      {.kind = Undo::Kind::set_vf, .path = network_interface, .value = text_of(index, former)}));
  TRY(set_network(network_interface, index, network), "setting virtual function {} of {}", index,
      to_string(physical));
  return {};
}

Result<> set_vf_back(const Root& root, const Undo& entry) {
  const auto words = split(entry.value, ' ');
  const auto index = number_in(words.front());
  if (words.size() != 3 || !index)
    return fail(Fault::failed, "damaged-journal", "'{}' is no virtual function's network",
                printable(entry.value));
  // What is destroyed, or has its interface no more, has lost it.
  if (!root.exists(fmt::format("/sys/class/net/{}/device/virtfn{}", entry.path, *index))) return {};
  if (const auto vlan = number_in(words[2]))
    TRY(set_network(entry.path, *index, {.vlan = static_cast<std::uint16_t>(*vlan)}));
  if (words[1] == nothing) return {};
  auto set = set_network(entry.path, *index, {.mac = std::string(words[1])});
  // Some drivers take no "none" back; the next guest's is set over it.
  if (words[1] == "00:00:00:00:00:00") return {};
  return set;
}

Result<> make_mdev(const Root& root, const plan::MakeMdev& mdev, Journal& journal) {
  return vfio::make_mdev(
      root, {.parent = to_string(mdev.parent), .type = mdev.type, .uuid = mdev.uuid}, journal);
}

}  // namespace hv::run
