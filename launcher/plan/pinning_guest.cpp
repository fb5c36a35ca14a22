// SPDX-License-Identifier: MIT
#include "launcher/plan/pinning_parts.h"

#include <algorithm>

namespace hv::plan {
namespace {

/// In how many runs of the same length `keys` fall, each of another key; 1 if
/// they are not even.
template <class Key>
std::uint64_t even_runs(const std::vector<Key>& keys) {
  std::vector<Key> seen;
  std::vector<std::size_t> lengths;
  for (const auto& key : keys) {
    if (seen.empty() || key != seen.back()) {
      if (std::ranges::find(seen, key) != seen.end()) return 1;
      seen.push_back(key);
      lengths.push_back(0);
    }
    ++lengths.back();
  }
  const bool even =
      std::ranges::all_of(lengths, [&](std::size_t length) { return length == lengths[0]; });
  return even ? std::max<std::uint64_t>(lengths.size(), 1) : 1;
}

/// What the profile says, where it says anything.
std::optional<Choice<Cpus>> given(const PinningInputs& in) {
  const auto& [sockets, dies, cores, threads] = in.guest;
  for (const auto* const part : {&threads, &cores, &dies, &sockets})
    if (part->given()) {
      const auto at_least_one = [](std::uint64_t value) {
        return std::max<std::uint64_t>(value, 1);
      };
      return Choice<Cpus>{{.count = in.vcpus,
                           .sockets = at_least_one(sockets.value),
                           .dies = at_least_one(dies.value),
                           .cores = at_least_one(cores.value),
                           .threads = at_least_one(threads.value)},
                          {.pointer = part->pointer, .why = "the profile's topology"}};
    }
  return std::nullopt;
}

/// The host core that all CPUs of the vCPU are on; nullptr: several.
const host::Core* only_core(const PinningInputs& in, const CpuSet& cpus) {
  const auto* const core = cpus.empty() ? nullptr : in.host.core_of(cpus.front());
  return core != nullptr && core->cpus.contains(cpus) ? core : nullptr;
}

/// vCPUs that follow each other on one core as one slot, if all do so evenly;
/// else a slot each. None: some vCPU has no one core.
std::vector<Slot> slots_of(const PinningInputs& in, const std::vector<Choice<CpuSet>>& vcpus) {
  std::vector<Slot> paired;
  std::vector<Slot> single;
  for (const auto& [cpus, cause] : vcpus) {
    const auto* const core = only_core(in, cpus);
    if (core == nullptr || cpus.size() != 1) return {};
    single.push_back({.core = core, .used = {cpus.front()}});
    if (paired.empty() || paired.back().core != core) paired.push_back({.core = core, .used = {}});
    paired.back().used.push_back(cpus.front());
  }
  const auto width = paired.empty() ? 0 : paired.front().used.size();
  const bool even = std::ranges::all_of(paired, [&](const Slot& slot) {
    return slot.used.size() == width && CpuSet(slot.used).size() == width;
  });
  return even ? paired : single;
}

}  // namespace

Choice<Cpus> guest_of(const PinningInputs& in, const std::vector<Slot>& slots) {
  if (auto wish = given(in)) return *std::move(wish);
  const Cause plain{.rule = "pinning", .why = "one core for each vCPU"};
  if (slots.empty()) return {{.count = in.vcpus, .cores = in.vcpus}, plain};

  const auto threads = slots.front().used.size();
  const bool even =
      std::ranges::all_of(slots, [&](const Slot& slot) { return slot.used.size() == threads; });
  if (!even) return {{.count = in.vcpus, .cores = in.vcpus}, plain};

  std::vector<std::uint32_t> packages;
  std::vector<std::size_t> caches;
  for (const auto& slot : slots) {
    packages.push_back(slot.core->package);
    caches.push_back(slot.core->cache);
  }
  const auto sockets = even_runs(packages);
  const auto groups = even_runs(caches);
  const auto dies = in.dies == Dies::possible && groups % sockets == 0 ? groups / sockets : 1;
  std::string why = threads > 1 ? "SMT siblings of the guest are SMT siblings of the host"
                                : "one core for each vCPU";
  if (sockets > 1) why += ", a socket for each package";
  if (dies > 1) why += ", a die for each L3";
  return {{.count = in.vcpus,
           .sockets = sockets,
           .dies = dies,
           .cores = slots.size() / sockets / dies,
           .threads = threads},
          {.rule = "pinning", .why = std::move(why)}};
}

Choice<Cpus> guest_of(const PinningInputs& in, const std::vector<Choice<CpuSet>>& vcpus) {
  return guest_of(in, slots_of(in, vcpus));
}

std::vector<Warning> thread_warnings(const PinningInputs& in, const Pins& pins) {
  const auto threads = pins.guest.value.threads;
  std::vector<Warning> warnings;
  const auto warn = [&](std::string_view id, std::string message) {
    if (std::ranges::find(warnings, id, &Warning::id) == warnings.end())
      warnings.push_back({std::string(id), std::move(message)});
  };
  std::vector<const host::Core*> cores;
  cores.reserve(pins.vcpus.size());
  for (const auto& vcpu : pins.vcpus)
    cores.push_back(vcpu.value.size() == 1 ? only_core(in, vcpu.value) : nullptr);
  for (std::size_t i = 0; i < cores.size(); ++i)
    for (std::size_t j = i + 1; j < cores.size(); ++j) {
      if (cores[i] == nullptr || cores[j] == nullptr) continue;
      const bool in_guest = i / threads == j / threads;
      const bool on_host = cores[i] == cores[j];
      if (on_host && !in_guest && pins.vcpus[i].value != pins.vcpus[j].value)
        warn("siblings-apart",
             fmt::format("vCPUs {} and {} run on SMT siblings (CPUs {}), and the guest takes "
                         "them for whole cores",
                         i, j, to_string(cores[i]->cpus)));
      if (in_guest && !on_host)
        warn("threads-apart",
             fmt::format("the guest takes vCPUs {} and {} for threads of one core, and they "
                         "run on two",
                         i, j));
    }
  return warnings;
}

}  // namespace hv::plan
