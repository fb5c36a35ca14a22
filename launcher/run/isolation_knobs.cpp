// SPDX-License-Identifier: MIT
#include "launcher/run/isolation_knobs.h"

#include "launcher/base/text.h"
#include "launcher/run/program.h"

#include <algorithm>

namespace hv::run {
namespace {

using plan::KeptKnob;
using plan::Knob;
using plan::KnobKind;

constexpr auto default_affinity = "/proc/irq/default_smp_affinity";

std::string cpuset_of(std::string_view slice) {
  return fmt::format("/sys/fs/cgroup/{}/cpuset.cpus", slice);
}

std::string governor_of(std::string_view cpu) {
  return fmt::format("/sys/devices/system/cpu/cpu{}/cpufreq/scaling_governor", cpu);
}

std::string affinity_of(std::string_view interrupt) {
  return fmt::format("/proc/irq/{}/smp_affinity_list", interrupt);
}

bool is_number(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

/// Those that somebody has asked for: the others get the default when they are.
void read_interrupts(const Root& root, std::vector<Knob>& knobs) {
  const auto numbers = root.list("/proc/irq");
  if (!numbers) return;
  for (const auto& number : *numbers) {
    if (!is_number(number)) continue;
    const auto owner = root.read(fmt::format("/sys/kernel/irq/{}/actions", number));
    const auto value = root.read(affinity_of(number));
    if (owner && !owner->empty() && value && !value->empty())
      knobs.push_back({.kind = KnobKind::interrupt,
                       .name = number,
                       .owner = printable(*owner),
                       .value = *value});
  }
}

Result<> write_knob(const Root& root, const KeptKnob& knob) {
  switch (knob.knob.kind) {
    case KnobKind::slice: return {};
    case KnobKind::governor: return root.write(governor_of(knob.knob.name), knob.to);
    case KnobKind::interrupt: return root.write(affinity_of(knob.knob.name), knob.to);
    case KnobKind::interrupts:
      return root.write(default_affinity, plan::to_mask(parse_cpu_set(knob.to).value_or(CpuSet())));
  }
  std::unreachable();
}

/// Without the controller, or without its own value, a slice has all CPUs.
std::string cpus_of_slice(const Root& root, std::string_view slice) {
  return root.read(cpuset_of(slice)).value_or("");
}

Error not_obeyed(const KeptKnob& slice, const std::string& actual) {
  return {.fault = Fault::failed,
          .id = "not-obeyed",
          .message = fmt::format("{} was to have {}, and has {}", slice.knob.name,
                                 slice.to.empty() ? "all CPUs" : "CPU " + slice.to,
                                 actual.empty() ? "all CPUs" : "CPU " + actual),
          .hint = fmt::format("the kernel must have cpusets, and no other program may set them: "
                              "`systemctl show -p AllowedCPUs {}`",
                              slice.knob.name)};
}

}  // namespace

std::vector<Knob> read_knobs(const Root& root, const CpuSet& governors) {
  std::vector<Knob> knobs;
  for (const auto slice : host_slices)
    if (root.exists(fmt::format("/sys/fs/cgroup/{}", slice)))
      knobs.push_back({.kind = KnobKind::slice,
                       .name = std::string(slice),
                       .value = cpus_of_slice(root, slice)});
  if (const auto mask = root.read(default_affinity))
    knobs.push_back({.kind = KnobKind::interrupts,
                     .name = "default",
                     .value = to_string(plan::parse_cpu_mask(*mask))});
  read_interrupts(root, knobs);
  for (const auto cpu : governors)
    if (auto value = root.read(governor_of(std::to_string(cpu))))
      knobs.push_back(
          {.kind = KnobKind::governor, .name = std::to_string(cpu), .value = *std::move(value)});
  return knobs;
}

Result<> set_slices(const std::vector<KeptKnob>& slices) {
  std::vector<std::string> show = {"systemctl", "show", "--property=AllowedCPUs"};
  Result<> first;
  for (const auto& [knob, base, to] : slices) {
    auto done = run_program(
        {"systemctl", "set-property", "--runtime", knob.name, "AllowedCPUs=" + to}, "systemd");
    if (!done && first) first = std::move(done);
    show.push_back(knob.name);
  }
  // It answers when it has told the kernel what it was told before.
  auto shown = run_program(show, "systemd");
  return first ? shown : first;
}

Result<> set_knobs(const Root& root, const std::vector<KeptKnob>& knobs, const CpuSet& host,
                   SetSlices set) {
  std::vector<KeptKnob> slices;
  for (const auto& knob : knobs) {
    if (!knob.wants_change()) continue;
    if (knob.knob.kind == KnobKind::slice) slices.push_back(knob);
    (void)write_knob(root, knob);
  }
  if (slices.empty()) return {};
  // Without its own value the last slice has no controller any more, and the kernel forgets then
  // to move the tasks of the others: each gets all CPUs by name first.
  auto named = slices;
  std::erase_if(named, [](const KeptKnob& slice) { return !slice.to.empty(); });
  for (auto& slice : named) slice.to = to_string(host);
  if (!named.empty()) TRY(set(named));
  TRY(set(slices));
  for (const auto& slice : slices)
    if (const auto actual = cpus_of_slice(root, slice.knob.name); actual != slice.to)
      return std::unexpected(not_obeyed(slice, actual));
  return {};
}

std::string drop_in_of(std::string_view slice) {
  return fmt::format("/run/systemd/system.control/{}.d/50-AllowedCPUs.conf", slice);
}

}  // namespace hv::run
