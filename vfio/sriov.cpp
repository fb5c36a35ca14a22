// SPDX-License-Identifier: MIT
#include "vfio/sriov.h"

#include "vfio/attribute.h"
#include "vfio/sysfs.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <ranges>

namespace hv::vfio {
namespace {

using std::chrono::milliseconds;

std::string count_path(const PciAddress& address) {
  return device_path(address) + "/sriov_numvfs";
}

std::string autoprobe_path(const PciAddress& address) {
  return device_path(address) + "/sriov_drivers_autoprobe";
}

std::optional<std::uint64_t> number_in(std::string_view text) {
  std::uint64_t value = 0;
  const auto* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc{} || stop != end) return std::nullopt;
  return value;
}

std::uint64_t number_at(const Root& root, const std::string& path) {
  return number_in(root.read(path).value_or("")).value_or(0);
}

std::string interface_of(const Root& root, const PciAddress& address) {
  const auto names = root.list(device_path(address) + "/net");
  return names && !names->empty() ? names->front() : "";
}

/// The links "virtfn0", "virtfn1", … of a physical function.
Result<std::vector<VirtualFunction>> read_vfs(const Root& root, const PciAddress& address) {
  constexpr std::string_view prefix = "virtfn";
  std::vector<VirtualFunction> vfs;
  for (const auto& name : TRY(root.list(device_path(address)))) {
    if (!name.starts_with(prefix)) continue;
    const auto index = number_in(std::string_view(name).substr(prefix.size()));
    const auto target = TRY(link_target(root, fmt::format("{}/{}", device_path(address), name)));
    if (!index || target.empty()) continue;  // Another attribute, or just destroyed.
    const auto vf = TRY(parse_pci_address(target));
    vfs.push_back({.index = *index,
                   .address = vf,
                   .driver = TRY(link_target(root, device_path(vf) + "/driver"))});
  }
  std::ranges::sort(vfs, {}, &VirtualFunction::index);
  return vfs;
}

/// What the kernel's refusals mean (drivers/pci/iov.c).
Error refused(const PciAddress& address, Error error) {
  const auto name = to_string(address);
  if (error.os_error == ENOENT || error.os_error == ENOSYS) {
    error.id = "no-vfs";
    error.fault = Fault::missing;
    error.hint = fmt::format(
        "{} needs a driver that can make virtual functions; vfio-pci does it only after "
        "`echo 1 >/sys/module/vfio_pci/parameters/enable_sriov`",
        name);
  } else if (error.os_error == ENOMEM || error.os_error == EIO || error.os_error == ENOSPC) {
    error.id = "no-vfs";
    error.fault = Fault::missing;
    error.hint =
        "the firmware left no room for them: switch SR-IOV and 'above 4G decoding' on in its "
        "setup, or add pci=realloc to the kernel's command line";
  }
  return error;
}

Result<> set_count(const Root& root, const PciAddress& address, std::uint64_t count,
                   milliseconds patience) {
  auto written =
      write_attribute(root, address, count_path(address), std::to_string(count), patience);
  if (!written) return std::unexpected(refused(address, std::move(written).error()));
  const auto now = TRY(read_vfs(root, address)).size();
  if (now == count) return {};
  return std::unexpected(
      with_hint({.fault = Fault::failed,
                 .id = "not-obeyed",
                 .message = fmt::format("{} has {} virtual functions after {} were asked for",
                                        to_string(address), now, count)},
                "the end of `dmesg` says why"));
}

}  // namespace

Result<PhysicalFunction> read_physical_function(const Root& root, const PciAddress& address) {
  TRY(require_device(root, address));
  const auto total = root.read(device_path(address) + "/sriov_totalvfs");
  if (!total)
    return std::unexpected(
        with_hint({.fault = Fault::missing,
                   .id = "no-sriov",
                   .message = fmt::format("{} cannot have virtual functions", to_string(address))},
                  "many cards need SR-IOV switched on in their own firmware's setup"));
  return PhysicalFunction{
      .address = address,
      .vfs_total = number_in(*total).value_or(0),
      .offset = number_at(root, device_path(address) + "/sriov_offset"),
      .stride = number_at(root, device_path(address) + "/sriov_stride"),
      .vf_device =
          hex<std::uint16_t>(root.read(device_path(address) + "/sriov_vf_device").value_or(""))
              .value_or(0),
      .drivers_autoprobe = root.read(autoprobe_path(address)).value_or("1") != "0",
      .network_interface = interface_of(root, address),
      .vfs = TRY(read_vfs(root, address))};
}

