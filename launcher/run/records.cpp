// SPDX-License-Identifier: MIT
#include "launcher/run/records.h"

#include "launcher/base/json_overlay.h"
#include "profiles/words.h"

#include <boost/describe.hpp>
#include <boost/json.hpp>

namespace hv::plan {
BOOST_DESCRIBE_STRUCT(DiskSummary, (), (node, path, writable))
BOOST_DESCRIBE_STRUCT(NicSummary, (), (kind, mac))
}  // namespace hv::plan

namespace hv::run {

namespace json = boost::json;

BOOST_DESCRIBE_STRUCT(Ladder, (), (agent, acpi, quit, term))
BOOST_DESCRIBE_STRUCT(PinState, (), (vcpus, emulator, iothreads, helpers, policy, priority))
BOOST_DESCRIBE_STRUCT(FeatureNote, (), (name, state, detail))
BOOST_DESCRIBE_STRUCT(GuestState, (),
                      (vm, pid, started_at, profile, profile_hash, binary, qemu_version,
                       architecture, accelerator, machine, vcpus, memory_mib, uuid, display,
                       console, tty, watch, disks, nics, shutdown, notify_port, cid, host_sleep,
                       pins, devices, features, warnings))
BOOST_DESCRIBE_STRUCT(LastExit, (), (cause, detail, at, log))

namespace {

constexpr std::size_t largest_file = std::size_t{1} << 20U;

/// The JSON value of a small file of ours; null if it is damaged.
json::value parse(std::string_view text) {
  boost::system::error_code error;
  auto value = json::parse(text, error, {}, {.max_depth = 8});
  return error ? nullptr : value;
}

/// Nothing if a member is there with another type.
template <class T>
std::optional<T> decoded(const json::value& value) {
  if (!value.is_object()) return std::nullopt;
  auto result = json::try_value_to<T>(overlaid(json::value_from(T{}), value));
  if (!result) return std::nullopt;
  return *std::move(result);
}

Error damaged(const std::string& path) {
  return {.fault = Fault::failed,
          .id = "damaged-record",
          .message = fmt::format("{} is damaged: it held the machine type of the guest", path),
          .hint =
              "restore it, or remove it: the guest then gets the newest machine type, as if "
              "it had never been started"};
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
  state.tty = plan.tty;
  state.watch = plan.watch;
  state.disks = plan.disks;
  state.nics = plan.nics;
  const auto& [agent, acpi, quit, term] = plan.shutdown;
  state.shutdown = {
      .agent = agent.value, .acpi = acpi.value, .quit = quit.value, .term = term.value};
  state.notify_port = plan.notify_port;
  state.cid = plan.claims.cids.empty() ? 0 : plan.claims.cids.front();
  state.host_sleep = profiles::word_of(profiles::host_sleep_words, plan.host_sleep);
  for (const auto& cpus : plan.pins.vcpus) state.pins.vcpus.push_back(to_string(cpus));
  state.pins.emulator = to_string(plan.pins.emulator);
  state.pins.iothreads = to_string(plan.pins.iothreads);
  state.pins.helpers = to_string(plan.pins.helpers);
  state.pins.policy = profiles::word_of(profiles::policy_words, plan.pins.policy);
  state.pins.priority = plan.pins.priority;
  for (const auto& function : plan.claims.functions) state.devices.push_back(to_string(function));
  for (const auto& [name, feature_state, detail, pointer] : plan.features)
    state.features.push_back({name, feature_state, detail});
  for (const auto& [id, message] : plan.warnings) state.warnings.push_back(message);
  return state;
}

plan::ThreadPins pins_of(const GuestState& state) {
  const auto set = [](const std::string& text) { return parse_cpu_set(text).value_or(CpuSet()); };
  plan::ThreadPins pins{.emulator = set(state.pins.emulator),
                        .iothreads = set(state.pins.iothreads),
                        .helpers = set(state.pins.helpers),
                        .priority = state.pins.priority};
  for (const auto& [word, policy] : profiles::policy_words)
    if (word == state.pins.policy) pins.policy = policy;
  for (const auto& cpus : state.pins.vcpus) pins.vcpus.push_back(set(cpus));
  return pins;
}

Result<> save_state(const Place& place, const GuestState& state) {
  return place.root.replace(place.file("state.json"), json::serialize(json::value_from(state)));
}

std::optional<GuestState> load_state(const Place& place) {
  const auto text = place.root.read(place.file("state.json"), largest_file);
  if (!text) return std::nullopt;
  return decoded<GuestState>(parse(*text));
}

Result<VmRecord> load_record(const Place& place) {
  const auto text = place.root.read(place.record(), largest_file);
  if (!text && text.error().os_error == ENOENT) return VmRecord{};
  if (!text) return std::unexpected(text.error());
  const auto value = parse(*text);
  const auto* const object = value.if_object();
  const auto* const machine = object != nullptr ? object->if_contains("machine") : nullptr;
  if (machine == nullptr || !machine->is_string()) return std::unexpected(damaged(place.record()));
  VmRecord record{.machine = std::string(machine->get_string()), .last_exit = {}};
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
