// SPDX-License-Identifier: MIT
#include "launcher/run/isolation.h"

#include "launcher/base/text.h"
#include "launcher/run/lock.h"

#include <fcntl.h>

#include <algorithm>

namespace hv::run {
namespace {

using plan::KeptKnob;
using plan::KnobKind;

constexpr std::string_view kept_of = "kept";  // The owner of a slice's drop-in that is not ours.

/// What is remembered from the first isolation to the last.
class Record {
 public:
  Record(const Root& root, const std::string& runtime)
      : root_(root), path_(runtime + "/.isolation") {}

  [[nodiscard]] std::vector<KeptKnob> load() const {
    const auto text = root_.read(path_);
    if (!text) return {};
    const auto end = text->find('\n');
    // What an earlier boot has set is gone.
    if (end == std::string::npos || std::string_view(*text).substr(0, end) != boot()) return {};
    return plan::parse_kept_knobs(std::string_view(*text).substr(end));
  }
  [[nodiscard]] Result<> save(const std::vector<KeptKnob>& knobs) const {
    return root_.replace(path_, boot() + "\n" + plan::to_text(knobs));
  }
  [[nodiscard]] Result<> forget() const { return root_.remove(path_); }

 private:
  [[nodiscard]] std::string boot() const {
    return "boot " + root_.read("/proc/sys/kernel/random/boot_id").value_or("");
  }

