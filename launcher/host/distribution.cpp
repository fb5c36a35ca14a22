// SPDX-License-Identifier: MIT
#include "launcher/host/distribution.h"

#include "launcher/base/text.h"

#include <algorithm>

namespace hv::host {
namespace {

/// The value of KEY=value or KEY="value"; empty: there is none.
std::string_view value_of(std::string_view text, std::string_view key) {
  for (auto line : split(text, '\n')) {
    if (!line.starts_with(key) || line.substr(key.size(), 1) != "=") continue;
    line.remove_prefix(key.size() + 1);
    if (line.size() > 1 && (line.front() == '"' || line.front() == '\'') &&
        line.back() == line.front())
      return line.substr(1, line.size() - 2);
    return line;
  }
  return {};
}

std::string nix_list(std::string_view words) {
  std::string list;
  for (const auto word : split(words, ' ')) list += fmt::format(" \"{}\"", word);
  return list;
}

/// Module names in files and in Nix are with either sign; the kernel takes both.
std::string nix_module(std::string_view module) {
  std::string name(module);
  if (name.starts_with("kvm_")) std::ranges::replace(name, '_', '-');
  return name;
}

}  // namespace

Distribution parse_os_release(std::string_view text) {
  Distribution distribution;
  const auto is = [&](std::string_view id) {
    const auto like = split(value_of(text, "ID_LIKE"), ' ');
    return value_of(text, "ID") == id || std::ranges::find(like, id) != like.end();
  };
  if (is("nixos"))
    distribution.family = Family::nixos;
  else if (is("debian"))
    distribution.family = Family::debian;
  if (const auto name = value_of(text, "PRETTY_NAME"); !name.empty()) distribution.name = name;
  return distribution;
}

Distribution read_distribution(const Root& root) {
  for (const auto* const path : {"/etc/os-release", "/usr/lib/os-release"})
    if (const auto text = root.read(path)) return parse_os_release(*text);
  return {};
}

std::string install(const Distribution& distribution, const Package& package) {
  switch (distribution.family) {
    case Family::debian: return fmt::format("`apt install {}`", package.debian);
    case Family::nixos:
      return fmt::format("environment.systemPackages = [ pkgs.{} ];", package.nix);
    case Family::other:
      return fmt::format("install what Debian calls {}, by this distribution's packages",
                         package.debian);
  }
  std::unreachable();
}

std::string add_parameters(const Distribution& distribution, std::string_view parameters) {
  switch (distribution.family) {
    case Family::debian:
      return fmt::format(
          "add {} to GRUB_CMDLINE_LINUX in /etc/default/grub, run `update-grub`, and reboot",
          parameters);
    case Family::nixos:
      return fmt::format("boot.kernelParams = [{} ]; and reboot", nix_list(parameters));
    case Family::other:
      return fmt::format("add {} to the kernel's command line in the boot loader, and reboot",
                         parameters);
  }
  std::unreachable();
}

std::string remove_parameter(const Distribution& distribution, std::string_view parameter) {
  switch (distribution.family) {
    case Family::debian:
      return fmt::format(
          "take {} out of GRUB_CMDLINE_LINUX in /etc/default/grub, run `update-grub`, and reboot",
          parameter);
    case Family::nixos:
      return fmt::format("take {} out of boot.kernelParams, and reboot", parameter);
    case Family::other:
      return fmt::format("take {} out of the kernel's command line, and reboot", parameter);
  }
  std::unreachable();
}

std::string load_module(const Distribution& distribution, std::string_view module) {
  switch (distribution.family) {
    case Family::debian:
      return fmt::format("`modprobe {0}`; for later boots `echo {0} >/etc/modules-load.d/{0}.conf`",
                         module);
    case Family::nixos: return fmt::format("boot.kernelModules = [ \"{}\" ];", nix_module(module));
    case Family::other:
      return fmt::format("`modprobe {}`, and have it loaded at each boot", module);
  }
  std::unreachable();
}

std::string set_module_option(const Distribution& distribution, std::string_view module,
                              std::string_view option) {
  if (distribution.family == Family::nixos)
    return fmt::format("boot.extraModprobeConfig = \"options {} {}\"; and reboot", module, option);
  return fmt::format(
      "`echo options {0} {1} >/etc/modprobe.d/{0}.conf`, then load the module afresh while no "
      "guest runs (`modprobe -r {0} && modprobe {0}`), or reboot",
      module, option);
}

std::string join_group(const Distribution& distribution, std::string_view user,
                       std::string_view group) {
  if (distribution.family == Family::nixos)
    return fmt::format("users.users.{}.extraGroups = [ \"{}\" ]; and log in again", user, group);
  return fmt::format("`usermod -aG {} {}`, and log in again", group, user);
}

std::string set_sysctl(const Distribution& distribution, std::string_view key,
                       std::string_view value) {
  if (distribution.family == Family::nixos)
    return fmt::format("boot.kernel.sysctl.\"{}\" = {};", key, value);
  return fmt::format(
      "`sysctl {0}={1}`; for later boots `echo {0}={1} >/etc/sysctl.d/hvlaunch.conf`", key, value);
}

std::string add_udev_rule(const Distribution& distribution, std::string_view rule) {
  if (distribution.family == Family::nixos)
    return fmt::format("services.udev.extraRules = ''{}'';", rule);
  return fmt::format(
      "put `{}` into /etc/udev/rules.d/60-hvlaunch.rules, and run `udevadm control "
      "--reload && udevadm trigger`",
      rule);
}

std::string lift_memlock(const Distribution& distribution, std::string_view group) {
  if (distribution.family == Family::nixos)
    return fmt::format(
        "security.pam.loginLimits = [ {{ domain = \"@{}\"; type = \"-\"; item = \"memlock\"; "
        "value = \"unlimited\"; }} ]; and log in again",
        group);
  return fmt::format(
      "`echo @{} - memlock unlimited >/etc/security/limits.d/hvlaunch.conf`, and log in again; for "
      "a systemd service LimitMEMLOCK=infinity",
      group);
}

std::string make_bridge(const Distribution& distribution) {
  switch (distribution.family) {
    case Family::debian:
      return "`ip link add br0 type bridge && ip link set br0 up`; for later boots an `iface br0` "
             "with bridge_ports in /etc/network/interfaces (`apt install bridge-utils`)";
    case Family::nixos: return "networking.bridges.br0.interfaces = [ \"<interface>\" ];";
    case Family::other: return "`ip link add br0 type bridge && ip link set br0 up`";
  }
  std::unreachable();
}

}  // namespace hv::host
