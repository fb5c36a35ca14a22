// SPDX-License-Identifier: MIT
#include "vfio/bind.h"

#include "launcher/base/text.h"
#include "vfio/attribute.h"

#include <fcntl.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

namespace hv::vfio {
namespace {

using std::chrono::milliseconds;

/// One function and how long to wait for its drivers.
struct Hands {
  const Root& root;
  const PciAddress& address;
  milliseconds patience;

  [[nodiscard]] std::string path(std::string_view attribute) const {
    return fmt::format("{}/{}", device_path(address), attribute);
  }
  [[nodiscard]] Result<std::string> driver() const { return link_target(root, path("driver")); }

  [[nodiscard]] Result<> write(const std::string& file, std::string_view value) const {
    return write_attribute(root, address, file, value, patience);
  }
};

std::string driver_path(std::string_view driver) {
  return fmt::format("/sys/bus/pci/drivers/{}", driver);
}

/// Empty: the attribute is not there, or says "(null)".
Result<std::string> read_override(const Hands& hands) {
  auto text =
      read_attribute(hands.root, hands.address, hands.path("driver_override"), hands.patience);
  if (text && *text == "(null)") text->clear();
  return text;
}

/// The kernel took the write, and did something else.
std::unexpected<Error> not_obeyed(const Hands& hands, std::string message, std::string hint) {
  if (auto there = require_device(hands.root, hands.address); !there)
    return std::unexpected(std::move(there).error());
  return std::unexpected(Error{.fault = Fault::failed,
                               .id = "not-obeyed",
                               .message = std::move(message),
                               .hint = std::move(hint)});
}

Result<> set_override(const Hands& hands, const std::string& text) {
  TRY(hands.write(hands.path("driver_override"), text + "\n"));  // Alone, the line end clears it.
  const auto now = TRY(read_override(hands));
  if (now == text) return {};
  return not_obeyed(
      hands,
      fmt::format("driver_override of {} is '{}' after '{}' was written to it",
                  to_string(hands.address), printable(now), printable(text)),
      "another program binds devices at the same time: driverctl, a udev rule, libvirt");
}

bool is_guest_driver(std::string_view driver) {
  return driver.contains("vfio");
}

/// The kernel would wait until the program that has the function's group open
/// closes it. Groups are opened once only, so it tells.
Result<> require_unused(const Hands& hands) {
  const auto group =
      fmt::format("/dev/vfio/{}", TRY(link_target(hands.root, hands.path("iommu_group"))));
  const auto opened = hands.root.open_file(group, O_RDWR | O_NONBLOCK);
  if (opened || opened.error().os_error != EBUSY) return {};
  return std::unexpected(with_hint(
      {.fault = Fault::state,
       .id = "function-in-use",
       .message =
           fmt::format("a program has {} open, and with it {}", group, to_string(hands.address))},
      fmt::format("`fuser -v {}` shows it: stop that guest first", group)));
}

/// Leaves the function without a driver.
Result<> release(const Hands& hands) {
  const auto driver = TRY(hands.driver());
  if (driver.empty()) return {};
  if (is_guest_driver(driver)) TRY(require_unused(hands));
  TRY(hands.write(hands.path("driver/unbind"), to_string(hands.address)),
      "taking {} from the driver '{}'", to_string(hands.address), driver);
  const auto now = TRY(hands.driver());
  if (now.empty()) return {};
  return not_obeyed(
      hands,
      fmt::format("{} has the driver '{}' after it was taken from '{}'", to_string(hands.address),
                  now, driver),
      "another program binds devices at the same time: driverctl, a udev rule, libvirt");
}

Result<> require_driver(const Root& root, const std::string& driver) {
  // driver_override makes any driver take any function: one that is not made for
  // all crashes the kernel, as e1000e does on a USB controller.
  if (!is_guest_driver(driver))
    return std::unexpected(
        with_hint({.fault = Fault::missing,
                   .id = "no-vfio-driver",
                   .message = fmt::format("'{}' is not a driver of VFIO", printable(driver))},
                  "vfio-pci takes any function; those for one kind have vfio in their names, too"));
  if (has_driver(root, driver)) return {};
  return std::unexpected(
      with_hint({.fault = Fault::missing,
                 .id = "no-vfio-driver",
                 .message = fmt::format("this kernel has no PCI driver '{}'", printable(driver))},
                fmt::format("load it: `modprobe {}`", shell_quote(driver))));
}

Result<> require_group(const Hands& hands) {
  if (!TRY(link_target(hands.root, hands.path("iommu_group"))).empty()) return {};
  return std::unexpected(
      with_hint({.fault = Fault::missing,
                 .id = "no-iommu",
                 .message = fmt::format("{} is in no IOMMU group", to_string(hands.address))},
                "switch the IOMMU on: VT-d or AMD-Vi in the firmware's setup, and on Intel "
                "intel_iommu=on on the kernel's command line"));
}

/// "vfio3", the kernel's name for a function that a VFIO driver has; empty if
/// it has none: before Linux 6.1, and other drivers.
std::string vfio_name(const Hands& hands) {
  const auto names = hands.root.list(hands.path("vfio-dev"));
  return names && !names->empty() ? names->front() : "";
}

/// What QEMU opens: /dev/vfio/<group>, or by iommufd /dev/vfio/devices/vfio<N>.
/// devtmpfs has made it when the probe returns: there is nothing to wait for.
Result<> require_nodes(const Hands& hands, const std::string& driver) {
  const auto group = TRY(link_target(hands.root, hands.path("iommu_group")));
  auto missing = fmt::format("/dev/vfio/{}", group);
  const auto name = vfio_name(hands);
  const bool has_cdev =
      !name.empty() && hands.root.exists(hands.path(fmt::format("vfio-dev/{}/dev", name)));
  const bool has_group = hands.root.exists(missing);
  if (has_cdev) missing = fmt::format("/dev/vfio/devices/{}", name);
  // A kernel may be built without groups, or without the other.
  if (has_cdev ? hands.root.exists(missing) : has_group) return {};
  return not_obeyed(hands,
                    fmt::format("{} has the driver '{}', but there is no {}",
                                to_string(hands.address), driver, missing),
                    "is that a driver of VFIO, and is /dev the kernel's devtmpfs? A container sees "
                    "only the nodes that it was given");
}

Result<> probe(const Hands& hands, const std::string& driver) {
  const auto name = to_string(hands.address);
  TRY(hands.write("/sys/bus/pci/drivers_probe", name), "binding {} to {}", name, driver);
  // The kernel says nothing of a driver that did not want the function.
  const auto now = TRY(hands.driver());
  if (now == driver) return {};
  return not_obeyed(hands,
                    now.empty()
                        ? fmt::format("the driver '{}' did not take {}", driver, name)
                        : fmt::format("{} has the driver '{}' instead of '{}'", name, now, driver),
                    "the end of `dmesg` says why");
}

/// Binds the driver that the function had, whatever driver_override says.
Result<> bind_previous(const Hands& hands, const Binding& before) {
  const auto name = to_string(hands.address);
  if (!has_driver(hands.root, before.driver))
    return std::unexpected(with_hint(
        {.fault = Fault::missing,
         .id = "driver-gone",
         .message = fmt::format("{} cannot go back to '{}': the kernel no longer has that driver",
                                name, before.driver)},
        fmt::format("`modprobe {}`, then `hvlaunch recover`", shell_quote(before.driver))));
  // While it names another driver, the kernel lets no other have the function.
  if (!before.driver_override.empty() && before.driver_override != before.driver)
    TRY(set_override(hands, before.driver));
  TRY(hands.write(driver_path(before.driver) + "/bind", name), "giving {} back to '{}'", name,
      before.driver);
  const auto now = TRY(hands.driver());
  if (now == before.driver) return {};
  return not_obeyed(hands, fmt::format("the driver '{}' did not take {} back", before.driver, name),
                    "the end of `dmesg` says why");
}

Result<> restore_override(const Hands& hands, const std::string& text) {
  if (TRY(read_override(hands)) == text) return {};
  return set_override(hands, text);
}

Result<> restore_driver(const Hands& hands, const Binding& before) {
  if (TRY(hands.driver()) == before.driver) return {};
  TRY(release(hands));
  // Before the driver, so that it is right even if that cannot be had.
  TRY(restore_override(hands, before.driver_override));
  if (before.driver.empty()) return {};
  return bind_previous(hands, before);
}

Result<> restore_power(const Hands& hands, const std::string& control) {
  const auto path = hands.path("power/control");
  const auto now = hands.root.read(path);
  if (control.empty() || !now || *now == control) return {};
  TRY(hands.write(path, control));
  return {};
}

/// As much of it as can be, whatever fails: the first error.
Result<> restore(const Hands& hands, const Binding& before) {
  auto done = restore_driver(hands, before);
  if (!done && done.error().fault == Fault::timed_out) return done;
  auto text = restore_override(hands, before.driver_override);
  if (done && !text) done = std::move(text);
  auto power = restore_power(hands, before.power_control);
  if (done && !power) done = std::move(power);
  return done;
}

/// Bytes that would split the line, as %XX.
std::string escaped(std::string_view text) {
  std::string safe;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte <= 0x20 || byte == 0x7f || c == '%')
      safe += fmt::format("%{:02x}", byte);
    else
      safe += c;
  }
  return safe;
}

