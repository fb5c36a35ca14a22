// SPDX-License-Identifier: MIT
#include "launcher/base/journal.h"
#include "launcher/base/text.h"
#include "launcher/commands/commands.h"
#include "launcher/commands/load.h"
#include "launcher/commands/output.h"
#include "launcher/run/cleanup.h"
#include "launcher/run/lock.h"
#include "launcher/run/prepare.h"
#include "launcher/run/program.h"
#include "profiles/rewrite.h"
#include "profiles/source.h"

#include <fmt/format.h>
#include <boost/json.hpp>

#include <functional>

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

Result<profiles::Source> with_settings(profiles::Source source,
                                       const std::vector<std::string>& words) {
  for (const auto& word : words) {
    const auto [pointer, value] = TRY(parse_setting(word));
    source.text = TRY(profiles::with_value(source, pointer, value));
  }
  return source;
}

/// The mode of a file that is replaced stays: it may hold what others may not read.
mode_t mode_of(const Context& context, const std::string& path) {
  const auto status = context.root.status(path);
  return status ? status->st_mode & 0777U : 0644;
}

/// Puts a profile in place that is right; says what is wrong with one that is not.
Outcome put(const Context& context, const profiles::Source& source, const std::string& path) {
  if (auto profile = profiles::parse_profile(source); !profile)
    return std::unexpected(std::move(profile).error());
  TRY_OUTCOME(context.root.make_directories(path.substr(0, path.rfind('/')), 0755));
  return outcome_of(context.root.replace(path, source.text, mode_of(context, path)));
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

std::string fresh_profile(const std::string& name) {
  return fmt::format("{{\n  \"name\": \"{}\",\n  \"cpus\": 2,\n  \"memory_mb\": 4096\n}}\n", name);
}

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
  auto source = TRY_OUTCOME(read_profile_text(context, copy));
  source.text += '\n';
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

struct Copy {
  std::string from;
  std::string to;
};

/// The files that are a VM's own, and what they are called for its clone.
std::vector<Copy> files_of_clone(const Paths& paths, const std::string& from,
                                 const std::string& to) {
  std::vector<Copy> files;
  for (const auto* const format : {"qcow2", "raw"})
    files.push_back({fmt::format("{}/{}.{}", paths.disks(), from, format),
                     fmt::format("{}/{}.{}", paths.disks(), to, format)});
  files.push_back({fmt::format("{}/{}_VARS.fd", paths.nvram(), from),
                   fmt::format("{}/{}_VARS.fd", paths.nvram(), to)});
  return files;
}

Result<> copy_file(const Root& root, const Copy& file, Journal& journal) {
  if (!root.exists(file.from)) return {};
  if (root.exists(file.to))
    return std::unexpected(with_hint({.fault = Fault::state,
                                      .id = "already-there",
                                      .message = fmt::format("{} is there already", file.to)},
                                     "take another name, or move that file away"));
  const auto partial = file.to + ".partial";
  // The copy, too: it is of no use before its profile is there.
  TRY(journal.record({.kind = Undo::Kind::remove_file, .path = file.to}));
  TRY(journal.record({.kind = Undo::Kind::remove_file, .path = partial}));
  // cp shares the blocks where the file system can.
  TRY(run::run_program({"cp", "--reflink=auto", "--sparse=always", file.from, partial},
                       "coreutils"));
  return root.rename(partial, file.to);
}

Outcome copy_all(const Context& context, const run::Place& from, const run::Place& to,
                 const std::function<Outcome()>& put_profile) {
  auto journal = TRY_OUTCOME(Journal::open(context.root, to.file("journal"), run::undo));
  for (const auto& file : files_of_clone(context.paths, from.vm, to.vm))
    TRY_OUTCOME(copy_file(context.root, file, journal));
  if (auto done = put_profile(); !done) return done;
  return outcome_of(journal.forget());
}

/// A VM that must not start meanwhile: its lock, and nothing left of it after.
class Held {
 public:
  static Result<Held> take(const run::Place& place) { return Held(place, TRY(run::claim(place))); }
  Held(Held&&) = default;
  Held& operator=(Held&&) = delete;
  Held(const Held&) = delete;
  Held& operator=(const Held&) = delete;
  ~Held() {
    if (lock_) (void)run::cleanup(place_, std::move(lock_), {});  // The next command tries again.
  }

 private:
  Held(run::Place place, UniqueFd lock) : place_(std::move(place)), lock_(std::move(lock)) {}

  run::Place place_;
  UniqueFd lock_;
};

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

std::string tpm_of(const Context& context, const run::Place& place) {
  return fmt::format("{}/tpm/{}", context.paths.state, place.vm);
}

/// What is there of a VM besides its profile.
std::vector<std::string> own_files(const Context& context, const run::Place& place) {
  std::vector<std::string> own = {place.record(),
                                  fmt::format("{}/seeds/{}.iso", context.paths.state, place.vm)};
  for (const auto& file : files_of_clone(context.paths, place.vm, "")) own.push_back(file.from);
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

Outcome create_command(Context& context, const Arguments& arguments) {
  const auto& name = arguments.vm();
  const auto path = TRY_OUTCOME(path_for_new(context, name));
  profiles::Source source{.name = path, .text = fresh_profile(name)};
  if (arguments.has("from")) {
    const auto from = TRY_OUTCOME(find_profile(context, arguments.value("from")));
    source = TRY_OUTCOME(read_profile_text(context, from));
    if (auto profile = profiles::parse_profile(source); !profile)
      return std::unexpected(std::move(profile).error());
    source = TRY_OUTCOME(with_settings(std::move(source), {"name=\"" + name + "\""}));
    source.text += '\n';
  }
  source = TRY_OUTCOME(with_settings(std::move(source), arguments.values("set")));
  source.name = path;
  if (auto done = put(context, source, path); !done) return done;
  if (context.json) print_json({{"name", name}, {"profile", path}});
  say(context, fmt::format("made {}; `hvlaunch start {}` starts it", path, name));
  return {};
}

Outcome edit_command(Context& context, const Arguments& arguments) {
  const auto& vm = arguments.vm();
  const auto path = TRY_OUTCOME(find_profile(context, vm));
  if (!arguments.has("set")) {
    if (auto done = edit_copy(context, vm, path); !done) return done;
  } else {
    auto source = TRY_OUTCOME(read_profile_text(context, path));
    if (auto profile = profiles::parse_profile(source); !profile)
      return std::unexpected(std::move(profile).error());
    source = TRY_OUTCOME(with_settings(std::move(source), arguments.values("set")));
    source.text += '\n';
    if (auto done = put(context, source, path); !done) return done;
  }
  if (context.json) print_json({{"name", vm}, {"profile", path}});
  say(context, fmt::format("{} is changed; a guest that runs has it after a restart", path));
  return {};
}

Outcome clone_command(Context& context, const Arguments& arguments) {
  const auto& from = arguments.operands[0];
  const auto& to = arguments.operands[1];
  const auto loaded = load_profile(context, from);
  if (!loaded) return std::unexpected(loaded.error());
  const auto path = TRY_OUTCOME(path_for_new(context, to));
  auto source = TRY_OUTCOME(with_settings(loaded->source, {"name=\"" + to + "\""}));
  source.text += '\n';
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
  if (context.json) print_json({{"name", vm}, {"kept", json::value_from(kept)}});
  say(context,
      fmt::format("removed {}{}{}", path, kept.empty() ? "" : "; kept ", join(kept, ", ")));
  return {};
}

}  // namespace hv::commands
