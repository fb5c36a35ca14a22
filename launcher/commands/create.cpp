// SPDX-License-Identifier: MIT
#include "launcher/commands/change.h"
#include "launcher/commands/commands.h"
#include "launcher/commands/load.h"
#include "launcher/commands/output.h"

#include <boost/json.hpp>

namespace hv::commands {
namespace {

std::string fresh_profile(const std::string& name) {
  return fmt::format("{{\n  \"name\": \"{}\",\n  \"cpus\": 2,\n  \"memory_mb\": 4096\n}}", name);
}

}  // namespace

Outcome create_command(Context& context, const Arguments& arguments) {
  const auto& name = arguments.vm();
  const auto path = TRY_OUTCOME(path_for_new(context, name));
  profiles::Source source{.name = path, .text = fresh_profile(name)};
  if (arguments.has("from")) {
    const auto from = TRY_OUTCOME(find_profile(context, arguments.value("from")));
    auto read = read_valid(context, from);
    if (!read) return std::unexpected(std::move(read).error());
    source = TRY_OUTCOME(with_settings(*std::move(read), {"name=\"" + name + "\""}));
  }
  source = TRY_OUTCOME(with_settings(std::move(source), arguments.values("set")));
  source.name = path;
  if (auto done = put(context, source, path); !done) return done;
  if (context.json) print_json({{"name", name}, {"profile", path}});
  say(context, fmt::format("made {}; `hvlaunch start {}` starts it", path, name));
  return {};
}

}  // namespace hv::commands
