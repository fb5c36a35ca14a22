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

/// The file's object; nothing if there is no file.
Result<json::object> read_config(const Context& context) {
  const auto path = context.paths.config + "/config.json";
  const auto text = context.root.read(path);
  if (!text && text.error().os_error == ENOENT) return json::object();
  if (!text) return std::unexpected(text.error());
  boost::system::error_code error;
  const auto value =
      json::parse(*text, error, {}, {.allow_comments = true, .allow_trailing_commas = true});
  if (error || !value.is_object())
    return fail(Fault::failed, "bad-config", "{} is not a JSON object: {}", path,
                error ? error.message() : "it holds something else");
  return value.get_object();
}

/// A delay as config.json has it; one that is none is an error.
Result<> take_delay(const json::object& features, std::string_view name, std::uint64_t& delay_ms) {
  const auto* const value = features.if_contains(name);
  if (value == nullptr) return {};
  constexpr std::int64_t longest = 3'600'000;
  const auto* const number = value->if_int64();
  if (number == nullptr || *number < 0 || *number > longest)
    return fail(Fault::failed, "bad-config",
                "/features/{} of config.json is not a number of milliseconds up to {}", name,
                longest);
  delay_ms = static_cast<std::uint64_t>(*number);
  return {};
}

Result<std::vector<std::string>> names_in(const json::object& features, std::string_view name) {
  std::vector<std::string> names;
  const auto* const value = features.if_contains(name);
  if (value == nullptr) return names;
  const auto* const list = value->if_array();
  for (const auto& element : list != nullptr ? *list : json::array{nullptr}) {
    const auto* const text = element.if_string();
    if (text == nullptr)
      return fail(Fault::failed, "bad-config", "/features/{} of config.json is not a list of names",
                  name);
    names.emplace_back(*text);
  }
  return names;
}

}  // namespace

Result<plan::Config> load_config(const Context& context) {
  plan::Config config;
  const auto object = TRY(read_config(context));
  const auto* const zones = object.if_contains("network_zones");
  if (zones != nullptr && zones->is_object())
    for (const auto& member : zones->get_object()) config.zones.push_back(zone_of(member));
  return config;
}

Result<plan::AutostartSettings> load_autostart_settings(const Context& context) {
  plan::AutostartSettings settings;
  const auto object = TRY(read_config(context));
  const auto* const member = object.if_contains("features");
  const auto* const features = member != nullptr ? member->if_object() : nullptr;
  if (features == nullptr) return settings;
  TRY(take_delay(*features, "boot_autostart_delay_ms", settings.delay_ms));
  TRY(take_delay(*features, "boot_autostart_delay_between_groups_ms", settings.delay_of_groups_ms));
  settings.groups = TRY(names_in(*features, "boot_autostart_groups_order"));
  return settings;
}

Paths system_paths() {
  return {.profiles = {"/etc/hypervisor/vm-profiles", "/var/lib/hypervisor/vm-profiles"},
          .config = "/etc/hypervisor",
          .state = "/var/lib/hypervisor",
          .runtime = "/run/hvlaunch",
          .cache = "/var/cache/hvlaunch",
          .firmware_config = "",
          .system = true};
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
