// SPDX-License-Identifier: MIT
#include "launcher/run/program.h"

#include "launcher/base/text.h"
#include "launcher/run/process.h"

#include <linux/close_range.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <boost/asio/io_context.hpp>
#include <boost/process/v2/process.hpp>
#include <boost/process/v2/stdio.hpp>

#include <array>
#include <system_error>

namespace hv::run {
namespace {

namespace process = boost::process::v2;
using boost::system::error_code;

error_code last_error() {
  return {errno, boost::system::system_category()};
}

/// What the child does between fork and exec. Boost 1.81 leaves open what lies
/// below its own descriptors, so all are closed at exec but those let through.
/// (Its own process_environment is declared in 1.81, but not to be linked.)
struct ChildSetup {
  const std::vector<const char*>& environment;
  pid_t parent = ::getpid();  ///< Made before the fork.
  int output = -1;
  int ready = -1;
  bool left_behind = false;

  template <class Launcher>
  error_code on_setup(Launcher& launcher, const process::filesystem::path&,
                      const char* const*&) const {
    launcher.env = environment.data();
    return {};
  }

  template <class Launcher>
  error_code on_exec_setup(Launcher& launcher, const process::filesystem::path&,
                           const char* const*&) const {
    // It must not keep a file system busy, nor go on making what a dead
    // hvlaunch wanted.
    if (left_behind && (::setsid() < 0 || ::chdir("/") < 0)) return last_error();
    if (!left_behind && ::prctl(PR_SET_PDEATHSIG, SIGKILL) < 0) return last_error();
    // It may have died before that: then no signal comes any more.
    if (!left_behind && ::getppid() != parent) return {ESRCH, boost::system::system_category()};
    if (::close_range(3, ~0U, CLOSE_RANGE_CLOEXEC) < 0) return last_error();
    if (output >= 0 && (::dup2(output, 1) < 0 || ::dup2(output, 2) < 0)) return last_error();
    if (ready >= 0) {
      if (::dup2(ready, 3) < 0) return last_error();
      launcher.fd_whitelist.push_back(3);
    }
    return {};
  }
};

/// As execve(2) wants it.
std::vector<const char*> pointers_to(const std::vector<std::string>& variables) {
  std::vector<const char*> pointers;
  pointers.reserve(variables.size() + 1);
  for (const auto& variable : variables) pointers.push_back(variable.c_str());
  pointers.push_back(nullptr);
  return pointers;
}

std::string last_line(int file) {
  std::array<char, 4096> buffer{};
  const auto end = ::lseek(file, 0, SEEK_END);
  const auto start = std::max<off_t>(0, end - static_cast<off_t>(buffer.size()));
  const auto count = ::pread(file, buffer.data(), buffer.size(), start);
  if (count <= 0) return "";
  std::string_view text(buffer.data(), static_cast<std::size_t>(count));
  while (text.ends_with('\n')) text.remove_suffix(1);
  return printable(text.substr(text.rfind('\n') + 1));
}

}  // namespace

std::optional<std::string> find_program(std::string_view name, std::string_view search_path) {
  if (name.contains('/')) return std::string(name);
  for (const auto directory : split(search_path, ':')) {
    auto path = fmt::format("{}/{}", directory, name);
    if (::access(path.c_str(), X_OK) == 0) return path;
  }
  return std::nullopt;
}

/// Boost 1.81 throws in one case all the same: if it cannot hold the child by pidfd.
template <class... Initializers>
static Result<process::process> launch(boost::asio::io_context& context, const std::string& path,
                                       std::vector<std::string> arguments,
                                       Initializers&&... initializers) {
  error_code error;
  try {
    auto child = process::default_process_launcher()(context.get_executor(), error, path, arguments,
                                                     std::forward<Initializers>(initializers)...);
    if (!error) return child;
  } catch (const boost::system::system_error& thrown) {
    error = thrown.code();
  }
  return fail(Fault::failed, "program", "start {}: {}", path, error.message());
}

Result<> run_program(const std::vector<std::string>& argv, std::string_view package,
                     const std::vector<std::string>& variables) {
  const auto path = find_program(argv.front());
  if (!path)
    return std::unexpected(
        with_hint({.fault = Fault::missing,
                   .id = "no-program",
                   .message = fmt::format("there is no {} here", argv.front())},
                  fmt::format("install it (Debian: apt-get install {})", package)));
  const UniqueFd output(::memfd_create("output", MFD_CLOEXEC));
  if (!output) return fail_errno("make a file in memory");

  auto set = variables;
  set.insert(set.end(), {"LC_ALL=C", fmt::format("PATH={}", program_path)});
  const auto environment = pointers_to(set);
  boost::asio::io_context context;
  auto child = TRY(launch(context, *path, {argv.begin() + 1, argv.end()},
                          process::process_stdio{nullptr, {}, {}},
                          ChildSetup{.environment = environment, .output = output.get()}));
  error_code error;
  child.wait(error);
  if (error) return fail(Fault::failed, "program", "wait for {}: {}", *path, error.message());
  const auto ending = ending_from(child.native_exit_code());
  if (ending.signal == 0 && ending.exit_status == 0) return {};
  const auto words = last_line(output.get());
  for (const int full : {ENOSPC, EDQUOT})
    if (words.ends_with(std::generic_category().message(full)))
      return std::unexpected(errno_error(full, words.substr(0, words.rfind(": "))));
  return fail(Fault::failed, "program", "{} {}{}{}", argv.front(), describe_ending(ending),
              words.empty() ? "" : ": ", words);
}

Result<> leave_behind(const std::vector<std::string>& argv, UniqueFd ready,
                      const std::vector<std::string>& environment) {
  boost::asio::io_context context;
  const auto variables = pointers_to(environment);
  auto child =
      TRY(launch(context, argv.front(), {argv.begin() + 1, argv.end()},
                 process::process_stdio{nullptr, nullptr, nullptr},
                 ChildSetup{.environment = variables, .ready = ready.get(), .left_behind = true}));
  child.detach();
  return {};
}

Result<> run_editor(const std::string& editor, const std::string& path,
                    std::string_view search_path) {
  std::vector<std::string> arguments;
  for (const auto word : split(editor, ' '))
    if (!word.empty()) arguments.emplace_back(word);
  arguments.push_back(path);
  const auto program = find_program(arguments.front(), search_path);
  if (!program)
    return std::unexpected(with_hint({.fault = Fault::missing,
                                      .id = "no-program",
                                      .message = fmt::format("there is no {} here", editor)},
                                     "set VISUAL or EDITOR, or use --set FIELD=VALUE"));
  boost::asio::io_context context;
  auto child = TRY(launch(context, *program, {arguments.begin() + 1, arguments.end()}));
  error_code error;
  const int status = child.wait(error);
  if (error || status != 0)
    return fail(Fault::failed, "program", "{} ended with status {}", editor, status);
  return {};
}

}  // namespace hv::run
