// SPDX-License-Identifier: MIT
#include "launcher/base/text.h"
#include "launcher/commands/output.h"
#include "launcher/commands/vfio.h"
#include "vfio/selector.h"
#include "vfio/variant.h"

#include <fmt/format.h>
#include <boost/json.hpp>

#include <algorithm>

namespace hv::commands {
namespace {

namespace json = boost::json;
using vfio::Devices;
using vfio::Function;
using vfio::Names;
using vfio::PciAddress;
using vfio::Verdict;

using Rows = std::vector<std::vector<std::string>>;

/// "01:00.0" in domain 0, as people write it.
std::string short_of(const PciAddress& address) {
  auto text = to_string(address);
  return address.domain == 0 ? text.substr(5) : text;
}

bool has_only(const Verdict& verdict, std::string_view id) {
  return verdict.errors.size() == 1 && verdict.errors.front().id == id;
}

std::vector<const Function*> siblings_of(const Devices& devices, const Function& function) {
  return vfio::siblings_in_the_way(devices, function, {});
}

/// Whether a guest can have it: one or two words.
std::string answer_of(const Devices& devices, const Function& function, const Verdict& verdict) {
  if (verdict.may_be_passed()) return "yes";
  const auto siblings = siblings_of(devices, function);
  const bool free =
      std::ranges::all_of(siblings, [](const auto* each) { return each->uses.empty(); });
  if (has_only(verdict, "incomplete-group") && free)
    return siblings.size() == 1 ? "with " + short_of(siblings.front()->address)
                                : fmt::format("with {} more", siblings.size());
  return has_only(verdict, "is-a-bridge") ? "bridge" : "no";
}

/// What there is to say besides the name.
std::vector<std::string> remarks_on(const Devices& devices, const Function& function,
                                    const Verdict& verdict) {
  std::vector<std::string> remarks;
  if (const auto uses = describe_uses(function); !uses.empty()) remarks.push_back("used: " + uses);
  for (const auto& error : verdict.errors)
    if (error.id == "incomplete-group") {
      std::vector<std::string> names;
      for (const auto* const sibling : siblings_of(devices, function))
        names.push_back(short_of(sibling->address) + (sibling->uses.empty() ? "" : " (used)"));
      remarks.push_back("shares its group with " + join(names, ", "));
    } else if (error.id != "function-in-use" && error.id != "is-a-bridge" &&
               error.id != "no-iommu") {
      remarks.push_back(error.message);
    }
  if (const auto driver = vfio::guest_driver(devices, function);
      driver != "vfio-pci" && !function.is_bridge())
    remarks.push_back(fmt::format("guests get it by {}, this kernel's driver for it", driver));
  if (function.physical_function)
    remarks.push_back("virtual function of " + short_of(*function.physical_function));
  if (!function.slot.empty()) remarks.push_back("slot " + function.slot);
  return remarks;
}

std::vector<Verdict> verdicts_on(const Devices& devices,
                                 const std::vector<const Function*>& shown) {
  std::vector<Verdict> verdicts;
  for (const auto* const function : shown)
    verdicts.push_back(std::move(judge(devices, {.wanted = {function->address}}).front()));
  return verdicts;
}

template <class T>
json::value or_null(const std::optional<T>& value) {
  return value ? json::value(*value) : json::value();
}

json::value text_or_null(const std::string& text) {
  return text.empty() ? json::value() : json::value(text);
}

json::array problems_as_json(const Errors& errors) {
  json::array list;
  for (const auto& error : errors)
    list.push_back(
        json::object{{"id", error.id}, {"message", error.message}, {"hint", error.hint}});
  return list;
}

json::object function_as_json(const Devices& devices, const Names& names, const Function& function,
                              const Verdict& verdict) {
  const auto hex4 = [](std::uint16_t number) { return fmt::format("{:04x}", number); };
  json::array uses;
  for (const auto& [kind, holder] : function.uses)
    uses.push_back(json::object{{"kind", to_string(kind)}, {"holder", holder}});
  json::array siblings;
  for (const auto* const sibling : siblings_of(devices, function))
    siblings.push_back(json::string(to_string(sibling->address)));
  json::value physical;
  if (function.physical_function) physical = to_string(*function.physical_function);
  return {{"address", to_string(function.address)},
          {"group", or_null(function.iommu_group)},
          {"class", fmt::format("{:06x}", function.class_code)},
          {"class_name", names.device_class(function.class_code)},
          {"vendor", hex4(function.vendor)},
          {"device", hex4(function.device)},
          {"subsystem", hex4(function.subsystem_vendor) + ":" + hex4(function.subsystem_device)},
          {"name", name_of(names, function)},
          {"driver", text_or_null(function.driver)},
          {"guest_driver", vfio::guest_driver(devices, function)},
          {"out_of_order", text_or_null(function.out_of_order)},
          {"driver_override", text_or_null(function.driver_override)},
          {"reset_methods", json::value_from(function.reset_methods)},
          {"numa_node", or_null(function.numa_node)},
          {"local_cpus", function.local_cpus},
          {"slot", text_or_null(function.slot)},
          {"serial", text_or_null(function.serial)},
          {"path", path_of(function)},
          {"physical_function", std::move(physical)},
          {"vfs", function.vfs},
          {"vfs_total", function.vfs_total},
          {"uses", std::move(uses)},
          {"siblings", std::move(siblings)},
          {"may_be_passed", verdict.may_be_passed()},
          {"errors", problems_as_json(verdict.errors)},
          {"warnings", problems_as_json(verdict.warnings)}};
}

}  // namespace

Result<std::vector<PciAddress>> addresses_of(const Arguments& arguments) {
  std::vector<PciAddress> addresses;
  for (const auto& word : arguments.operands) {
    auto address = vfio::parse_pci_address(word);
    if (!address) {
      address.error().fault = Fault::usage;
      return std::unexpected(
          with_hint(std::move(address).error(), "`hvlaunch vfio list` shows the addresses"));
    }
    addresses.push_back(*address);
  }
  return addresses;
}

std::string driver_of(const Devices& devices, const Function& function,
                      const Arguments& arguments) {
  return arguments.value("driver", vfio::guest_driver(devices, function));
}

std::string title_of(const Names& names, const Function& function) {
  const auto kind = names.device_class(function.class_code);
  return fmt::format("{}: {}",
                     kind.empty() ? fmt::format("class {:04x}", function.class_code >> 8U) : kind,
                     name_of(names, function));
}

std::string wrapped(std::string_view text, std::size_t indent, std::size_t width) {
  std::string lines;
  std::string line;
  const auto end_line = [&] {
    if (!line.empty()) lines += std::string(indent, ' ') + line + '\n';
    line.clear();
  };
  for (const auto word : split(text, ' ')) {
    if (!line.empty() && indent + line.size() + 1 + word.size() > width) end_line();
    line.append(line.empty() ? "" : " ").append(word);
  }
  end_line();
  return lines;
}

std::string device_table(const Devices& devices, const Names& names,
                         const std::vector<const Function*>& shown, std::size_t width) {
  const auto verdicts = verdicts_on(devices, shown);
  Rows rows = {{"GROUP", "ADDRESS", "DRIVER", "RESET", "NODE", "GUEST"}};
  for (std::size_t i = 0; i < shown.size(); ++i) {
    const auto& function = *shown[i];
    rows.push_back({function.iommu_group ? fmt::format("{:>5}", *function.iommu_group) : "    -",
                    to_string(function.address),
                    function.driver.empty() ? "-" : printable(function.driver),
                    function.reset_methods.empty() ? "-" : join(function.reset_methods, ","),
                    function.numa_node ? std::to_string(*function.numa_node) : "-",
                    answer_of(devices, function, verdicts[i])});
  }
  constexpr std::size_t below_address = 7;
  std::string text;
  const auto aligned = table(rows);
  const auto lines = split(aligned, '\n');
  for (std::size_t i = 0; i <= shown.size(); ++i) {
    text.append(lines[i]).append("\n");
    if (i == 0) continue;
    const auto& function = *shown[i - 1];
    text += wrapped(printable(title_of(names, function)), below_address, width);
    for (const auto& remark : remarks_on(devices, function, verdicts[i - 1]))
      text += wrapped(printable(remark), below_address + 2, width);
  }
  return text;
}

json::value devices_as_json(const Devices& devices, const Names& names,
                            const std::vector<const Function*>& shown) {
  const auto verdicts = verdicts_on(devices, shown);
  json::array list;
  for (std::size_t i = 0; i < shown.size(); ++i)
    list.push_back(function_as_json(devices, names, *shown[i], verdicts[i]));
  return {{"iommu", devices.iommu},
          {"interrupt_remapping", devices.interrupt_remapping},
          {"iommufd", devices.iommufd},
          {"devices", std::move(list)}};
}

}  // namespace hv::commands
