// SPDX-License-Identifier: MIT
#include "launcher/commands/change.h"

#include "launcher/base/text.h"
#include "launcher/commands/load.h"
#include "launcher/run/cleanup.h"
#include "launcher/run/prepare.h"
#include "profiles/rewrite.h"

#include <boost/json.hpp>

namespace hv::commands {
namespace {

namespace json = boost::json;

/// "network.mode=none" as a JSON pointer and a JSON value; what is no JSON is text.
struct Setting {
  std::string pointer;
  std::string value;
};

Result<Setting> parse_setting(const std::string& word) {
  const auto equals = word.find('=');
  if (equals == std::string::npos || equals == 0)
    return fail(Fault::usage, "usage", "--set takes FIELD=VALUE, not '{}'", word);
  Setting setting{.pointer = "/" + word.substr(0, equals), .value = word.substr(equals + 1)};
  for (auto& c : setting.pointer)
    if (c == '.') c = '/';
  boost::system::error_code error;
  const auto value = json::parse(setting.value, error);
  setting.value = json::serialize(error ? json::value(setting.value) : value);
  return setting;
}

}  // namespace

std::expected<profiles::Source, Errors> read_valid(const Context& context,
                                                   const std::string& path) {
  auto source = read_profile_text(context, path);
  if (!source) return std::unexpected(Errors{std::move(source).error()});
  if (auto profile = profiles::parse_profile(*source); !profile)
    return std::unexpected(std::move(profile).error());
  return *std::move(source);
}

Result<profiles::Source> with_settings(profiles::Source source,
                                       const std::vector<std::string>& words) {
  for (const auto& word : words) {
    const auto [pointer, value] = TRY(parse_setting(word));
    source.text = TRY(profiles::with_value(source, pointer, value));
  }
  return source;
}

mode_t mode_of(const Context& context, const std::string& path) {
  // That of a file that is replaced stays: it may hold what others may not read.
  const auto status = context.root.status(path);
  return status ? status->st_mode & 0777U : 0644;
}

Outcome put(const Context& context, const profiles::Source& source, const std::string& path) {
  if (auto profile = profiles::parse_profile(source); !profile)
    return std::unexpected(std::move(profile).error());
  TRY_OUTCOME(context.root.make_directories(path.substr(0, path.rfind('/')), 0755));
  return outcome_of(context.root.replace(path, source.text + "\n", mode_of(context, path)));
}

Result<std::string> path_for_new(const Context& context, const std::string& name) {
  if (!profiles::is_vm_name(name))
    return std::unexpected(
        with_hint({.fault = Fault::usage,
                   .id = "bad-name",
                   .message = fmt::format("'{}' cannot be the name of a VM", printable(name))},
                  "letters, digits, '.', '_' and '-', at most 64, a letter or digit first"));
  if (const auto taken = find_profile(context, name))
    return std::unexpected(with_hint(
        {.fault = Fault::state,
         .id = "already-there",
         .message = fmt::format("there is a VM '{}' already: {}", name, *taken)},
        fmt::format("take another name, or remove that one: `hvlaunch delete {}`", name)));
  return fmt::format("{}/{}.json", context.paths.profiles.back(), name);
}

std::array<std::string, 3> images_of(const Paths& paths, const std::string& vm) {
  return {fmt::format("{}/{}.qcow2", paths.disks(), vm),
          fmt::format("{}/{}.raw", paths.disks(), vm),
          fmt::format("{}/{}_VARS.fd", paths.nvram(), vm)};
}

Result<Held> Held::take(const run::Place& place) {
  return Held(place, TRY(run::claim(place)));
}

Held::~Held() {
  if (lock_) (void)run::cleanup(place_, std::move(lock_), {});  // The next command tries again.
}

}  // namespace hv::commands
