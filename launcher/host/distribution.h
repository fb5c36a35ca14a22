// SPDX-License-Identifier: MIT
//
// How things are set on this distribution: what `doctor` tells people to do.
//
//   const auto distribution = host::read_distribution(root);
//   load_module(distribution, "vfio-pci")  // "boot.kernelModules = [ … ];" on NixOS
#pragma once

#include "launcher/base/root.h"

#include <string>
#include <string_view>

namespace hv::host {

enum class Family : std::uint8_t { debian, nixos, other };

struct Distribution {
  Family family = Family::other;
  std::string name = "an unknown distribution";  ///< "Debian GNU/Linux 12 (bookworm)".
};

/// What a program comes in. `nix` is an attribute of pkgs.
struct Package {
  std::string_view debian;
  std::string_view nix;
};

/// From the text of os-release(5).
[[nodiscard]] Distribution parse_os_release(std::string_view text);
[[nodiscard]] Distribution read_distribution(const Root& root);

/// Each is one sentence without a full stop, or the line of a NixOS configuration.
[[nodiscard]] std::string install(const Distribution& distribution, const Package& package);
[[nodiscard]] std::string add_parameters(const Distribution& distribution,
                                         std::string_view parameters);
[[nodiscard]] std::string remove_parameter(const Distribution& distribution,
                                           std::string_view parameter);
[[nodiscard]] std::string load_module(const Distribution& distribution, std::string_view module);
[[nodiscard]] std::string set_module_option(const Distribution& distribution,
                                            std::string_view module, std::string_view option);
[[nodiscard]] std::string join_group(const Distribution& distribution, std::string_view user,
                                     std::string_view group);
[[nodiscard]] std::string set_sysctl(const Distribution& distribution, std::string_view key,
                                     std::string_view value);
[[nodiscard]] std::string add_udev_rule(const Distribution& distribution, std::string_view rule);
[[nodiscard]] std::string lift_memlock(const Distribution& distribution, std::string_view group);
[[nodiscard]] std::string make_bridge(const Distribution& distribution);

}  // namespace hv::host
