// SPDX-License-Identifier: MIT
#include "launcher/base/hash.h"
#include "launcher/base/text.h"
#include "launcher/commands/commands.h"
#include "launcher/commands/limits.h"
#include "launcher/commands/load.h"
#include "launcher/commands/output.h"
#include "launcher/commands/status_pins.h"
#include "launcher/run/cleanup.h"
#include "launcher/run/observe.h"

#include <boost/json.hpp>

#include <set>

namespace hv::commands {
namespace {

namespace json = boost::json;
using run::Activity;
using run::Observation;

/// A hung QEMU must not hang us; a healthy one answers in a millisecond.
constexpr std::chrono::milliseconds patience{100};

/// What there is to say of a VM. An error: what it left cannot be cleaned up.
struct View {
  Observation seen;
  std::optional<Error> error;

  [[nodiscard]] std::string_view state() const {
    return error ? "needs-recover" : to_string(seen.activity);
  }
};

/// Looks at a VM, and first cleans up what a guest left that ended unseen.
View look(const run::Place& place, run::Detail detail) {
  auto cleaned = run::recover(place);
  if (!cleaned) return {.seen = {}, .error = std::move(cleaned).error()};
  return {.seen = run::observe(place, detail, patience), .error = {}};
}

bool was_edited(const Context& context, const run::GuestState& state) {
  if (state.profile == "-") return false;
  const auto source = read_profile_text(context, state.profile);
  return source && hash_of(source->text) != state.profile_hash;
}

json::object last_exit_json(const run::LastExit& last) {
  return {{"cause", last.cause},
          {"detail", last.detail},
          {"at", last.at},
          {"log", json::value_from(last.log)}};
}

json::object state_json(const run::Place& place, const run::GuestState& state) {
  json::array disks;
  for (const auto& [node, path, writable] : state.disks)
    disks.push_back(json::object{{"node", node}, {"path", path}, {"writable", writable}});
  json::array nics;
  for (const auto& [kind, mac] : state.nics)
    nics.push_back(json::object{{"kind", kind}, {"mac", mac}});
  json::array features;
  for (const auto& [name, now, detail] : state.features)
    features.push_back(json::object{{"name", name}, {"state", now}, {"detail", detail}});
  return {{"profile", state.profile},
          {"qemu", state.qemu_version},
          {"architecture", state.architecture},
          {"accelerator", state.accelerator},
          {"machine", state.machine},
          {"uuid", state.uuid},
          {"memory_mib", state.memory_mib},
          {"started_at", state.started_at},
          {"disks", std::move(disks)},
          {"nics", std::move(nics)},
          {"devices", json::value_from(state.devices)},
          {"display", state.display},
          {"console", state.console ? place.file("console.sock") : ""},
          {"qmp", state.watch ? place.file("qmp.sock") : ""},
          {"features", std::move(features)},
          {"warnings", json::value_from(state.warnings)}};
}

json::object as_json(const Context& context, const run::Place& place, const View& view) {
  const auto& seen = view.seen;
  json::object object = {{"name", place.vm}, {"state", view.state()}};
  if (view.error) object["error"] = view.error->message;
  if (seen.pid != 0) {
    json::array vcpus;
    for (const auto& [index, thread, cpu_time] : seen.vcpus)
      vcpus.push_back(
          json::object{{"index", index}, {"thread", thread}, {"cpu_ns", cpu_time.count()}});
    object["qemu_status"] = seen.qemu_status;
    object["pid"] = seen.pid;
    object["uptime_seconds"] = seen.uptime.count();
    object["resident_kib"] = seen.resident_kib;
    object["watched"] = seen.watched;
    object["vcpus"] = std::move(vcpus);
    if (const auto limits = run::compare_limits(place, static_cast<pid_t>(seen.pid)))
      object["limits"] = limits_json(*limits);
  }
  if (seen.state) {
    for (const auto& member : state_json(place, *seen.state)) object[member.key()] = member.value();
    object["profile_edited"] = was_edited(context, *seen.state);
  }
  if (const auto record = run::load_record(place))
    if (const auto& last = record->last_exit) object["last_exit"] = last_exit_json(*last);
  return object;
}

class Lines {
 public:
  void add(std::string_view label, std::string_view value) {
    text_ += fmt::format("  {:<9} {}\n", label, printable(value));
  }
  [[nodiscard]] const std::string& text() const { return text_; }

