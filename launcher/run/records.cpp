// SPDX-License-Identifier: MIT
#include "launcher/run/records.h"

#include <boost/describe.hpp>
#include <boost/json.hpp>

namespace hv::plan {
BOOST_DESCRIBE_STRUCT(DiskSummary, (), (node, path, writable))
BOOST_DESCRIBE_STRUCT(NicSummary, (), (kind, mac))
}  // namespace hv::plan

namespace hv::run {

namespace json = boost::json;

BOOST_DESCRIBE_STRUCT(Ladder, (), (agent, acpi, quit, term))
BOOST_DESCRIBE_STRUCT(GuestState, (),
                      (vm, pid, started_at, profile, profile_hash, binary, qemu_version,
                       architecture, accelerator, machine, vcpus, memory_mib, uuid, display,
                       console, watch, disks, nics, shutdown, warnings))
BOOST_DESCRIBE_STRUCT(LastExit, (), (cause, detail, at, log))

namespace {

/// The JSON value of a small file of ours; null if it is missing or damaged.
json::value read_json(const Root& root, const std::string& path) {
  constexpr std::size_t limit = std::size_t{1} << 20U;
  const auto text = root.read(path, limit);
  if (!text) return nullptr;
  boost::system::error_code error;
  auto value = json::parse(*text, error, {}, {.max_depth = 8});
  return error ? nullptr : value;
}

template <class T>
std::optional<T> decoded(const json::value& value) {
  auto result = json::try_value_to<T>(value);
  if (!result) return std::nullopt;
  return *std::move(result);
}

}  // namespace

GuestState state_of(const plan::Plan& plan) {
  GuestState state;
  state.vm = plan.vm;
  state.binary = plan.binary;
  state.qemu_version = plan.qemu_version;
  state.architecture = plan.architecture;
  state.accelerator = plan.accelerator;
  state.machine = plan.record.machine;
  state.vcpus = plan.vcpus;
  state.memory_mib = plan.memory_mib;
  state.uuid = plan.uuid;
  state.display = plan.display;
  state.console = plan.console;
  state.watch = plan.watch;
  state.disks = plan.disks;
  state.nics = plan.nics;
  const auto& [agent, acpi, quit, term] = plan.shutdown;
  state.shutdown = {
      .agent = agent.value, .acpi = acpi.value, .quit = quit.value, .term = term.value};
  for (const auto& [id, message] : plan.warnings) state.warnings.push_back(message);
  return state;
}

Result<> save_state(const Place& place, const GuestState& state) {
  return place.root.replace(place.file("state.json"), json::serialize(json::value_from(state)));
}

std::optional<GuestState> load_state(const Place& place) {
  return decoded<GuestState>(read_json(place.root, place.file("state.json")));
}

VmRecord load_record(const Place& place) {
  const auto value = read_json(place.root, place.record());
  const auto* const object = value.if_object();
  VmRecord record;
  if (object == nullptr) return record;
  if (const auto* const machine = object->if_contains("machine"))
    record.machine = decoded<std::string>(*machine).value_or("");
  if (const auto* const last_exit = object->if_contains("last_exit"))
    record.last_exit = decoded<LastExit>(*last_exit);
  return record;
}

Result<> save_record(const Place& place, const VmRecord& record) {
  json::object object = {{"machine", record.machine}};
  if (record.last_exit) object["last_exit"] = json::value_from(*record.last_exit);
  TRY(place.root.make_directories(place.paths.records(), 0750));
  return place.root.replace(place.record(), json::serialize(object), 0640);
}

}  // namespace hv::run
