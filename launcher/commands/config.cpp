// SPDX-License-Identifier: MIT
#include "launcher/commands/config.h"

#include "qmp/read.h"

#include <boost/json.hpp>

namespace hv::commands {
namespace {

namespace json = boost::json;

plan::Config::Zone zone_of(const json::key_value_pair& member) {
  return {.name = std::string(member.key()),
          .bridge = qmp::string_at(member.value(), "bridge").value_or(""),
          .allow_hostdev = qmp::bool_at(member.value(), "allow_hostdev").value_or(false)};
}

}  // namespace

Result<plan::Config> load_config(const Context& context) {
  plan::Config config;
  const auto path = context.paths.config + "/config.json";
  const auto text = context.root.read(path);
  if (!text && text.error().os_error == ENOENT) return config;
  if (!text) return std::unexpected(text.error());
  boost::system::error_code error;
  const auto value =
      json::parse(*text, error, {}, {.allow_comments = true, .allow_trailing_commas = true});
  if (error || !value.is_object())
    return fail(Fault::failed, "bad-config", "{} is not a JSON object: {}", path,
                error ? error.message() : "it holds something else");
  const auto* const zones = value.get_object().if_contains("network_zones");
  if (zones != nullptr && zones->is_object())
    for (const auto& member : zones->get_object()) config.zones.push_back(zone_of(member));
  return config;
}

Paths system_paths() {
  return {.profiles = {"/etc/hypervisor/vm-profiles", "/var/lib/hypervisor/vm-profiles"},
          .config = "/etc/hypervisor",
          .state = "/var/lib/hypervisor",
          .runtime = "/run/hvlaunch",
          .cache = "/var/cache/hvlaunch",
          .firmware_config = ""};
}

Paths user_paths(const std::map<std::string, std::string, std::less<>>& environment, unsigned uid) {
  const auto variable = [&](std::string_view name, const std::string& otherwise) {
    const auto found = environment.find(name);
    return found == environment.end() || !found->second.starts_with('/') ? otherwise
                                                                         : found->second;
  };
  const auto home = variable("HOME", "/");
  const auto config = variable("XDG_CONFIG_HOME", home + "/.config");
  return {.profiles = {config + "/hvlaunch/vm-profiles"},
          .config = config + "/hvlaunch",
          .state = variable("XDG_STATE_HOME", home + "/.local/state") + "/hvlaunch",
          .runtime = variable("XDG_RUNTIME_DIR", fmt::format("/run/user/{}", uid)) + "/hvlaunch",
          .cache = variable("XDG_CACHE_HOME", home + "/.cache") + "/hvlaunch",
          .firmware_config = config};
}

}  // namespace hv::commands
