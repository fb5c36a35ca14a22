// SPDX-License-Identifier: MIT
#include "vfio/selector.h"

#include "launcher/base/text.h"
#include "vfio/sysfs.h"

#include <algorithm>
#include <set>

namespace hv::vfio {
namespace {

PciId id_of(const Function& function) {
  return {.vendor = function.vendor, .device = function.device};
}

/// "0000:01:00.0 (10de:2684, slot 3)".
std::string candidate(const Function& function) {
  auto text = fmt::format("{} ({}", to_string(function.address), to_string(id_of(function)));
  if (!function.slot.empty()) text += ", slot " + function.slot;
  return text + ")";
}

/// At most four of them: a hint is not a list.
std::string listed(const std::vector<const Function*>& functions) {
  constexpr std::size_t most = 4;
  std::vector<std::string> texts;
  for (const auto* const function : functions)
    if (texts.size() < most) texts.push_back(candidate(*function));
  auto text = join(texts, ", ");
  if (functions.size() > most) text += fmt::format(" and {} more", functions.size() - most);
  return text;
}

/// Functions that fit less and less: the address left out, the same device
/// elsewhere, one at a similar address, another of its vendor or class.
std::vector<const Function*> proposals(const Selector& selector, const Devices& devices) {
  std::vector<const Function*> near;
  const auto collect = [&](const auto& fits) {
    if (near.empty())
      for (const auto& function : devices.functions)
        if (!function.is_bridge() && fits(function)) near.push_back(&function);
  };
  if (selector.id) collect([&](const Function& each) { return id_of(each) == *selector.id; });
  if (selector.address) {
    const auto& wanted = *selector.address;
    collect([&](const Function& each) {
      const auto& here = each.address;
      return here.domain == wanted.domain && here.bus == wanted.bus && here.device == wanted.device;
    });
    collect([&](const Function& each) {
      return each.address.domain == wanted.domain && each.address.bus == wanted.bus;
    });
  }
  if (selector.id)
    collect([&](const Function& each) { return each.vendor == selector.id->vendor; });
  if (!selector.slot.empty()) collect([](const Function& each) { return !each.slot.empty(); });
  if (selector.class_prefix)
    collect([&](const Function& each) {
      return each.class_code >> 16U == *selector.class_prefix >> 4 * (selector.class_digits - 2);
    });
  return near;
}

/// A selector that says one thing more about each function.
struct Trait {
  const char* name;
  std::string (*of)(const Function&);
};

constexpr Trait traits[] = {
    {"slot", [](const Function& function) { return function.slot; }},
    {"serial", [](const Function& function) { return function.serial; }},
    {"path", path_of},
    {"address", [](const Function& function) { return to_string(function.address); }},
};

/// Whether each of the functions has the trait, and each another one.
bool tells_apart(const Trait& trait, const std::vector<const Function*>& functions) {
  std::set<std::string> values;
  for (const auto* const function : functions)
    if (auto value = trait.of(*function); !value.empty()) values.insert(std::move(value));
  return values.size() == functions.size();
}

std::string telling_apart(const std::vector<const Function*>& functions) {
  std::vector<std::string> ways;
  for (const auto& trait : traits)
    if (tells_apart(trait, functions))
      ways.push_back(fmt::format("\"{}\": \"{}\"", trait.name, trait.of(*functions.front())));
  return fmt::format("say which as well: {}", join(ways, " or "));
}

Error no_device(const Selector& selector, const Devices& devices) {
  Error error{.fault = Fault::missing,
              .id = "no-device-here",
              .message = fmt::format("this host has no PCI device {}", describe(selector))};
  const auto* const there = selector.address ? devices.find(*selector.address) : nullptr;
  auto wanted = selector;
  wanted.address.reset();  // It is named already.
  if (there != nullptr)
    error.message = fmt::format("{} is {} here, not {}", to_string(there->address),
                                to_string(id_of(*there)), describe(wanted));
  const auto near = proposals(selector, devices);
  const bool moved = selector.id && std::ranges::any_of(near, [&](const Function* each) {
                       return id_of(*each) == *selector.id;
                     });
  error.hint = near.empty() ? "`hvlaunch vfio list` shows what there is"
               : moved      ? fmt::format("{} is there: {}", to_string(*selector.id), listed(near))
                            : fmt::format("there is {}", listed(near));
  return error;
}

}  // namespace

Result<PciId> parse_pci_id(std::string_view text) {
  const auto vendor = text.size() == 9 ? hex<std::uint16_t>(text.substr(0, 4)) : std::nullopt;
  const auto device = text.size() == 9 ? hex<std::uint16_t>(text.substr(5)) : std::nullopt;
  if (!vendor || !device || text[4] != ':')
    return fail(Fault::profile, "bad-pci-id", "'{}' is not a vendor and device like 10de:2684",
                text);
  return PciId{.vendor = *vendor, .device = *device};
}

std::string to_string(const PciId& id) {
  return fmt::format("{:04x}:{:04x}", id.vendor, id.device);
}

std::string path_of(const Function& function) {
  std::string path;
  for (const auto part : split(function.sysfs_path, '/')) {
    if (const auto address = parse_pci_address(part))
      path += fmt::format("/{:02x}.{:x}", address->device, address->function);
    else if (part.starts_with("pci") && part.contains(':'))
      path = part;  // The last of them: some controllers are the root of a domain.
  }
  return path;
}

bool matches(const Selector& selector, const Function& function) {
  const auto& [address, id, class_prefix, class_digits, slot, serial, path, all_functions] =
      selector;
  if (address && *address != function.address) return false;
  if (id && *id != id_of(function)) return false;
  if (class_prefix && function.class_code >> 4 * (6 - class_digits) != *class_prefix) return false;
  if (!slot.empty() && slot != function.slot) return false;
  if (!serial.empty() && serial != function.serial) return false;
  return path.empty() || path == path_of(function);
}

std::string describe(const Selector& selector) {
  const auto& [address, id, class_prefix, class_digits, slot, serial, path, all_functions] =
      selector;
  std::vector<std::string> parts;
  if (id) parts.push_back(to_string(*id));
  if (class_prefix) parts.push_back(fmt::format("of class {:0{}x}", *class_prefix, class_digits));
  if (!slot.empty()) parts.push_back(fmt::format("in slot {}", slot));
  if (!serial.empty()) parts.push_back(fmt::format("with serial '{}'", serial));
  if (!path.empty()) parts.push_back(fmt::format("at path {}", path));
  // With the address alone the caller names it.
  if (address && parts.empty()) return to_string(*address);
  if (address) parts.push_back(fmt::format("at {}", to_string(*address)));
  return join(parts, " ");
}

Result<const Function*> choose(const Selector& selector, const Devices& devices) {
  std::vector<const Function*> found;
  for (const auto& function : devices.functions)
    if (matches(selector, function)) found.push_back(&function);
  if (found.empty()) return std::unexpected(no_device(selector, devices));
  if (found.size() == 1) return found.front();
  return std::unexpected(with_hint({.fault = Fault::missing,
                                    .id = "ambiguous-device",
                                    .message = fmt::format("{} devices are {}: {}", found.size(),
                                                           describe(selector), listed(found))},
                                   telling_apart(found)));
}

}  // namespace hv::vfio