std::optional<std::string> unescaped(std::string_view text) {
  std::string plain;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      plain += text[i];
      continue;
    }
    unsigned byte = 0;
    const auto* const end = text.data() + std::min(i + 3, text.size());
    const auto [stop, error] = std::from_chars(text.data() + i + 1, end, byte, 16);
    if (error != std::errc{} || stop != text.data() + i + 3) return std::nullopt;
    plain += static_cast<char>(byte);
    i += 2;
  }
  return plain;
}

}  // namespace

Result<Binding> read_binding(const Root& root, const PciAddress& address, milliseconds patience) {
  TRY(require_device(root, address));
  const Hands hands{root, address, patience};
  return Binding{.driver = TRY(hands.driver()),
                 .driver_override = TRY(read_override(hands)),
                 .power_control = root.read(hands.path("power/control")).value_or("")};
}

std::string to_string(const Binding& binding) {
  const auto& [driver, driver_override, power_control] = binding;
  return fmt::format("driver={} override={} power={}", escaped(driver), escaped(driver_override),
                     escaped(power_control));
}

Result<Binding> parse_binding(std::string_view text) {
  constexpr std::array<std::string_view, 3> keys = {"driver=", "override=", "power="};
  std::array<std::string, 3> values;
  const auto words = split(text, ' ');
  bool good = words.size() == keys.size();
  for (std::size_t i = 0; good && i < keys.size(); ++i) {
    auto value =
        words[i].starts_with(keys[i]) ? unescaped(words[i].substr(keys[i].size())) : std::nullopt;
    good = value.has_value();
    if (good) values[i] = *std::move(value);
  }
  if (!good) return fail(Fault::failed, "damaged-journal", "'{}' is no binding", printable(text));
  return Binding{.driver = values[0], .driver_override = values[1], .power_control = values[2]};
}

