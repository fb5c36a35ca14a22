// SPDX-License-Identifier: MIT
#include "launcher/commands/commands.h"
#include "launcher/commands/output.h"
#include "launcher/commands/terminal.h"
#include "launcher/commands/vfio.h"
#include "vfio/scan.h"

#include <boost/json.hpp>

#include <algorithm>
#include <charconv>

namespace hv::commands {
namespace {

using vfio::Devices;
using vfio::Function;

Result<std::vector<std::uint64_t>> groups_of(const Arguments& arguments) {
  std::vector<std::uint64_t> groups;
  for (const auto& text : arguments.values("group")) {
    std::uint64_t number = 0;
    const auto* const end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, number);
    if (error != std::errc{} || stop != end)
      return fail(Fault::usage, "usage", "'{}' is not the number of an IOMMU group", text);
    groups.push_back(number);
  }
  return groups;
}

bool is_in(const auto& list, const auto& value) {
  return std::ranges::find(list, value) != list.end();
}

}  // namespace

Outcome vfio_list_command(Context& context, const Arguments& arguments) {
  const auto addresses = TRY_OUTCOME(addresses_of(arguments));
  const auto groups = TRY_OUTCOME(groups_of(arguments));
  const auto devices = TRY_OUTCOME(
      vfio::read_all_devices(context.root, vfio::quarantined(context.root, context.paths.runtime)));
  for (const auto& address : addresses)
    if (devices.find(address) == nullptr)
      return failed(std::move(judge(devices, {.wanted = {address}}).front().errors.front()));

  const bool everything = addresses.empty() && groups.empty();
  std::vector<const Function*> shown;
  for (const auto& function : devices.functions)
    if (everything ? context.json || arguments.has("all") || !function.is_bus_bridge()
                   : is_in(addresses, function.address) ||
                         (function.iommu_group && is_in(groups, *function.iommu_group)))
      shown.push_back(&function);

  const auto names = vfio::read_names(context.root);
  if (context.json) {
    print_json(devices_as_json(devices, names, shown));
    return {};
  }
  std::ranges::stable_sort(shown, {}, &Function::iommu_group);
  if (shown.empty())
    say(context, "there are no such PCI devices");
  else
    print(device_table(devices, names, shown, line_width()));
  if (!devices.iommu && !shown.empty())
    say(context,
        "this host has no IOMMU, so no guest can get a device: enable VT-d, AMD-Vi or the "
        "SMMU in the firmware setup; Intel also needs intel_iommu=on");
  return {};
}

}  // namespace hv::commands
