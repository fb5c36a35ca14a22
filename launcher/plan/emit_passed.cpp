// SPDX-License-Identifier: MIT
#include "launcher/plan/emit.h"
#include "launcher/plan/pcie.h"

namespace hv::plan {

namespace json = boost::json;

void emit_passed(const Machine& machine, CommandLine& line) {
  if (machine.passed.empty() && machine.mdevs.empty()) return;
  if (machine.iommufd)
    line.add("-object", json::object{{"qom-type", "iommufd"}, {"id", "iommufd"}},
             {.rule = "iommufd",
              .why = "the kernel's newer way to give devices away; this host and QEMU have it"});
  std::string port;
  for (const auto& function : machine.passed) {
    const bool first =
        &function == &machine.passed.front() || (&function)[-1].port != function.port;
    if (first) port = add_root_port(slot::passed + function.port / 8, function.port % 8, line);
    json::object device = {{"driver", "vfio-pci"},
                           {"host", to_string(function.address)},
                           {"id", fmt::format("hostdev{}.{}", function.port, function.function)},
                           {"bus", port},
                           {"addr", fmt::format("0.{:x}", function.function)}};
    if (function.multifunction && function.function == 0) device["multifunction"] = true;
    if (machine.iommufd) device["iommufd"] = "iommufd";
    if (!function.rom.empty()) device["romfile"] = function.rom;
    // Elsewhere there is no VGA memory to route: firmware takes the first screen it finds.
    if (function.primary_gpu && machine.profile.arch.value == profiles::Arch::x86_64)
      device["x-vga"] = true;
    line.add("-device", device, function.cause);
  }
  for (const auto& [mdev, number, cause] : machine.mdevs) {
    json::object device = {{"driver", "vfio-pci"},
                           {"sysfsdev", vfio::mdev_path(mdev.uuid)},
                           {"id", fmt::format("hostdev{}.0", number)},
                           {"bus", add_root_port(slot::passed + number / 8, number % 8, line)},
                           {"addr", "0.0"}};
    if (machine.iommufd) device["iommufd"] = "iommufd";
    line.add("-device", device, cause);
  }
}

}  // namespace hv::plan