bool has_driver(const Root& root, const std::string& driver) {
  const bool is_name = !driver.empty() && !driver.contains('/') && driver != "." && driver != "..";
  return is_name && root.exists(driver_path(driver));
}

Result<> bind(const Root& root, const PciAddress& address, const std::string& driver,
              milliseconds patience) {
  const Hands hands{root, address, patience};
  TRY(require_device(root, address));
  TRY(require_group(hands));
  TRY(require_driver(root, driver));
  if (TRY(hands.driver()) != driver) {
    TRY(set_override(hands, driver));
    TRY(release(hands));
    TRY(probe(hands, driver));
  }
  return require_nodes(hands, driver);
}

Result<> unbind(const Root& root, const PciAddress& address, milliseconds patience) {
  TRY(require_device(root, address));
  return release({root, address, patience});
}

Result<> return_function(const Root& root, const PciAddress& address, std::string_view before,
                         milliseconds patience) {
  const auto wanted = TRY(parse_binding(before));
  if (!root.exists(device_path(address))) return {};  // Who is not there needs nothing back.
  // Should the driver hang, this look ends it: not every step is to wait for it.
  const auto now =
      TRY(read_binding(root, address, std::min<milliseconds>(patience, look_patience)));
  if (now == wanted) return {};
  auto restored = restore({root, address, patience}, wanted);
  if (!restored && !root.exists(device_path(address))) return {};
  return restored;
}

}  // namespace hv::vfio
