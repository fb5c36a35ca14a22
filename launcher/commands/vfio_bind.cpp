// SPDX-License-Identifier: MIT
#include "launcher/commands/commands.h"
#include "launcher/commands/output.h"
#include "launcher/commands/vfio.h"
#include "launcher/run/hand_bound.h"
#include "vfio/bind.h"
#include "vfio/groups.h"
#include "vfio/scan.h"

namespace hv::commands {
namespace {

using vfio::PciAddress;

/// What may be taken, and with which siblings; warns of what was forced.
std::expected<std::vector<run::HandBinding>, Errors> judged(
    const Context& context, const std::vector<PciAddress>& addresses, const Arguments& arguments) {
  std::vector<vfio::Selector> selectors;
  for (const auto& address : addresses) selectors.push_back({.address = address});
  const auto devices = vfio::read_devices(context.root, selectors,
                                          vfio::quarantined(context.root, context.paths.runtime));
  if (!devices) return std::unexpected(Errors{devices.error()});
  const auto siblings = arguments.has("siblings") ? vfio::Siblings::bind : vfio::Siblings::refuse;
  Errors errors;
  std::vector<run::HandBinding> bindings;
  for (auto& verdict :
       vfio::judge(*devices,
                   {.wanted = addresses, .siblings = siblings, .force = arguments.has("force")})) {
    for (auto& error : verdict.errors) {
      if (error.id == "incomplete-group")
        error.hint = "name them as well, or take them from their drivers with --siblings";
      errors.push_back(std::move(error));
    }
    for (const auto& warning : verdict.warnings) warn(warning.message);
    const auto* const function = devices->find(verdict.address);
    bindings.push_back(
        {.address = verdict.address,
         .driver = function == nullptr ? "" : driver_of(*devices, *function, arguments),
         .siblings = std::move(verdict.take)});
  }
  if (!errors.empty()) return std::unexpected(std::move(errors));
  return bindings;
}

std::string driver_now(const Context& context, const PciAddress& address) {
  const auto binding = vfio::read_binding(context.root, address);
  if (!binding) return "is not there";
  return binding->driver.empty() ? "has no driver" : fmt::format("has '{}'", binding->driver);
}

}  // namespace

Outcome vfio_bind_command(Context& context, const Arguments& arguments) {
  const auto addresses = TRY_OUTCOME(addresses_of(arguments));
  const auto bindings = judged(context, addresses, arguments);
  if (!bindings) return std::unexpected(bindings.error());
  for (const auto& binding : *bindings) TRY_OUTCOME(run::load_driver(context.root, binding.driver));
  TRY_OUTCOME(run::bind_by_hand(context.root, context.paths, *bindings));
  for (const auto& [address, driver, siblings] : *bindings) {
    say(context, fmt::format("{} {}", to_string(address), driver_now(context, address)));
    for (const auto& sibling : siblings)
      say(context, fmt::format("{} {}", to_string(sibling), driver_now(context, sibling)));
  }
  return {};
}

Outcome vfio_unbind_command(Context& context, const Arguments& arguments) {
  Errors errors;
  for (const auto& address : TRY_OUTCOME(addresses_of(arguments))) {
    auto failed = run::return_by_hand(context.root, context.paths, address);
    if (failed.empty())
      say(context, fmt::format("{} {}", to_string(address), driver_now(context, address)));
    for (auto& error : failed) errors.push_back(std::move(error));
  }
  if (!errors.empty()) return std::unexpected(std::move(errors));
  return {};
}

}  // namespace hv::commands
