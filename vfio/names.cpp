// SPDX-License-Identifier: MIT
#include "vfio/names.h"

#include "launcher/base/text.h"
#include "vfio/sysfs.h"

#include <algorithm>
#include <array>

namespace hv::vfio {
namespace {

/// The name in a line like "10de  NVIDIA Corporation".
std::string name_in(std::string_view line) {
  const auto gap = line.find("  ");
  return gap == std::string_view::npos ? "" : std::string(line.substr(gap + 2));
}

/// The first line of a text.
std::string_view first_line(std::string_view text) {
  return text.substr(0, text.find('\n'));
}

/// The line that begins with `start`; empty: none.
std::string_view line_with(std::string_view text, const std::string& start) {
  const auto found = text.find("\n" + start);
  return found == std::string_view::npos ? "" : first_line(text.substr(found + 1));
}

}  // namespace

Names::Names(std::string text) : text_(std::move(text)) {
  const std::string_view view = text_;
  for (std::size_t at = 0; at < view.size();) {
    const auto end = std::min(view.find('\n', at), view.size() - 1) + 1;
    const auto line = view.substr(at, end - at);
    // Of the lines at the margin, "10de  NVIDIA…" or "C 03  Display…".
    const bool is_class = line.starts_with("C ");
    const auto key = hex<std::uint32_t>(is_class ? line.substr(2, 2) : line.substr(0, 4));
    if (line.front() != '\t' && key) {
      if (!sections_.empty()) sections_.back().end = at;
      sections_.push_back(
          {.key = *key | (is_class ? class_bit : 0), .begin = at, .end = view.size()});
    }
    at = end;
  }
  std::ranges::sort(sections_, {}, &Section::key);
}

std::string_view Names::section(std::uint32_t key) const {
  const auto found = std::ranges::lower_bound(sections_, key, {}, &Section::key);
  if (found == sections_.end() || found->key != key) return {};
  return std::string_view(text_).substr(found->begin, found->end - found->begin);
}

std::string Names::vendor(std::uint16_t vendor) const {
  return name_in(first_line(section(vendor)));
}

std::string Names::device(std::uint16_t vendor, std::uint16_t device) const {
  return name_in(line_with(section(vendor), fmt::format("\t{:04x}  ", device)));
}

std::string Names::device_class(std::uint32_t class_code) const {
  const auto base = section(class_bit | class_code >> 16U);
  const auto subclass = class_code >> 8U & 0xffU;
  auto name = name_in(line_with(base, fmt::format("\t{:02x}  ", subclass)));
  return name.empty() ? name_in(first_line(base).substr(std::min<std::size_t>(2, base.size())))
                      : name;
}

Names read_names(const Root& root) {
  constexpr std::array files = {
#ifdef HVLAUNCH_PCI_IDS
      HVLAUNCH_PCI_IDS,
#endif
      "/usr/share/misc/pci.ids",  // Debian
      "/usr/share/hwdata/pci.ids",
      "/run/current-system/sw/share/hwdata/pci.ids",
  };
  for (const auto* const file : files)
    if (auto text = root.read(file)) return Names(*std::move(text));
  return Names();
}

std::string name_of(const Names& names, const Function& function) {
  const auto vendor = names.vendor(function.vendor);
  const auto device = names.device(function.vendor, function.device);
  if (vendor.empty()) return fmt::format("device {:04x}:{:04x}", function.vendor, function.device);
  if (device.empty()) return fmt::format("{} device {:04x}", vendor, function.device);
  return fmt::format("{} {}", vendor, device);
}

}  // namespace hv::vfio
