// SPDX-License-Identifier: MIT
#include "launcher/commands/units.h"

#include "launcher/run/program.h"

#include <unistd.h>

#include <algorithm>
#include <array>

namespace hv::commands {
namespace {

bool has_template(const Context& context, const std::vector<std::string>& directories) {
  return std::ranges::any_of(directories, [&](const std::string& directory) {
    return context.root.exists(directory + "/hvlaunch@.service");
  });
}

/// A variable that moves our directories from where a unit of the user's finds them.
bool is_elsewhere(const Context& context, std::string_view variable, std::string_view usual) {
  const auto value = context.variable(variable);
  return !value.empty() && value != context.variable("HOME") + std::string(usual);
}

}  // namespace

std::optional<Units> Units::of(const Context& context) {
  Units units;
  if (!context.user && ::geteuid() == 0) {
    if (!context.root.exists("/run/systemd/system") ||
        !has_template(context, {"/etc/systemd/system", "/run/systemd/system",
                                "/usr/local/lib/systemd/system", "/usr/lib/systemd/system"}))
      return std::nullopt;
    units.program_ = {"systemctl"};
    return units;
  }
  const auto runtime = context.variable("XDG_RUNTIME_DIR");
  if (runtime.empty() || !context.root.exists(runtime + "/systemd/private") ||
      is_elsewhere(context, "XDG_CONFIG_HOME", "/.config") ||
      is_elsewhere(context, "XDG_STATE_HOME", "/.local/state") ||
      is_elsewhere(context, "XDG_CACHE_HOME", "/.cache") ||
      !has_template(context,
                    {context.variable("HOME") + "/.config/systemd/user", "/etc/systemd/user",
                     "/run/systemd/user", "/usr/local/lib/systemd/user", "/usr/lib/systemd/user"}))
    return std::nullopt;
  units.program_ = {"systemctl", "--user"};
  units.variables_ = {"XDG_RUNTIME_DIR=" + runtime};
  if (const auto bus = context.variable("DBUS_SESSION_BUS_ADDRESS"); !bus.empty())
    units.variables_.push_back("DBUS_SESSION_BUS_ADDRESS=" + bus);
  return units;
}

Result<> Units::run(std::vector<std::string> words) const {
  words.insert(words.begin(), program_.begin(), program_.end());
  return run::run_program(words, "systemd", variables_);
}

Result<> Units::start(std::string_view unit) const {
  auto started = run({"start", "--quiet", std::string(unit)});
  if (started) return started;
  const auto user = program_.size() > 1 ? " --user" : "";
  return std::unexpected(
      with_hint({.fault = Fault::failed,
                 .id = "unit-failed",
                 .message = fmt::format("{} did not start: {}", unit, started.error().message)},
                fmt::format("`journalctl{} -u {}` says what it did", user, unit)));
}

Result<> Units::stop(std::string_view unit, Until until) const {
  return until == Until::queued ? run({"stop", "--quiet", "--no-block", std::string(unit)})
                                : run({"stop", "--quiet", std::string(unit)});
}

void Units::forgive(std::string_view unit) const {
  (void)run({"reset-failed", "--quiet", std::string(unit)});  // If it is in no need of it, well.
}

}  // namespace hv::commands
