// SPDX-License-Identifier: MIT
#include "launcher/commands/change.h"
#include "launcher/commands/commands.h"
#include "launcher/commands/load.h"
#include "launcher/commands/output.h"
#include "launcher/run/program.h"

#include <boost/json.hpp>

namespace hv::commands {
namespace {

/// The user's editor on a copy; the copy stays if it is not right, and is gone
/// on with the next time.
Outcome edit_copy(const Context& context, const std::string& vm, const std::string& path) {
  const auto copy = path + ".edit";
  if (!context.root.exists(copy)) {
    const auto source = TRY_OUTCOME(read_profile_text(context, path));
    TRY_OUTCOME(context.root.replace(copy, source.text + "\n", mode_of(context, path)));
  }
  auto editor = context.variable("VISUAL");
  if (editor.empty()) editor = context.variable("EDITOR");
  if (editor.empty()) editor = "editor";
  TRY_OUTCOME(run::run_editor(editor, copy, context.variable("PATH")));
  const auto source = TRY_OUTCOME(read_profile_text(context, copy));
  auto done = put(context, source, path);
  if (!done) {
    for (auto& error : done.error())
      error = with_hint(std::move(error), fmt::format("your text is kept: `hvlaunch edit {}` goes "
                                                      "on with it",
                                                      vm));
    return done;
  }
  return outcome_of(context.root.remove(copy));
}

}  // namespace

Outcome edit_command(Context& context, const Arguments& arguments) {
  const auto& vm = arguments.vm();
  const auto path = TRY_OUTCOME(find_profile(context, vm));
  if (!arguments.has("set")) {
    if (auto done = edit_copy(context, vm, path); !done) return done;
  } else {
    auto read = read_valid(context, path);
    if (!read) return std::unexpected(std::move(read).error());
    const auto source = TRY_OUTCOME(with_settings(*std::move(read), arguments.values("set")));
    if (auto done = put(context, source, path); !done) return done;
  }
  if (context.json) print_json({{"name", vm}, {"profile", path}});
  say(context, fmt::format("{} is changed; a guest that runs has it after a restart", path));
  return {};
}

}  // namespace hv::commands
