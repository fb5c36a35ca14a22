// SPDX-License-Identifier: MIT
#include "launcher/base/text.h"
#include "launcher/commands/autostart.h"
#include "launcher/commands/config.h"
#include "launcher/commands/output.h"

#include <fcntl.h>
#include <pwd.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>
#include <boost/json/value.hpp>

#include <algorithm>
#include <array>
#include <cstdio>
#include <exception>
#include <filesystem>

extern char**
    environ;  // NOLINT(readability-redundant-declaration): no header of the standard has it.

namespace hv {
namespace {

using commands::Context;
using commands::Outcome;

std::map<std::string, std::string, std::less<>> read_environment() {
  std::map<std::string, std::string, std::less<>> variables;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view line = *entry;
    if (const auto equals = line.find('='); equals != std::string_view::npos)
      variables.emplace(line.substr(0, equals), line.substr(equals + 1));
  }
  return variables;
}

/// What a careless parent may have left us: closed standard descriptors, which
/// the first files we open would become; ignored or blocked signals, which
/// would hide the end of our children; a mask that locks us out of our files.
void mend_inheritance() {
  for (int fd = ::open("/dev/null", O_RDWR | O_CLOEXEC); fd >= 0;
       fd = ::open("/dev/null", O_RDWR | O_CLOEXEC))
    if (fd > STDERR_FILENO) {
      ::close(fd);
      break;
    } else {
      ::fcntl(fd, F_SETFD, 0);  // For children as well.
    }
  ::signal(SIGCHLD, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::umask(::umask(077) & 077U);
}

/// Without HOME, what the system says.
void add_home(std::map<std::string, std::string, std::less<>>& variables) {
  if (variables.contains("HOME")) return;
  if (const auto* const user = ::getpwuid(::geteuid())) variables.emplace("HOME", user->pw_dir);
}

/// This program's file; the magic link itself once that has been replaced.
std::string own_path() {
  std::array<char, 4096> path{};
  const auto count = ::readlink("/proc/self/exe", path.data(), path.size());
  const std::string_view found(path.data(), count < 0 ? 0 : static_cast<std::size_t>(count));
  return found.empty() || found.ends_with(" (deleted)") ? "/proc/self/exe" : std::string(found);
}

/// Global flags may stand before the command as well.
void take_flags(Context& context, std::vector<std::string>& words) {
  while (!words.empty()) {
    if (words.front() == "--user")
      context.user = true;
    else if (words.front() == "--json")
      context.json = true;
    else
      return;
    words.erase(words.begin());
  }
}

Error unknown_command(const std::vector<std::string>& words) {
  auto word = words.front();
  std::vector<std::string_view> names;
  std::string family;
  for (const auto& command : commands::all_commands()) {
    names.push_back(command.name);
    if (commands::family_of(command) == word) family += fmt::format(" `{}`", command.name);
  }
  if (!family.empty() && words.size() > 1 && !words[1].starts_with('-')) word += " " + words[1];
  if (!family.empty())
    return {.fault = Fault::usage,
            .id = "usage",
            .message = fmt::format("'{}' is no command", word),
            .hint = "there are" + family};
  names.insert(names.end(), {"--user", "--json", "--help", "--version"});
  const auto near = nearest(word, names);
  return with_hint(
      {.fault = Fault::usage,
       .id = "usage",
       .message = fmt::format("no {} '{}'", word.starts_with('-') ? "option" : "command", word)},
      near.empty() ? "`hvlaunch --help` lists them"
                   : fmt::format("did you mean `hvlaunch {}`?", near));
}

Outcome dispatch(Context& context, std::vector<std::string> words) {
  take_flags(context, words);
  if (words.size() > 1 && words.front() == "help") {
    words.erase(words.begin());
    words.emplace_back("--help");
  }
  if (words.empty() || words.front() == "--help" || words.front() == "-h" ||
      words.front() == "help") {
    commands::print(commands::overview());
    return {};
  }
  if (words.front() == "--version") {
    commands::print("hvlaunch " HVLAUNCH_VERSION "\n");
    return {};
  }
  const auto* const found = commands::find_command(words);
  if (found == nullptr) return commands::failed(unknown_command(words));
  words.erase(words.begin(), words.begin() + (commands::family_of(*found).empty() ? 1 : 2));
  const auto arguments = commands::parse(*found, words);
  if (!arguments) return commands::failed(arguments.error());
  if (arguments->has("help")) {
    commands::print(commands::help_of(*found));
    return {};
  }
  context.json |= arguments->has("json");
  context.user |= arguments->has("user");
  context.paths = context.user || ::geteuid() != 0
                      ? commands::user_paths(context.environment, ::geteuid())
                      : commands::system_paths();
  return found->run(context, *arguments);
}

int report(const Context& context, Errors errors) {
  for (auto& error : errors)
    if (error.id == "permission")
      error = with_hint(std::move(error), fmt::format("user {} may not: see the owner and mode of "
                                                      "that path and of the directories above it",
                                                      ::geteuid()));
  if (context.json) commands::print_json(commands::errors_as_json(errors));
  for (const auto& error : errors)
    if (!context.json) commands::tell(describe(error));
  return static_cast<int>(errors.front().fault);
}

int run(const std::vector<std::string>& words) {
  auto root = Root::open("/");
  if (!root) return report({.root = *Root::open(".")}, {root.error()});
  std::error_code no_directory;
  Context context{.root = *std::move(root),
                  .terminal = ::isatty(STDERR_FILENO) == 1,
                  .environment = read_environment(),
                  .directory = std::filesystem::current_path(no_directory).string(),
                  .program = own_path()};
  add_home(context.environment);
  const auto outcome = dispatch(context, words);
  const int status = outcome ? context.status : report(context, outcome.error());
  if (std::fflush(stdout) == 0) return status;
  return status != 0 ? status : static_cast<int>(Fault::failed);  // A full disk, a closed pipe.
}

/// By the name under which systemd calls it. No boot fails for our sake.
bool is_generator(std::string_view name) {
  return name.ends_with("hvlaunch-generator");
}

int generate(const std::vector<std::string>& directories) try {
  auto root = Root::open("/");
  if (!root) return 0;
  return commands::generator_main(
      {.root = *std::move(root), .environment = read_environment(), .program = own_path()},
      directories);
} catch (...) {
  return 0;
}

}  // namespace
}  // namespace hv

int main(int argc, char** argv) try {
  hv::mend_inheritance();
  if (argc > 0 && hv::is_generator(argv[0])) return hv::generate({argv + 1, argv + argc});
  return hv::run({argv + std::min(argc, 1), argv + argc});
} catch (const std::exception& bug) {
  hv::commands::tell(fmt::format("hvlaunch: internal error: {}", bug.what()));
  return 70;  // EX_SOFTWARE
}
