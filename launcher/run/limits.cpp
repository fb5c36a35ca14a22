// SPDX-License-Identifier: MIT
#include "launcher/run/limits.h"

#include "launcher/base/text.h"
#include "launcher/run/guest_group.h"
#include "launcher/run/unit.h"

#include <sys/sysmacros.h>
#include <unistd.h>
#include <boost/json.hpp>

#include <algorithm>
#include <charconv>

namespace hv::run {
namespace {

namespace json = boost::json;
using plan::Limit;
using plan::LimitRow;

constexpr std::string_view no_limit = "max";
constexpr std::uint64_t usual_weight = 100;
constexpr std::uint64_t cpu_period = 100'000;

bool is_weight(const LimitRow& row) {
  return row.limit == Limit::cpu_weight || row.limit == Limit::io_weight;
}

Error no_unit(const Place& place) {
  return {.fault = Fault::missing,
          .id = "no-unit",
          .message = fmt::format("limits are kept in the control group of {}, and the guest is "
                                 "not started by it",
                                 unit_of(place.vm)),
          .hint = fmt::format("start it by its name where systemd runs: `hvlaunch start {}`; or "
                              "take \"limits\" out",
                              place.vm)};
}

/// The disk that a path is on, and not a partition of it.
Result<std::string> device_of(const Root& root, const std::string& path) {
  const auto status = TRY(root.status(path));
  const auto number = S_ISBLK(status.st_mode) ? status.st_rdev : status.st_dev;
  const auto name = fmt::format("{}:{}", ::major(number), ::minor(number));
  const auto block = "/sys/dev/block/" + name;
  if (!root.exists(block))
    return std::unexpected(with_hint(
        {.fault = Fault::missing,
         .id = "no-block-device",
         .message =
             fmt::format("{} is on no block device of its own that could be throttled", path)},
        "put it on a file system like ext4 or XFS, or take the limits in MiB and operations per "
        "second out"));
  return root.exists(block + "/partition") ? root.read(block + "/../dev") : name;
}

bool is_throttle(const plan::LimitValue& limit) {
  return plan::row_of(limit.limit).file == "io.max";
}

Result<IntendedLimits> with_devices(const Root& root, const plan::LimitGuest& guest) {
  IntendedLimits limits{.intended = guest.limits};
  if (std::ranges::none_of(guest.limits, is_throttle)) return limits;
  for (const auto& path : guest.disks) {
    auto device = TRY(device_of(root, path));
    if (std::ranges::find(limits.devices, device) == limits.devices.end())
      limits.devices.push_back(std::move(device));
  }
  return limits;
}

Result<> save(const Place& place, const IntendedLimits& limits) {
  json::object values;
  for (const auto& [limit, value] : limits.intended) values[plan::row_of(limit).field] = value;
  return place.root.replace(
      place.file("limits.json"),
      json::serialize(json::object{{"limits", std::move(values)},
                                   {"devices", json::value_from(limits.devices)}}));
}

/// As the kernel reads it; without a value, what takes the limit away.
std::string words_for(const LimitRow& row, std::optional<std::uint64_t> value) {
  if (is_weight(row)) return std::to_string(value.value_or(usual_weight));
  const auto number = value ? std::to_string(*value * row.factor) : std::string(no_limit);
  if (row.limit == Limit::cpu_quota) return fmt::format("{} {}", number, cpu_period);
  return row.key.empty() ? number : fmt::format("{}={}", row.key, number);
}

/// BFQ has a file of its own.
std::string file_of(const Root& group, const LimitRow& row) {
  if (row.limit == Limit::io_weight && !group.exists("/io.weight")) return "/io.bfq.weight";
  return fmt::format("/{}", row.file);
}

Result<> no_controller(const Root& group, const LimitRow& row) {
  const auto text = group.read("/cgroup.controllers").value_or("");
  const auto controllers = split(text, ' ');
  const bool delegated = std::ranges::find(controllers, row.controller) != controllers.end();
  const auto hint =
      !delegated ? fmt::format(
                       "systemd must delegate '{}': for a user's guests, as root, "
                       "Delegate=cpu io memory pids in a drop-in of user@.service",
                       row.controller)
      : row.limit == Limit::io_weight
          ? "this kernel has neither CONFIG_BLK_CGROUP_IOCOST nor the scheduler BFQ for a disk; "
            "take it out"
          : "this kernel lacks it: take it out";
  return std::unexpected(
      with_hint({.fault = Fault::missing,
                 .id = "no-controller",
                 .message = fmt::format("'{}' cannot be had here: there is no {} in the guest's "
                                        "control group",
                                        row.field, row.file)},
                hint));
}

Result<> set_limit(const Root& group, const LimitRow& row, std::optional<std::uint64_t> value,
                   const std::vector<std::string>& devices) {
  const auto file = file_of(group, row);
  if (!group.exists(file)) return value ? no_controller(group, row) : Result<>();
  const auto words = words_for(row, value);
  if (row.key.empty()) return group.write(file, words);
  for (const auto& device : devices) TRY(group.write(file, device + " " + words));
  return {};
}

std::optional<std::uint64_t> intended_of(const IntendedLimits& limits, Limit limit) {
  const auto found = std::ranges::find(limits.intended, limit, &plan::LimitValue::limit);
  return found == limits.intended.end() ? std::nullopt : std::optional(found->value);
}

std::optional<std::uint64_t> number_in(std::string_view word) {
  std::uint64_t value = 0;
  const auto* const end = word.data() + word.size();
  const auto [stop, error] = std::from_chars(word.data(), end, value);
  return error == std::errc{} && stop == end ? std::optional(value) : std::nullopt;
}

/// What `key=` says in the line of io.max that begins with `device`.
std::optional<std::uint64_t> throttle_in(std::string_view text, std::string_view device,
                                         std::string_view key) {
  for (const auto line : split(text, '\n')) {
    const auto words = split(line, ' ');
    if (words.front() != device) continue;
    for (const auto word : words)
      if (word.starts_with(key) && word.substr(key.size()).starts_with('='))
        return number_in(word.substr(key.size() + 1));
  }
  return std::nullopt;
}

/// In the file's unit; of several devices the one that differs from the others.
std::optional<std::uint64_t> actual_of(const Root& group, const LimitRow& row,
                                       const IntendedLimits& limits) {
  const auto text = group.read(file_of(group, row));
  if (!text) return std::nullopt;
  if (row.key.empty()) {
    const auto words = split(*text, ' ');
    const auto number = number_in(words.front() == "default" ? words.back() : words.front());
    if (row.limit != Limit::cpu_quota || !number) return number;
    return *number * cpu_period / std::max<std::uint64_t>(number_in(words.back()).value_or(0), 1);
  }
  const auto intended = intended_of(limits, row.limit);
  std::optional<std::uint64_t> actual;
  for (const auto& device : limits.devices) {
    actual = throttle_in(*text, device, row.key);
    if (!intended || actual != *intended * row.factor) break;
  }
  return actual;
}

}  // namespace

Result<> prepare_limits(const Place& place, const plan::LimitGuest& guest) {
  if (!runs_in_unit(place.root, place.vm, ::getpid())) return std::unexpected(no_unit(place));
  return save(place, TRY(with_devices(place.root, guest)));
}

IntendedLimits load_limits(const Place& place) {
  IntendedLimits limits;
  boost::system::error_code error;
  const auto value = json::parse(place.root.read(place.file("limits.json")).value_or(""), error);
  const auto* const members = error ? nullptr : value.if_object();
  if (members == nullptr) return limits;
  if (const auto* const values = members->if_contains("limits"); values && values->is_object())
    for (const auto& row : plan::limit_rows)
      if (const auto* const number = values->get_object().if_contains(row.field))
        if (const auto read = json::try_value_to<std::uint64_t>(*number))
          limits.intended.push_back({row.limit, *read});
  if (const auto* const devices = members->if_contains("devices"))
    if (auto read = json::try_value_to<std::vector<std::string>>(*devices))
      limits.devices = *std::move(read);
  return limits;
}

Result<> set_limits(const Root& group, const IntendedLimits& limits) {
  for (const auto& row : plan::limit_rows) {
    auto set = set_limit(group, row, intended_of(limits, row.limit), limits.devices);
    if (set) continue;
    auto error = std::move(set).error();
    if (error.id != "no-controller") error.id = "not-limited";
    return std::unexpected(in_context(std::move(error), fmt::format("setting '{}'", row.field)));
  }
  return {};
}

Result<std::vector<LimitState>> compare_limits(const Place& place, pid_t qemu) {
  const auto group = guest_group_of(place, qemu);
  if (!group) return std::unexpected(no_unit(place));
  const auto limits = load_limits(place);
  std::vector<LimitState> states;
  for (const auto& row : plan::limit_rows) {
    const auto intended = intended_of(limits, row.limit);
    const auto actual = actual_of(*group, row, limits);
    LimitState state{.limit = row.limit, .intended = intended, .actual = {}};
    if (actual) state.actual = *actual / row.factor;
    if (is_weight(row))
      state.as_intended = !actual || *actual == intended.value_or(usual_weight);
    else
      state.as_intended =
          actual == (intended ? std::optional(*intended * row.factor) : std::nullopt);
    states.push_back(state);
  }
  return states;
}

Result<> change_limits(const Place& place, pid_t qemu, const plan::LimitGuest& guest) {
  const auto group = guest_group_of(place, qemu);
  if (!group) return std::unexpected(no_unit(place));
  auto limits = TRY(with_devices(place.root, guest));
  // Those that are throttled now, so that it can end.
  for (auto& device : load_limits(place).devices)
    if (std::ranges::find(limits.devices, device) == limits.devices.end())
      limits.devices.push_back(std::move(device));
  TRY(set_limits(*group, limits));
  return save(place, limits);
}

}  // namespace hv::run