 private:
  std::string text_;
};

void add_guest(const Context& context, const run::Place& place, const run::GuestState& state,
               Lines& lines) {
  lines.add("machine",
            fmt::format("{} {} on QEMU {}", state.architecture, state.machine, state.qemu_version));
  for (const auto& [node, path, writable] : state.disks)
    lines.add(node, fmt::format("{}{}", path, writable ? "" : " (read-only)"));
  for (const auto& [kind, mac] : state.nics) lines.add("nic", fmt::format("{}  {}", kind, mac));
  if (!state.devices.empty()) lines.add("devices", join(state.devices, ", "));
  if (!state.pins.vcpus.empty())
    lines.add("pins", fmt::format("CPU {}; `hvlaunch status --pins {}` compares",
                                  join(state.pins.vcpus, " "), place.vm));
  if (state.console) lines.add("console", fmt::format("hvlaunch console {}", place.vm));
  if (!state.display.empty()) lines.add("display", state.display);
  if (state.watch) lines.add("qmp", place.file("qmp.sock"));
  if (was_edited(context, state))
    lines.add("note", "the profile was edited since the start: restart to apply it");
  for (const auto& [name, now, detail] : state.features)
    lines.add(&name == &state.features.front().name ? "features" : "",
              fmt::format("{} {}{}{}", name, now, detail.empty() ? "" : ": ", detail));
  for (const auto& warning : state.warnings) lines.add("warning", warning);
}

void add_last_exit(const run::Place& place, Lines& lines) {
  const auto record = run::load_record(place);
  if (!record) return lines.add("note", record.error().message);
  const auto& last = record->last_exit;
  if (!last) return;
  lines.add("last exit", fmt::format("{}: {}", local_time(last->at), last->detail));
  for (const auto& line : last->log) lines.add("", line);
}

std::string as_text(const Context& context, const run::Place& place, const View& view) {
  Lines lines;
  const auto& seen = view.seen;
  const auto& state = seen.state;
  auto head = fmt::format("{}: {}", place.vm, view.state());
  if (view.error) lines.add("note", view.error->message);
  if (seen.activity == Activity::paused && seen.qemu_status != "paused")
    head += fmt::format(" ({})", seen.qemu_status);
  if (seen.pid != 0) {
    head += fmt::format(" for {}", duration(seen.uptime));
    if (state) head += ", " + state->accelerator;
  }
  for (const auto& [index, thread, cpu_time] : seen.vcpus)
    lines.add(index == 0 ? "vCPUs" : "",
              fmt::format("#{} used {:.1f} s of host CPU (thread {})", index,
                          std::chrono::duration<double>(cpu_time).count(), thread));
  if (seen.pid != 0 && state)
    lines.add("memory", fmt::format("{} MiB, of which QEMU has {} in use", state->memory_mib,
                                    size_of_kib(seen.resident_kib)));
  if (state) add_guest(context, place, *state, lines);
  const auto limits = run::load_limits(place).intended;
  for (const auto& limit : limits)
    lines.add(&limit == limits.data() ? "limits" : "", plan::describe(limit));
  if (seen.pid != 0 && state && state->watch && !seen.watched)
    lines.add("note", fmt::format("`watch` is gone, and with it qmp.sock, events and the console's "
                                  "past: `hvlaunch watch {} &` brings them back",
                                  place.vm));
  if (seen.activity == Activity::unresponsive)
    lines.add("note", "QEMU does not answer; `hvlaunch stop --force` or `hvlaunch kill` end it");
  add_last_exit(place, lines);
  return head + "\n" + lines.text();
}

}  // namespace

Outcome status_command(Context& context, const Arguments& arguments) {
  const auto place = TRY_OUTCOME(guest_of(context, arguments.vm()));
  if (arguments.has("pins")) return show_pins(context, place);
  const auto view = look(place, run::Detail::everything);
  if (context.json)
    print_json(as_json(context, place, view));
  else
    print(as_text(context, place, view));
  return {};
}

Outcome list_command(Context& context, const Arguments&) {
  std::set<std::string> names;
  for (const auto& listed : list_profiles(context)) names.insert(listed.name);
  for (const auto& name : run::active_vms(context.root, context.paths)) names.insert(name);

  json::array list;
  std::vector<std::vector<std::string>> rows = {{"NAME", "STATE", "VCPUS", "MEMORY", "ACCEL"}};
  for (const auto& name : names) {
    const run::Place place{context.root, context.paths, name};
    const auto view = look(place, run::Detail::activity);
    const auto& state = view.seen.state;
    json::object row = {{"name", name}, {"state", view.state()}};
    if (state) {
      row["vcpus"] = state->vcpus;
      row["memory_mib"] = state->memory_mib;
      row["accelerator"] = state->accelerator;
    }
    list.push_back(std::move(row));
    if (view.error) warn(fmt::format("{}: {}", name, view.error->message));
    rows.push_back(
        {printable(name), std::string(view.state()), state ? std::to_string(state->vcpus) : "",
         state ? fmt::format("{} MiB", state->memory_mib) : "", state ? state->accelerator : ""});
  }
  if (context.json) {
    print_json(std::move(list));
    return {};
  }
  if (names.empty())
    say(context, "there is no VM yet: `hvlaunch create <name>` makes a profile");
  else
    print(table(rows));
  return {};
}

}  // namespace hv::commands
