// SPDX-License-Identifier: MIT
#include "launcher/base/text.h"
#include "launcher/commands/change.h"
#include "launcher/commands/commands.h"
#include "launcher/commands/load.h"
#include "launcher/commands/output.h"

#include <boost/json.hpp>

namespace hv::commands {
namespace {

std::string tpm_of(const Context& context, const run::Place& place) {
  return fmt::format("{}/tpm/{}", context.paths.state, place.vm);
}

/// What is there of a VM besides its profile.
std::vector<std::string> own_files(const Context& context, const run::Place& place) {
  std::vector<std::string> own = {place.record(),
                                  fmt::format("{}/seeds/{}.iso", context.paths.state, place.vm)};
  for (auto& image : images_of(context.paths, place.vm)) own.push_back(std::move(image));
  own.push_back(tpm_of(context, place));
  std::erase_if(own, [&](const std::string& file) { return !context.root.exists(file); });
  return own;
}

Result<> remove_own_files(const Context& context, const run::Place& place) {
  const auto tpm = tpm_of(context, place);
  TRY(context.root.remove_directory(tpm));
  for (const auto& file : own_files(context, place)) TRY(context.root.remove(file));
  return {};
}

}  // namespace

Outcome delete_command(Context& context, const Arguments& arguments) {
  const auto& vm = arguments.vm();
  const auto path = TRY_OUTCOME(find_profile(context, vm));
  const auto place = TRY_OUTCOME(place_of(context, vm));
  auto held = Held::take(place);  // Nobody starts it meanwhile.
  if (!held && held.error().id == "already-running")
    held.error().hint = fmt::format("stop it first: `hvlaunch stop {}`", place.vm);
  if (!held) return failed(std::move(held).error());
  std::vector<std::string> kept;
  if (arguments.has("disks"))
    TRY_OUTCOME(remove_own_files(context, place));
  else
    kept = own_files(context, place);
  TRY_OUTCOME(context.root.remove(path));
  if (context.json) print_json({{"name", vm}, {"kept", boost::json::value_from(kept)}});
  say(context,
      fmt::format("removed {}{}{}", path, kept.empty() ? "" : "; kept ", join(kept, ", ")));
  return {};
}

}  // namespace hv::commands
