// SPDX-License-Identifier: MIT
#include "launcher/base/journal.h"
#include "launcher/commands/change.h"
#include "launcher/commands/commands.h"
#include "launcher/commands/load.h"
#include "launcher/commands/output.h"
#include "launcher/run/prepare.h"
#include "launcher/run/program.h"
#include "profiles/source.h"

#include <boost/json.hpp>

#include <functional>

namespace hv::commands {
namespace {

Result<> copy_file(const Root& root, const std::string& from, const std::string& to,
                   Journal& journal) {
  if (!root.exists(from)) return {};
  if (root.exists(to))
    return std::unexpected(with_hint({.fault = Fault::state,
                                      .id = "already-there",
                                      .message = fmt::format("{} is there already", to)},
                                     "take another name, or move that file away"));
  const auto partial = to + ".partial";
  // The copy, too: it is of no use before its profile is there.
  TRY(journal.record({.kind = Undo::Kind::remove_file, .path = to}));
  TRY(journal.record({.kind = Undo::Kind::remove_file, .path = partial}));
  // cp shares the blocks where the file system can.
  TRY(run::run_program({"cp", "--reflink=auto", "--sparse=always", from, partial}, "coreutils"));
  return root.rename(partial, to);
}

Outcome copy_all(const Context& context, const run::Place& from, const run::Place& to,
                 const std::function<Outcome()>& put_profile) {
  auto journal = TRY_OUTCOME(Journal::open(context.root, to.file("journal"), run::undo));
  const auto sources = images_of(context.paths, from.vm);
  const auto copies = images_of(context.paths, to.vm);
  for (std::size_t i = 0; i < sources.size(); ++i)
    TRY_OUTCOME(copy_file(context.root, sources.at(i), copies.at(i), journal));
  if (auto done = put_profile(); !done) return done;
  return outcome_of(journal.forget());
}

/// Copies the files and puts the profile, while nobody can start either of the two.
Outcome copy_files(const Context& context, const run::Place& from, const run::Place& to,
                   const std::function<Outcome()>& put_profile) {
  auto source = Held::take(from);
  if (!source && source.error().id == "already-running")
    return failed(
        {.fault = Fault::state,
         .id = "already-running",
         .message = fmt::format("'{}' runs: its disk changes while it is copied", from.vm),
         .hint = "stop it first, or clone with --no-disk"});
  if (!source) return failed(std::move(source).error());
  const auto target = TRY_OUTCOME(Held::take(to));
  return copy_all(context, from, to, put_profile);
}

}  // namespace

Outcome clone_command(Context& context, const Arguments& arguments) {
  const auto& from = arguments.operands[0];
  const auto& to = arguments.operands[1];
  const auto loaded = load_profile(context, from);
  if (!loaded) return std::unexpected(loaded.error());
  const auto path = TRY_OUTCOME(path_for_new(context, to));
  const auto source = TRY_OUTCOME(with_settings(loaded->source, {"name=\"" + to + "\""}));
  if (loaded->profile.uuid.given())
    return failed({.fault = Fault::state,
                   .id = "fixed-uuid",
                   .message = fmt::format("'{}' has a UUID of its own in its profile", from),
                   .origin = profiles::locate(source, "/uuid"),
                   .hint = "two guests must not share one: take it out, and each gets its own"});
  const auto from_place = TRY_OUTCOME(place_of(context, loaded->profile.name.value));
  const auto to_place = TRY_OUTCOME(place_of(context, to));
  const auto put_profile = [&] { return put(context, source, path); };
  const auto done = arguments.has("no-disk")
                        ? put_profile()
                        : copy_files(context, from_place, to_place, put_profile);
  if (!done) return done;
  if (context.json) print_json({{"name", to}, {"profile", path}});
  say(context, fmt::format("{} is a copy of {}: {}", to, from, path));
  return {};
}

}  // namespace hv::commands
