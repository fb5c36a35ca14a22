// SPDX-License-Identifier: MIT
#include "launcher/commands/limits.h"

#include "launcher/base/text.h"
#include "launcher/commands/change.h"
#include "launcher/commands/commands.h"
#include "launcher/commands/load.h"
#include "launcher/commands/output.h"
#include "launcher/run/lock.h"
#include "launcher/run/monitor.h"
#include "launcher/run/records.h"

#include <boost/json.hpp>

#include <algorithm>
#include <charconv>

namespace hv::commands {
namespace {

namespace json = boost::json;
using plan::Limit;

/// The guest as far as its limits depend on it.
struct Running {
  pid_t qemu = 0;
  run::GuestState state;
};

Result<Running> running(const run::Place& place) {
  auto state = run::load_state(place).value_or(run::GuestState{});
  const auto qemu =
      run::find_holder(place.root, place.lock(), run::lock_number, static_cast<pid_t>(state.pid));
  if (!qemu) return std::unexpected(run::not_running(place));
  return Running{qemu->pid, std::move(state)};
}

/// The limits as a profile would give them, so that they are read by its rules.
profiles::Source as_profile(const run::Place& place, const std::vector<plan::LimitValue>& limits,
                            const std::vector<std::string>& taken_away) {
  json::object values;
  for (const auto& [limit, value] : limits) {
    const auto field = plan::row_of(limit).field;
    if (std::ranges::find(taken_away, field) == taken_away.end()) values[field] = value;
  }
  return {
      .name = "--set",
      .text = json::serialize(json::object{
          {"name", place.vm}, {"cpus", 1}, {"memory_mb", 1024}, {"limits", std::move(values)}})};
}

std::expected<std::vector<plan::LimitValue>, Errors> changed(
    const run::Place& place, const std::vector<std::string>& words) {
  constexpr std::string_view none = "=none";
  std::vector<std::string> taken_away;
  std::vector<std::string> settings;
  for (const auto& word : words)
    if (word.ends_with(none))
      taken_away.push_back(word.substr(0, word.size() - none.size()));
    else
      settings.push_back("limits." + word);
  for (const auto& field : taken_away)
    if (std::ranges::find(plan::limit_rows, field, &plan::LimitRow::field) ==
        plan::limit_rows.end())
      settings.push_back(fmt::format("limits.{}=0", field));  // Refused with what there is.
  auto source =
      with_settings(as_profile(place, run::load_limits(place).intended, taken_away), settings);
  if (!source) return std::unexpected(Errors{std::move(source).error()});
  const auto profile = profiles::parse_profile(*source);
  if (!profile) {
    auto errors = profile.error();
    for (auto& error : errors) error.origin = {.pointer = error.origin.pointer};
    return std::unexpected(std::move(errors));
  }
  return plan::limits_of(profile->limits);
}

std::uint64_t huge_memory_mib(const Root& root, pid_t qemu) {
  constexpr std::string_view label = "HugetlbPages:";
  const auto status = root.read(fmt::format("/proc/{}/status", qemu)).value_or("");
  for (auto line : split(status, '\n')) {
    if (!line.starts_with(label)) continue;
    line.remove_prefix(std::min(line.find_first_of("0123456789"), line.size()));
    std::uint64_t kib = 0;
    (void)std::from_chars(line.data(), line.data() + line.size(), kib);
    return kib >> 10U;
  }
  return 0;
}

/// A limit that would end the guest is none that somebody wants.
Result<> check_least(const Root& root, const Running& guest,
                     const std::vector<plan::LimitValue>& limits) {
  const auto memory =
      plan::least_memory_mib(guest.state.memory_mib, huge_memory_mib(root, guest.qemu));
  const auto tasks = plan::least_tasks(guest.state.vcpus);
  for (const auto& limit : limits) {
    const bool is_memory = limit.limit == Limit::memory_high || limit.limit == Limit::memory_max;
    const auto least = is_memory ? memory : limit.limit == Limit::pids_max ? tasks : 0;
    if (limit.value < least)
      return std::unexpected(
          with_hint({.fault = Fault::usage,
                     .id = "limit-too-low",
                     .message = fmt::format("'{}' is too little for the guest, which may come to "
                                            "need {}",
                                            plan::describe(limit), least)},
                    fmt::format("make it {} or more", least)));
  }
  return {};
}

std::string word(const plan::LimitRow& row, std::optional<std::uint64_t> value) {
  if (!value) return "-";
  return row.unit.empty() ? std::to_string(*value) : fmt::format("{} {}", *value, row.unit);
}

Outcome change(const Context& context, const run::Place& place, const Running& guest,
               const std::vector<std::string>& words) {
  auto limits = changed(place, words);
  if (!limits) return std::unexpected(std::move(limits).error());
  TRY_OUTCOME(check_least(context.root, guest, *limits));
  plan::LimitGuest wanted{.limits = *std::move(limits), .disks = {}};
  for (const auto& disk : guest.state.disks) wanted.disks.push_back(disk.path);
  TRY_OUTCOME(run::change_limits(place, guest.qemu, wanted));
  say(context,
      fmt::format("{} has its new limits until it ends; its profile is unchanged", place.vm));
  return {};
}

void show(const std::vector<run::LimitState>& states) {
  std::vector<std::vector<std::string>> rows = {{"LIMIT", "INTENDED", "ACTUAL", ""}};
  for (const auto& [limit, intended, actual, as_intended] : states) {
    const auto& row = plan::row_of(limit);
    rows.push_back({std::string(row.field), word(row, intended), word(row, actual),
                    as_intended ? "" : "changed by somebody else"});
  }
  print(table(rows));
}

}  // namespace

json::array limits_json(const std::vector<run::LimitState>& states) {
  const auto number = [](const std::optional<std::uint64_t>& value) {
    return value ? json::value(*value) : json::value(nullptr);
  };
  json::array list;
  for (const auto& [limit, intended, actual, as_intended] : states)
    list.push_back(json::object{{"limit", plan::row_of(limit).field},
                                {"intended", number(intended)},
                                {"actual", number(actual)},
                                {"as_intended", as_intended}});
  return list;
}

Outcome limits_command(Context& context, const Arguments& arguments) {
  const auto place = TRY_OUTCOME(guest_of(context, arguments.vm()));
  const auto guest = TRY_OUTCOME(running(place));
  if (arguments.has("set"))
    if (auto done = change(context, place, guest, arguments.values("set")); !done) return done;
  const auto states = TRY_OUTCOME(run::compare_limits(place, guest.qemu));
  if (context.json)
    print_json(json::object{{"name", place.vm}, {"limits", limits_json(states)}});
  else
    show(states);
  return {};
}

}  // namespace hv::commands
