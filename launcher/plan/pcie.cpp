// SPDX-License-Identifier: MIT
#include "launcher/plan/pcie.h"

namespace hv::plan {

boost::json::object on_root_bus(std::string_view driver, std::string_view id, unsigned slot) {
  return {{"driver", driver}, {"id", id}, {"bus", "pcie.0"}, {"addr", fmt::format("{:#x}", slot)}};
}

std::string add_root_port(unsigned slot, unsigned function, CommandLine& line) {
  const auto id = fmt::format("port{:x}.{}", slot, function);
  const auto number = slot * 8 + function;  // Unique: the guest's name for the slot behind it.
  boost::json::object port = {{"driver", "pcie-root-port"},
                              {"id", id},
                              {"bus", "pcie.0"},
                              {"addr", fmt::format("{:#x}.{}", slot, function)},
                              {"chassis", number},
                              {"port", number}};
  // Function 0 announces that there are others beside it.
  if (function == 0) port["multifunction"] = true;
  const bool spare = slot == slot::spare;
  line.add("-device", port,
           {.rule = "pcie-layout",
            .why = spare ? "an empty port, for a device that is plugged in later"
                         : "each kind of device has a fixed place, so addresses never move"});
  return id;
}

}  // namespace hv::plan
