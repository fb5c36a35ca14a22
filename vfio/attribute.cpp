// SPDX-License-Identifier: MIT
#include "vfio/attribute.h"

#include "vfio/blocking.h"

#include <fcntl.h>

#include <array>

namespace hv::vfio {
namespace {

Error gone(const PciAddress& address) {
  return {.fault = Fault::missing,
          .id = "no-device-here",
          .message = fmt::format("the PCI function {} is not there", to_string(address)),
          .hint =
              "`lspci -D` lists what is; a device that was pulled out, or that failed, comes "
              "back with `echo 1 >/sys/bus/pci/rescan`"};
}

/// Says who hangs and what can be done.
Error hanging(const Root& root, const PciAddress& address, Error error) {
  const auto driver = link_target(root, device_path(address) + "/driver").value_or("");
  const auto name = to_string(address);
  error.message =
      driver.empty() ? fmt::format("a driver that was to take {} hangs ({})", name, error.message)
                     : fmt::format("the driver '{}' of {} hangs ({})", driver, name, error.message);
  error.hint = driver.starts_with("vfio") || driver.ends_with("vfio_pci")
                   ? "a program still has the device open: `fuser -v /dev/vfio/* "
                     "/dev/vfio/devices/*` shows it; end it"
                   : fmt::format(
                         "end what uses the device; `dmesg` may say what '{}' waits for. If "
                         "nothing helps, {} is out of order until the host starts again",
                         driver.empty() ? "the driver" : driver, name);
  return error;
}

Error explained(const Root& root, const PciAddress& address, Error error) {
  if (error.os_error == ETIMEDOUT && error.fault == Fault::timed_out)
    return hanging(root, address, std::move(error));
  if (!root.exists(device_path(address))) return gone(address);
  if (error.os_error == EROFS) {
    error.fault = Fault::permission;
    error.id = "read-only-sysfs";
    return with_hint(std::move(error),
                     "/sys is mounted read-only, as in most containers: run hvlaunch on the host, "
                     "or `mount -o remount,rw /sys`");
  }
  if (error.fault == Fault::permission)
    return with_hint(std::move(error), "only root may take a device from its driver");
  return error;
}

}  // namespace

std::string device_path(const PciAddress& address) {
  return "/sys/bus/pci/devices/" + to_string(address);
}

Result<std::string> link_target(const Root& root, const std::string& path) {
  const auto link = root.open_file(path, O_PATH, 0, Links::refuse);
  if (!link && link.error().os_error == ENOENT) return "";
  if (!link) return std::unexpected(link.error());
  std::array<char, 4096> target{};
  const auto count = ::readlinkat(link->get(), "", target.data(), target.size());
  if (count < 0) return fail_errno("read the link {}", path);
  const std::string_view text(target.data(), static_cast<std::size_t>(count));
  return std::string(text.substr(text.rfind('/') + 1));
}

Result<> require_device(const Root& root, const PciAddress& address) {
  if (root.exists(device_path(address))) return {};
  return std::unexpected(gone(address));
}

Result<> write_attribute(const Root& root, const PciAddress& address, const std::string& path,
                         std::string_view value, std::chrono::milliseconds patience) {
  auto written = write_within(root, path, value, patience);
  if (!written) return std::unexpected(explained(root, address, std::move(written).error()));
  return {};
}

Result<std::string> read_attribute(const Root& root, const PciAddress& address,
                                   const std::string& path, std::chrono::milliseconds patience) {
  auto text = read_within(root, path, patience);
  if (!text) return std::unexpected(explained(root, address, std::move(text).error()));
  return text;
}

}  // namespace hv::vfio
