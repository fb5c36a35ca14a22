// SPDX-License-Identifier: MIT
#include "launcher/base/text.h"
#include "launcher/commands/autostart.h"
#include "launcher/commands/config.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <set>

namespace hv::commands {
namespace {

/// The kernel takes ten lines in five seconds from all of user space together.
constexpr std::size_t most_lines = 6;
constexpr std::size_t longest_line = 400;
constexpr unsigned deadline_s = 5;

/// Where nothing of ours stands yet; not synced, since it is in memory.
Result<> write_new(const UniqueFd& directory, const plan::UnitFile& file) {
  if (file.text.empty()) {
    if (::symlinkat(file.target.c_str(), directory.get(), file.path.c_str()) < 0)
      return fail_errno("make {}", file.path);
    return {};
  }
  const UniqueFd fd(::openat(directory.get(), file.path.c_str(),
                             O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644));
  if (!fd) return fail_errno("make {}", file.path);
  if (::write(fd.get(), file.text.data(), file.text.size()) !=
      static_cast<ssize_t>(file.text.size()))
    return fail_errno("write {}", file.path);
  return {};
}

Result<> write_units(const std::string& directory, const std::vector<plan::UnitFile>& files) {
  const UniqueFd opened(::open(directory.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!opened) return fail_errno("open {}", directory);
  std::set<std::string, std::less<>> made;
  for (const auto& file : files) {
    const auto slash = file.path.find('/');
    if (slash != std::string::npos && made.insert(file.path.substr(0, slash)).second &&
        ::mkdirat(opened.get(), file.path.substr(0, slash).c_str(), 0755) < 0 && errno != EEXIST)
      return fail_errno("make the directory of {}", file.path);
    TRY(write_new(opened, file));
  }
  return {};
}

/// Units stand beside the program: <prefix>/bin/hvlaunch, <prefix>/lib/systemd/system.
plan::UnitPlaces places_of(const Context& context) {
  const auto bin = context.program.rfind("/bin/");
  const auto prefix = bin == std::string::npos ? "/usr" : context.program.substr(0, bin);
  return {.program = context.program,
          .units = fmt::format("{}/lib/systemd/{}", prefix, context.user ? "user" : "system"),
          .user = context.user};
}

std::vector<std::string> lines_of(const plan::AutostartPlan& plan) {
  auto lines = plan.notes;
  for (const auto& guest : plan.skipped) {
    if (guest.cause == plan::NotStarted::not_asked) continue;
    auto line = fmt::format("'{}' does not start: {}", guest.vm, guest.why);
    if (!guest.errors.empty()) line += fmt::format(": {}", describe(guest.errors.front()));
    lines.push_back(std::move(line));
  }
  if (lines.size() <= most_lines) return lines;
  const auto more = lines.size() - most_lines + 1;
  lines.resize(most_lines - 1);
  lines.push_back(fmt::format("and {} more: `hvlaunch autostart list` shows them", more));
  return lines;
}

/// There is no journal yet: what systemd's own generators write to is the kernel's log.
void log_line(std::string_view line) {
  const UniqueFd log(::open("/dev/kmsg", O_WRONLY | O_NOCTTY | O_CLOEXEC | O_NONBLOCK));
  const auto text = fmt::format("<4>hvlaunch-generator: {}\n", line.substr(0, longest_line));
  if (log && ::write(log.get(), text.data(), text.size()) > 0) return;
  (void)std::fputs(text.c_str() + 3, stderr);
}

void give_up(int /*signal*/) {
  constexpr std::string_view text =
      "<3>hvlaunch-generator: the disk does not answer in time; no guest starts by itself\n";
  const int log = ::open("/dev/kmsg", O_WRONLY | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
  (void)!::write(log < 0 ? STDERR_FILENO : log, text.data(), text.size());
  ::_exit(0);
}

}  // namespace

std::vector<std::string> generate_units(const Context& context, const std::string& directory) {
  const auto plan = load_autostart(context, Asked::only_those_that_may_start);
  auto lines = lines_of(plan);
  if (auto written = write_units(directory, plan::units_of(plan, places_of(context))); !written)
    lines.push_back(written.error().message);
  for (auto& line : lines) line = printable(line);
  return lines;
}

int generator_main(Context context, const std::vector<std::string>& directories) {
  ::signal(SIGALRM, give_up);
  ::alarm(deadline_s);
  // Called without, systemd.generator(7) says, it is being tried out.
  const auto directory = directories.empty() ? std::string("/tmp") : directories.front();
  context.user = context.variable("SYSTEMD_SCOPE") == "user";
  context.paths = context.user ? user_paths(context.environment, ::geteuid()) : system_paths();
  for (const auto& line : generate_units(context, directory)) log_line(line);
  return 0;
}

}  // namespace hv::commands
