// SPDX-License-Identifier: MIT
#include "launcher/run/guest_group.h"

#include "launcher/base/text.h"
#include "launcher/run/unit.h"

#include <fcntl.h>
#include <unistd.h>

namespace hv::run {
namespace {

constexpr std::string_view guest = "/guest";

std::optional<UniqueFd> open_group(const Root& root, const std::string& group) {
  auto directory = root.open_file("/sys/fs/cgroup" + group, O_RDONLY | O_DIRECTORY);
  return directory ? std::optional(*std::move(directory)) : std::nullopt;
}

/// Controllers come to groups below only where no process is beside them.
Result<> move_all(const Root& unit) {
  const auto procs = std::string(guest) + "/cgroup.procs";
  TRY(unit.write(procs, "0"));
  const auto others = TRY(unit.read("/cgroup.procs"));
  for (const auto pid : split(others, '\n'))
    if (!pid.empty()) (void)unit.write(procs, pid);  // It may have ended.
  return {};
}

}  // namespace

std::optional<UniqueFd> open_unit_group(const Place& place) {
  const auto group = unit_group_of(place.root, place.vm, ::getpid());
  return group.empty() ? std::nullopt : open_group(place.root, group);
}

Result<> enter_guest_group(const Root& unit, const IntendedLimits& limits) {
  TRY(unit.make_directories(std::string(guest), 0755));
  TRY(move_all(unit));
  // One by one: what is not delegated shows when it is needed.
  for (const auto* const controller : {"+cpu", "+io", "+memory", "+pids"})
    (void)unit.write("/cgroup.subtree_control", controller);
  auto directory = TRY(unit.open_file(std::string(guest), O_RDONLY | O_DIRECTORY));
  return set_limits(Root::below(std::move(directory)), limits);
}

std::optional<Root> guest_group_of(const Place& place, pid_t qemu) {
  const auto unit = unit_group_of(place.root, place.vm, qemu);
  if (unit.empty()) return std::nullopt;
  auto directory = open_group(place.root, unit + std::string(guest));
  return directory ? std::optional(Root::below(*std::move(directory))) : std::nullopt;
}

}  // namespace hv::run
