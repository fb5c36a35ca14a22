// SPDX-License-Identifier: MIT
#include "vfio/quarantine.h"

#include "launcher/base/text.h"
#include "vfio/attribute.h"
#include "vfio/bind.h"
#include "vfio/blocking.h"
#include "vfio/sysfs.h"

#include <algorithm>
#include <array>

namespace hv::vfio {
namespace {

std::string file_of(const std::string& runtime, const PciAddress& address) {
  return fmt::format("{}/{}", quarantine_directory(runtime), to_string(address));
}

std::string boot_id(const Root& root) {
  return root.read("/proc/sys/kernel/random/boot_id").value_or("");
}

/// Nothing: damaged, or of an earlier boot, which the kernel has forgotten.
std::optional<Quarantined> parse(std::string_view text, const PciAddress& address,
                                 const std::string& boot) {
  const auto lines = split(text, '\n');
  constexpr std::size_t count = 4;
  if (lines.size() < count || lines[0] != boot) return std::nullopt;
  const auto since = decimal(lines[1]);
  if (!since) return std::nullopt;
  return Quarantined{.address = address,
                     .cause = std::string(lines[2]),
                     .message = printable(lines[3]),
                     .since = static_cast<std::int64_t>(*since)};
}

}  // namespace

std::string quarantine_directory(const std::string& runtime) {
  return runtime + "/.quarantine";
}

Result<> quarantine(const Root& root, const std::string& runtime, const Quarantined& function) {
  const auto& [address, cause, message, since] = function;
  const auto boot = boot_id(root);
  const auto file = file_of(runtime, address);
  if (parse(root.read_raw(file).value_or(""), address, boot)) return {};
  TRY(root.make_directories(quarantine_directory(runtime), 0700));
  return root.replace(
      file, fmt::format("{}\n{}\n{}\n{}\n", boot, since, printable(cause), printable(message)));
}

std::vector<Quarantined> quarantined(const Root& root, const std::string& runtime) {
  std::vector<Quarantined> all;
  const auto boot = boot_id(root);
  for (const auto& name : names_in(root, quarantine_directory(runtime))) {
    const auto address = parse_pci_address(name);
    if (!address) continue;
    constexpr std::size_t longest = 8192;
    const auto text = root.read_raw(file_of(runtime, *address), longest);
    if (auto found = text ? parse(*text, *address, boot) : std::nullopt)
      all.push_back(*std::move(found));
  }
  return all;
}

Result<> release_quarantined(const Root& root, const std::string& runtime,
                             const PciAddress& address) {
  const auto all = quarantined(root, runtime);
  if (std::ranges::find(all, address, &Quarantined::address) == all.end())
    return std::unexpected(
        with_hint({.fault = Fault::state,
                   .id = "not-in-quarantine",
                   .message = fmt::format("{} is not in quarantine", to_string(address))},
                  "`hvlaunch vfio list` shows what is"));
  TRY(root.remove(file_of(runtime, address)));
  (void)root.remove(quarantine_directory(runtime));  // Unless others are in it.
  return {};
}

Result<> require_answers(const Root& root, const PciAddress& address) {
  // The header that every kind of device has; a virtual function's ids alone are all ones.
  constexpr std::size_t header = 64;
  const auto text = read_within(root, device_path(address) + "/config", look_patience);
  if (!text || text->size() < header ||
      std::ranges::any_of(text->substr(0, header), [](char byte) { return byte != '\xff'; }))
    return {};
  return std::unexpected(with_hint(
      {.fault = Fault::failed,
       .id = "device-lost",
       .message =
           fmt::format("{} answers nothing: its configuration is all ones", to_string(address))},
      cure_of_quarantine(address)));
}

std::string cure_of_quarantine(const PciAddress& address) {
  const auto name = to_string(address);
  return fmt::format(
      "start the host again; or `echo 1 >/sys/bus/pci/devices/{0}/remove`, "
      "`echo 1 >/sys/bus/pci/rescan` and `hvlaunch vfio clear {0}`",
      name);
}

bool calls_for_quarantine(const Root& root, const PciAddress& address, const Error& error) {
  constexpr std::array<std::string_view, 3> causes = {"driver-hangs", "driver-crashed",
                                                      "device-lost"};
  if (std::ranges::find(causes, error.id) == causes.end()) return false;
  const auto driver = link_target(root, device_path(address) + "/driver").value_or("");
  return error.id != "driver-hangs" || !driver.contains("vfio");
}

}  // namespace hv::vfio
