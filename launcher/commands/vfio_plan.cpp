// SPDX-License-Identifier: MIT
#include "launcher/commands/commands.h"
#include "launcher/commands/output.h"
#include "launcher/commands/vfio.h"
#include "vfio/scan.h"

#include <boost/json.hpp>

namespace hv::commands {
namespace {

namespace json = boost::json;
using vfio::Devices;
using vfio::Function;
using vfio::PciAddress;
using vfio::Verdict;

/// One change: a function that goes from its driver to another, or to none.
struct Change {
  const Function* function;
  std::string to;  ///< Empty: none.
};

std::vector<Change> changes_of(const Devices& devices, const std::vector<Verdict>& verdicts,
                               const Arguments& arguments) {
  std::vector<Change> changes;
  const auto add = [&](const PciAddress& address, std::string driver) {
    const auto* const function = devices.find(address);
    for (const auto& change : changes)
      if (change.function == function) return;
    changes.push_back({function, std::move(driver)});
  };
  for (const auto& verdict : verdicts)
    add(verdict.address, driver_of(devices, *devices.find(verdict.address), arguments));
  for (const auto& verdict : verdicts)
    for (const auto& sibling : verdict.take) add(sibling, "");
  return changes;
}

bool is_done(const Change& change) {
  return change.function->driver == change.to;
}

std::string describe(const Change& change) {
  const auto& driver = change.function->driver;
  if (is_done(change)) return fmt::format("nothing to do: it has '{}'", driver);
  if (change.to.empty()) return fmt::format("take it from '{}', for its group", driver);
  if (driver.empty()) return fmt::format("bind it to '{}'", change.to);
  return fmt::format("take it from '{}' and bind it to '{}'", driver, change.to);
}

std::string describe_undo(const Change& change) {
  const auto& driver = change.function->driver;
  if (is_done(change)) return "stays as it is";
  return driver.empty() ? "leave it without a driver" : fmt::format("give it back to '{}'", driver);
}

json::value as_json(const std::vector<Change>& changes, const std::vector<Verdict>& verdicts) {
  json::array steps;
  for (const auto& change : changes)
    steps.push_back(json::object{{"address", to_string(change.function->address)},
                                 {"from", change.function->driver},
                                 {"to", is_done(change) ? change.function->driver : change.to},
                                 {"do", describe(change)},
                                 {"undo", describe_undo(change)}});
  json::array warnings;
  for (const auto& verdict : verdicts)
    for (const auto& warning : verdict.warnings)
      warnings.push_back(json::object{{"id", warning.id}, {"message", warning.message}});
  return json::object{{"steps", std::move(steps)}, {"warnings", std::move(warnings)}};
}

}  // namespace

Outcome vfio_plan_command(Context& context, const Arguments& arguments) {
  const auto addresses = TRY_OUTCOME(addresses_of(arguments));
  std::vector<vfio::Selector> selectors;
  for (const auto& address : addresses) selectors.push_back({.address = address});
  const auto devices = TRY_OUTCOME(vfio::read_devices(
      context.root, selectors, vfio::quarantined(context.root, context.paths.runtime)));
  const auto siblings = arguments.has("siblings") ? vfio::Siblings::bind : vfio::Siblings::refuse;
  const auto verdicts =
      judge(devices, {.wanted = addresses, .siblings = siblings, .force = arguments.has("force")});
  Errors errors;
  for (std::size_t i = 0; i < verdicts.size(); ++i) {
    if (const auto chosen = choose(selectors[i], devices); !chosen)
      errors.push_back(chosen.error());
    else
      errors.insert(errors.end(), verdicts[i].errors.begin(), verdicts[i].errors.end());
  }
  if (!errors.empty()) return std::unexpected(std::move(errors));

  const auto changes = changes_of(devices, verdicts, arguments);
  if (context.json) {
    print_json(as_json(changes, verdicts));
    return {};
  }
  const auto names = vfio::read_names(context.root);
  for (const auto& change : changes)
    print(fmt::format("{}  {}\n  do:   {}\n  undo: {}\n", to_string(change.function->address),
                      title_of(names, *change.function), describe(change), describe_undo(change)));
  for (const auto& verdict : verdicts)
    for (const auto& warning : verdict.warnings) warn(warning.message);
  return {};
}

}  // namespace hv::commands