  const Root& root_;
  std::string path_;
};

Result<Turn> take_isolation_turn(const Root& root, const std::string& runtime) {
  constexpr std::chrono::seconds patience{30};
  return Turn::take(root, runtime + "/.isolation.lock", patience);
}

/// Of guests that run, but this one.
CpuSet isolated_by_others(const Place& place) {
  CpuSet cpus;
  const auto names = place.root.list(place.paths.runtime);
  if (!names) return cpus;
  for (const auto& name : *names) {
    const Place other{place.root, place.paths, name};
    if (name == place.vm || name.starts_with('.') || !is_locked(place.root, other.lock())) continue;
    if (const auto text = place.root.read(other.file("isolated")))
      cpus |= parse_cpu_set(*text).value_or(CpuSet());
  }
  return cpus;
}

CpuSet governed(const std::vector<KeptKnob>& knobs) {
  CpuSet cpus;
  for (const auto& [knob, base, to] : knobs)
    if (knob.kind == KnobKind::governor) cpus |= parse_cpu_set(knob.name).value_or(CpuSet());
  return cpus;
}

/// A drop-in that was there before the first isolation stays after the last.
void remember_drop_ins(const Root& root, const std::vector<KeptKnob>& before,
                       std::vector<plan::Knob>& knobs) {
  for (auto& knob : knobs) {
    if (knob.kind != KnobKind::slice) continue;
    const auto known = std::ranges::find_if(
        before, [&](const KeptKnob& kept) { return kept.knob.name == knob.name; });
    if (known != before.end())
      knob.owner = known->knob.owner;
    else if (root.exists(drop_in_of(knob.name)))
      knob.owner = kept_of;
  }
}

/// systemd has the base back, and needs no file for it.
void remove_drop_ins(const Root& root, const std::vector<KeptKnob>& knobs) {
  for (const auto& [knob, base, to] : knobs) {
    if (knob.kind != KnobKind::slice || knob.owner == kept_of) continue;
    auto path = drop_in_of(knob.name);
    (void)root.remove(path);
    // And its two directories, unless there are others in them.
    for (int i = 0; i < 2; ++i) (void)root.remove(path.erase(path.rfind('/')));
  }
}

/// Makes the host what it is to be while these CPUs are isolated.
Result<> settle(const Root& root, const std::string& runtime, const CpuSet& isolated,
                SetSlices set) {
  const Record record(root, runtime);
  const auto before = record.load();
  if (isolated.empty() && before.empty()) return record.forget();
  const auto present = TRY(root.read("/sys/devices/system/cpu/present"));
  const auto host = TRY(parse_cpu_set(present));
  if (host - isolated == CpuSet())
    return std::unexpected(with_hint(
        {.fault = Fault::missing,
         .id = "no-cpu-for-host",
         .message =
             fmt::format("with CPU {} isolated, none is left for the host", to_string(isolated))},
        "stop another guest that isolates its CPUs, or give this one fewer"));
  auto knobs = read_knobs(root, isolated | governed(before));
  remember_drop_ins(root, before, knobs);
  const auto kept = plan::next(before, std::move(knobs), isolated, host);
  TRY(record.save(kept));
  TRY(set_knobs(root, kept, host, set));
  if (!isolated.empty()) return {};
  remove_drop_ins(root, kept);
  return record.forget();
}

Result<> check_host(const Root& root) {
  if (const auto may = root.open_file("/proc/irq/default_smp_affinity", O_WRONLY); !may)
    return std::unexpected(with_hint(may.error(),
                                     "only root may keep the host off CPUs: start the "
                                     "guest as root, or take \"isolate\" out"));
  if (!root.exists("/run/systemd/system"))
    return std::unexpected(with_hint({.fault = Fault::missing,
                                      .id = "no-systemd",
                                      .message = "the host's programs are kept off CPUs by "
                                                 "systemd, and it does not run here"},
                                     "take \"isolate\" out, and use isolcpus= on the kernel's "
                                     "command line"));
  if (!in_host_slice(root)) return {};
  return std::unexpected(
      with_hint({.fault = Fault::missing,
                 .id = "host-slice",
                 .message = "the guest would be in a slice of the host, which the CPUs are "
                            "taken from"},
                "Slice=hvlaunch.slice in its unit"));
}

}  // namespace

bool in_host_slice(const Root& root) {
  const auto text = root.read("/proc/self/cgroup").value_or("");
  for (const auto line : split(text, '\n')) {
    constexpr std::string_view unified = "0::/";
    if (!line.starts_with(unified)) continue;
    const auto path = line.substr(unified.size());
    return std::ranges::find(host_slices, path.substr(0, path.find('/'))) != host_slices.end();
  }
  return false;
}

Result<> isolate_cpus(const Place& place, const CpuSet& cpus, Journal& journal, SetSlices set) {
  const auto& runtime = place.paths.runtime;
  TRY(check_host(place.root));
  const auto turn = TRY(take_isolation_turn(place.root, runtime), "isolating CPUs");
  TRY(journal.record({.kind = Undo::Kind::release_cpus, .path = place.directory()}));
  TRY(place.root.replace(place.file("isolated"), to_string(cpus)));
  TRY(settle(place.root, runtime, cpus | isolated_by_others(place), set), "isolating CPU {}",
      to_string(cpus));
  return {};
}

Result<> release_cpus(const Root& root, const Undo& entry, SetSlices set) {
  const auto slash = entry.path.rfind('/');
  if (slash == std::string::npos || slash == 0)
    return fail(Fault::failed, "damaged-journal", "'{}' is no guest's directory",
                printable(entry.path));
  const Paths paths{.profiles = {},
                    .config = {},
                    .state = {},
                    .runtime = entry.path.substr(0, slash),
                    .cache = {},
                    .firmware_config = {}};
  const Place place{root, paths, entry.path.substr(slash + 1)};
  const auto turn = TRY(take_isolation_turn(root, paths.runtime), "giving CPUs back");
  TRY(root.remove(place.file("isolated")));
  TRY(settle(root, paths.runtime, isolated_by_others(place), set), "giving CPUs back");
  return {};
}

Quiet quiet_of(const Place& place) {
  const auto text = place.root.read(place.file("isolated"));
  Quiet quiet{.cpus = parse_cpu_set(text.value_or("")).value_or(CpuSet()), .slices = {}};
  if (quiet.cpus.empty()) return quiet;
  for (const auto& knob : read_knobs(place.root, {})) {
    const auto cpus = parse_cpu_set(knob.value);
    const bool reaches = !cpus || cpus->intersects(quiet.cpus);
    if (reaches && knob.kind == KnobKind::slice) quiet.slices.push_back(knob.name);
    if (reaches && knob.kind == KnobKind::interrupt) ++quiet.interrupts;
  }
  return quiet;
}

}  // namespace hv::run