std::optional<PciAddress> vf_address(const PhysicalFunction& physical, std::uint64_t index) {
  const auto& [domain, bus, device, function] = physical.address;
  if (physical.offset == 0 || (index > 0 && physical.stride == 0)) return std::nullopt;
  const auto own = (std::uint64_t{bus} << 8U) | (std::uint64_t{device} << 3U) | function;
  const auto id = own + physical.offset + index * physical.stride;
  if (id > 0xffff) return std::nullopt;
  return PciAddress{.domain = domain,
                    .bus = static_cast<std::uint8_t>(id >> 8U),
                    .device = static_cast<std::uint8_t>((id >> 3U) & 0x1fU),
                    .function = static_cast<std::uint8_t>(id & 7U)};
}

Result<> make_vfs(const Root& root, const PciAddress& address, std::uint64_t count,
                  Journal& journal, milliseconds patience) {
  const auto before = TRY(read_physical_function(root, address));
  if (!before.vfs.empty() || count == 0) return {};
  if (count > before.vfs_total)
    return fail(Fault::missing, "too-many-vfs", "{} can have {} virtual functions, not {}",
                to_string(address), before.vfs_total, count);
  // Else the host's driver takes them for a moment, and names their interfaces.
  const auto autoprobe = autoprobe_path(address);
  const bool to_switch = before.drivers_autoprobe && root.exists(autoprobe);
  if (to_switch) {
    TRY(journal.record({.kind = Undo::Kind::write_value, .path = autoprobe, .value = "1"}));
    TRY(write_attribute(root, address, autoprobe, "0", patience));
  }
  TRY(journal.record({.kind = Undo::Kind::remove_vfs, .path = to_string(address)}));
  auto made = set_count(root, address, count, patience);
  // At once: it is the admin's, and their next virtual functions are none of ours.
  if (to_switch && (made || made.error().fault != Fault::timed_out))
    TRY(write_attribute(root, address, autoprobe, "1", patience));
  if (!made)
    return std::unexpected(
        in_context(std::move(made).error(),
                   fmt::format("making {} virtual functions of {}", count, to_string(address))));
  return {};
}

Result<const VirtualFunction*> choose_vf(const PhysicalFunction& physical,
                                         std::span<const PciAddress> claimed) {
  const auto is_free = [&](const VirtualFunction& vf) {
    return !vf.driver.contains("vfio") && std::ranges::find(claimed, vf.address) == claimed.end();
  };
  const VirtualFunction* best = nullptr;
  for (const auto& vf : physical.vfs | std::views::filter(is_free)) {
    if (vf.driver.empty()) return &vf;
    if (best == nullptr) best = &vf;
  }
  if (best != nullptr) return best;
  return std::unexpected(
      with_hint({.fault = Fault::state,
                 .id = "no-free-vf",
                 .message = fmt::format("guests have all {} virtual functions of {}",
                                        physical.vfs.size(), to_string(physical.address))},
                "stop a guest that has one; their number changes only when none is in use"));
}

Result<std::vector<std::string>> vf_network_command(const PhysicalFunction& physical,
                                                    std::uint64_t index, const VfNetwork& network) {
  const auto& [mac, vlan] = network;
  if (mac.empty() && !vlan) return std::vector<std::string>{};
  if (physical.network_interface.empty())
    return std::unexpected(
        with_hint({.fault = Fault::missing,
                   .id = "no-vf-network",
                   .message = fmt::format("{} has no network interface, through which its virtual "
                                          "functions get a MAC address or a VLAN",
                                          to_string(physical.address))},
                  "it needs its own driver; what is no network card has neither"));
  std::vector<std::string> argv = {
      "ip", "link", "set", "dev", physical.network_interface, "vf", std::to_string(index)};
  if (!mac.empty()) argv.insert(argv.end(), {"mac", mac});
  if (vlan) argv.insert(argv.end(), {"vlan", std::to_string(*vlan)});
  return argv;
}

Result<> remove_vfs(const Root& root, const PciAddress& address, milliseconds patience) {
  if (!root.exists(count_path(address))) return {};
  const auto vfs = TRY(read_vfs(root, address));
  const auto is_used = [](const VirtualFunction& vf) { return !vf.driver.empty(); };
  if (vfs.empty() || std::ranges::any_of(vfs, is_used)) return {};
  return set_count(root, address, 0, patience);
}

}  // namespace hv::vfio
