// SPDX-License-Identifier: MIT
#include "vfio/variant.h"

#include "launcher/base/text.h"

#include <fmt/format.h>

#include <algorithm>

namespace hv::vfio {
namespace {

constexpr std::string_view prefix = "vfio_pci:";

/// Whether `text` is what `pattern` says, in which '*' stands for anything.
bool fits(std::string_view pattern, std::string_view text) {
  const auto parts = split(pattern, '*');
  if (parts.size() == 1) return pattern == text;
  if (!text.starts_with(parts.front())) return false;
  text.remove_prefix(parts.front().size());
  for (std::size_t i = 1; i + 1 < parts.size(); ++i) {
    const auto found = text.find(parts[i]);
    if (found == std::string_view::npos) return false;
    text.remove_prefix(found + parts[i].size());
  }
  return text.ends_with(parts.back());
}

/// What stands behind "pci:" in the kernel's own alias of the function.
std::string alias_of(const Function& function) {
  return fmt::format("v{:08X}d{:08X}sv{:08X}sd{:08X}bc{:02X}sc{:02X}i{:02X}", function.vendor,
                     function.device, function.subsystem_vendor, function.subsystem_device,
                     function.class_code >> 16U, function.class_code >> 8U & 0xffU,
                     function.class_code & 0xffU);
}

void add(std::vector<Variant>& variants, std::string_view pattern, std::string_view module) {
  // vfio-pci's own takes any function, and is what remains without a variant.
  if (module == "vfio_pci" || module.empty() || !pattern.starts_with(prefix)) return;
  pattern.remove_prefix(prefix.size());
  // Modules of PCI drivers are named like their drivers, with '_' for '-'.
  variants.push_back({.pattern = std::string(pattern), .driver = std::string(module)});
}

}  // namespace

std::vector<Variant> parse_variants(std::string_view aliases) {
  std::vector<Variant> variants;
  constexpr std::string_view start = "alias vfio_pci:";
  // The list is megabytes: only these lines are looked at.
  for (auto at = aliases.find(start); at != std::string_view::npos;
       at = aliases.find(start, at + 1)) {
    if (at != 0 && aliases[at - 1] != '\n') continue;
    const auto words = split(aliases.substr(at, aliases.find('\n', at) - at), ' ');
    if (words.size() == 3) add(variants, words[1], words[2]);
  }
  return variants;
}

std::vector<Variant> parse_builtin_variants(std::string_view modinfo) {
  std::vector<Variant> variants;
  constexpr std::string_view middle = ".alias=vfio_pci:";
  for (auto at = modinfo.find(middle); at != std::string_view::npos;
       at = modinfo.find(middle, at + 1)) {
    const auto begin = modinfo.rfind('\0', at) + 1;  // 0 in the first one.
    const auto pattern = at + middle.size() - prefix.size();
    add(variants, modinfo.substr(pattern, modinfo.find('\0', at) - pattern),
        modinfo.substr(begin, at - begin));
  }
  return variants;
}

std::vector<Variant> read_variants(const Root& root) {
  const auto release = root.read("/proc/sys/kernel/osrelease").value_or("");
  if (release.empty() || release.contains('/')) return {};
  for (const auto* const directory :
       {"/lib/modules", "/usr/lib/modules", "/run/booted-system/kernel-modules/lib/modules"}) {
    const auto path = fmt::format("{}/{}/modules.", directory, release);
    const auto aliases = root.read(path + "alias");
    if (!aliases) continue;
    auto variants = parse_variants(*aliases);
    const auto modinfo = root.read_raw(path + "builtin.modinfo").value_or("");
    std::ranges::move(parse_builtin_variants(modinfo), std::back_inserter(variants));
    return variants;
  }
  return {};
}

std::string guest_driver(const Devices& devices, const Function& function) {
  const auto alias = alias_of(function);
  const Variant* best = nullptr;
  const auto wildcards = [](const Variant& variant) {
    return std::ranges::count(variant.pattern, '*');
  };
  for (const auto& variant : devices.variants)
    if (fits(variant.pattern, alias) && (best == nullptr || wildcards(variant) < wildcards(*best)))
      best = &variant;
  return best == nullptr ? "vfio-pci" : best->driver;
}

}  // namespace hv::vfio
