// SPDX-License-Identifier: MIT
#include "launcher/base/text.h"
#include "launcher/plan/pinning_parts.h"
#include "profiles/words.h"

#include <algorithm>
#include <map>
#include <tuple>

namespace hv::plan {
namespace {

using host::Core;
using host::CpuKind;
using profiles::NearDevice;
using profiles::Placement;
using profiles::Smt;
using Cores = std::vector<const Core*>;

/// How far apart the cores of one guest may be, from near to far.
enum class Scope : std::uint8_t { cache, node, host };

/// What one try may use.
struct Try {
  Scope scope;
  Smt smt;
};

class Placer {
 public:
  explicit Placer(const PinningInputs& in) : in_(&in), free_(free_cpus(in)) {
    if (const auto* const placement = std::get_if<Placement>(&in.wish.vcpus.value))
      placement_ = *placement;
    else
      near_ = &std::get<NearDevice>(in.wish.vcpus.value);
    const auto* const first = in.host.core_of(0);
    if (first != nullptr) first_core_ = first->cpus;
  }

  std::expected<Placed, Errors> place(std::vector<Warning>& warnings);

 private:
  [[nodiscard]] std::vector<Scope> scopes() const;
  [[nodiscard]] std::vector<Smt> ways() const;
  [[nodiscard]] std::vector<Cores> sources() const;
  [[nodiscard]] Cores eligible() const;
  [[nodiscard]] bool is_wanted(const Core& core) const;
  [[nodiscard]] bool has_memory(const Core& core) const;
  [[nodiscard]] std::vector<Cores> domains(const Cores& cores, Scope scope) const;
  [[nodiscard]] std::size_t room(const Cores& cores, Smt smt) const;
  [[nodiscard]] Cores pick(const Cores& domain, Smt smt) const;
  [[nodiscard]] Cores picked_evenly(std::vector<Cores>& caches, Smt smt) const;
  [[nodiscard]] std::optional<Cores> best(const Cores& cores, Try with) const;
  [[nodiscard]] std::vector<Slot> filled(const Cores& cores, Smt smt) const;
  [[nodiscard]] std::string reason(const std::vector<Slot>& slots) const;
  [[nodiscard]] Error no_room(const Cores& cores) const;

  [[nodiscard]] std::size_t width(const Core& core, Smt smt) const {
    return smt == Smt::avoid ? 1 : core.cpus.size();
  }
  [[nodiscard]] bool is(Placement placement) const { return placement_ == placement; }
  [[nodiscard]] Cores without_first(const Cores& cores) const {
    Cores rest;
    std::ranges::copy_if(cores, std::back_inserter(rest),
                         [&](const Core* core) { return core->cpus != first_core_; });
    return rest;
  }

  const PinningInputs* in_;
  CpuSet free_;
  CpuSet first_core_;
  std::optional<Placement> placement_;
  const NearDevice* near_ = nullptr;
};

std::vector<Scope> Placer::scopes() const {
  if (near_ != nullptr) return {Scope::cache, Scope::node, Scope::host};  // Of the near cores.
  switch (*placement_) {
    case Placement::one_l3: return {Scope::cache};
    case Placement::one_node: return {Scope::cache, Scope::node};
    case Placement::p_cores:
    case Placement::e_cores: return {Scope::cache, Scope::node, Scope::host};
    case Placement::spread: return {Scope::host};
  }
  std::unreachable();
}

/// How SMT may be used, the best first. Pairs want a number of vCPUs that they
/// divide; a core each is the honest thing for one that they do not.
std::vector<Smt> Placer::ways() const {
  const auto& threads = in_->guest.threads;
  if (in_->wish.smt.value) return {*in_->wish.smt.value};
  if (threads.given()) return {threads.value > 1 ? Smt::pair : Smt::avoid};
  if (is(Placement::spread)) return {Smt::avoid};
  if (in_->vcpus % 2 != 0) return {Smt::avoid, Smt::pair};
  return {Smt::pair};
}

bool Placer::is_wanted(const Core& core) const {
  if (is(Placement::p_cores)) return core.kind == CpuKind::performance;
  if (is(Placement::e_cores)) return core.kind == CpuKind::efficiency;
  if (near_ == nullptr || !in_->near) return true;
  if (!in_->near->local.empty()) return core.cpus.intersects(in_->near->local);
  return !in_->near->node || core.node == *in_->near->node;
}

/// Whole cores of which every CPU is free.
Cores Placer::eligible() const {
  Cores cores;
  for (const auto& core : in_->host.cores)
    if (is_wanted(core) && free_.contains(core.cpus)) cores.push_back(&core);
  return cores;
}

/// The cores to choose from, in the order to try: of one kind before mixed,
/// isolated ones before others, and CPU 0's core only when all else is too few.
std::vector<Cores> Placer::sources() const {
  const auto all = eligible();
  std::vector<Cores> kinds;
  for (const auto kind : {CpuKind::performance, CpuKind::efficiency})
    if (in_->host.hybrid()) {
      kinds.emplace_back();
      std::ranges::copy_if(all, std::back_inserter(kinds.back()),
                           [&](const Core* core) { return core->kind == kind; });
    }
  kinds.push_back(all);
  std::vector<Cores> sources;
  for (const auto& cores : kinds) {
    Cores isolated;
    std::ranges::copy_if(cores, std::back_inserter(isolated),
                         [&](const Core* core) { return in_->host.isolated.contains(core->cpus); });
    sources.push_back(std::move(isolated));
    sources.push_back(without_first(cores));
    sources.push_back(cores);
  }
  return sources;
}

std::vector<Cores> Placer::domains(const Cores& cores, Scope scope) const {
  // A cache of two nodes (rare: sub-NUMA clusters) is one for `one-l3` only.
  const bool by_node = scope == Scope::node || (scope == Scope::cache && !is(Placement::one_l3));
  std::map<std::pair<std::uint32_t, std::size_t>, Cores> domains;
  for (const auto* const core : cores)
    domains[{by_node ? core->node : 0, scope == Scope::cache ? core->cache : 0}].push_back(core);
  std::vector<Cores> list;
  for (auto& [key, members] : domains) list.push_back(std::move(members));
  return list;
}

std::size_t Placer::room(const Cores& cores, Smt smt) const {
  std::size_t cpus = 0;
  for (const auto* const core : cores) cpus += width(*core, smt);
  return cpus;
}

bool Placer::has_memory(const Core& core) const {
  const auto* const node = in_->host.find_node(core.node);
  if (node == nullptr || in_->huge_page_kib == 0)
    return node == nullptr || node->free_mib >= in_->memory_mib;
  const auto pool = std::ranges::find(node->pools, in_->huge_page_kib, &host::NodePool::page_kib);
  return pool != node->pools.end() && pool->free * pool->page_kib / 1024 >= in_->memory_mib;
}

/// As many from each of the fewest caches that do, or else the fullest first.
Cores Placer::picked_evenly(std::vector<Cores>& caches, Smt smt) const {
  const auto each = width(*caches.front().front(), smt);
  const auto wanted = (in_->vcpus + each - 1) / each;
  const auto fits = [&](std::size_t count) {
    return wanted % count == 0 && caches[count - 1].size() >= wanted / count;
  };
  std::size_t count = is(Placement::spread) ? std::min<std::size_t>(caches.size(), wanted) : 1;
  if (is(Placement::spread))
    while (count > 1 && !fits(count)) --count;
  else
    while (count < caches.size() && !fits(count)) ++count;
  const bool alike = std::ranges::all_of(
      caches, [&](const Cores& cache) { return room(cache, smt) == cache.size() * each; });
  Cores chosen;
  if (!alike || !fits(count)) {
    for (const auto& cache : caches) std::ranges::copy(cache, std::back_inserter(chosen));
    return chosen;
  }
  for (std::size_t i = 0; i < count; ++i)
    for (std::size_t j = 0; j < wanted / count; ++j) chosen.push_back(caches[i][j]);
  return chosen;
}

/// The cores of a domain that has the room, in the host's order.
Cores Placer::pick(const Cores& domain, Smt smt) const {
  auto caches = domains(domain, Scope::cache);
  std::ranges::stable_sort(caches, std::ranges::greater{},
                           [&](const Cores& cache) { return room(cache, smt); });
  auto chosen = picked_evenly(caches, smt);
  std::size_t room = 0;
  const auto enough = std::ranges::find_if(chosen, [&](const Core* core) {
    const bool done = room >= in_->vcpus;
    room += width(*core, smt);
    return done;
  });
  chosen.erase(enough, chosen.end());
  std::ranges::sort(chosen);  // They point into Topology::cores, which is in order.
  return chosen;
}

/// The domain that fits best: with the memory, away from CPU 0, and the
/// fullest, so that large ones stay whole for others.
std::optional<Cores> Placer::best(const Cores& cores, Try with) const {
  const Cores* found = nullptr;
  std::tuple<bool, bool, std::size_t> least;
  const auto candidates = domains(cores, with.scope);
  const auto* const first = in_->host.core_of(0);
  for (const auto& domain : candidates) {
    const auto space = room(domain, with.smt);
    if (space < in_->vcpus) continue;
    const auto& core = *domain.front();
    const bool beside_first =
        first != nullptr && (with.scope == Scope::cache  ? core.cache == first->cache
                             : with.scope == Scope::node ? core.node == first->node
                                                         : true);
    const std::tuple rank{!has_memory(core), beside_first, space};
    if (found != nullptr && rank >= least) continue;
    found = &domain;
    least = rank;
  }
  if (found == nullptr) return std::nullopt;
  return pick(*found, with.smt);
}

std::vector<Slot> Placer::filled(const Cores& cores, Smt smt) const {
  std::vector<Slot> slots;
  std::size_t left = in_->vcpus;
  for (const auto* const core : cores) {
    Slot slot{.core = core};
    for (const auto cpu : core->cpus)
      if (left > 0 && slot.used.size() < width(*core, smt)) {
        slot.used.push_back(cpu);
        --left;
      }
    slots.push_back(std::move(slot));
  }
  return slots;
}

std::string Placer::reason(const std::vector<Slot>& slots) const {
  CpuSet caches;
  CpuSet nodes;
  bool first = false;
  for (const auto& slot : slots) {
    caches.insert(static_cast<std::uint32_t>(slot.core->cache));
    nodes.insert(slot.core->node);
    first = first || slot.core->cpus == first_core_;
  }
  const auto& cache = in_->host.caches[caches.front()];
  auto where = caches.size() > 1 ? fmt::format("{} caches", caches.size())
               : cache.level > 0
                   ? fmt::format("the L{} of CPUs {}", cache.level, to_string(cache.cpus))
                   : fmt::format("CPUs {}", to_string(cache.cpus));
  if (in_->host.nodes.size() > 1)
    where += fmt::format(", NUMA node{} {}", nodes.size() > 1 ? "s" : "", to_string(nodes));
  const auto intent = near_ != nullptr
                          ? fmt::format("near {}", near_->device)
                          : std::string(profiles::word_of(profiles::placement_words, *placement_));
  return fmt::format("{}: {} on {} of {}{}", intent, counted(in_->vcpus, "vCPU"),
                     counted(slots.size(), "core"), where,
                     first ? "" : "; CPU 0's core is left to the host");
}

Error Placer::no_room(const Cores& cores) const {
  const auto scope = scopes().back();
  const auto smt = ways().back();
  Cores all;
  for (const auto& core : in_->host.cores)
    if (is_wanted(core)) all.push_back(&core);
  std::size_t largest = 0;
  std::string which = "none";
  for (const auto& domain : domains(all, scope)) {
    if (room(domain, smt) <= largest) continue;
    largest = room(domain, smt);
    CpuSet cpus;
    for (const auto* const core : domain) cpus |= core->cpus;
    which = to_string(cpus);
  }
  std::size_t most = 0;
  for (const auto& domain : domains(cores, scope)) most = std::max(most, room(domain, smt));
  const auto where = near_ != nullptr         ? fmt::format("near {}", near_->device)
                     : is(Placement::p_cores) ? "on the performance cores"
                     : is(Placement::e_cores) ? "on the efficiency cores"
                     : scope == Scope::cache  ? "in one L3"
                     : scope == Scope::node   ? "in one NUMA node"
                                              : "on this host";
  std::vector<std::string> guests;
  for (const auto& claim : in_->claims) guests.push_back(claim.guest);
  const std::string advice =
      largest >= in_->vcpus && !guests.empty()
          ? fmt::format("stop a guest that has the others ({})", join(guests, ", "))
      : smt == Smt::avoid     ? "set fewer vCPUs, or \"smt\": \"pair\""
      : scope == Scope::cache ? "set fewer vCPUs, or \"vcpus\": \"one-node\""
      : scope == Scope::node  ? "set fewer vCPUs, or \"vcpus\": \"spread\""
                              : "set fewer vCPUs";
  return {.fault = Fault::missing,
          .id = "no-room-for-vcpus",
          .message = fmt::format(
              "'{}' vCPUs do not fit {}: there is room for {} at most{}", in_->vcpus, where, most,
              largest > most ? fmt::format(", and for {} were all of {} free", largest, which)
                             : fmt::format(" (CPUs {})", which)),
          .origin = {.pointer = in_->wish.vcpus.pointer},
          .hint = advice};
}

std::expected<Placed, Errors> Placer::place(std::vector<Warning>& warnings) {
  const bool by_kind = is(Placement::p_cores) || is(Placement::e_cores);
  if (by_kind && !in_->host.hybrid())
    return std::unexpected(
        Errors{{.fault = Fault::missing,
                .id = "no-cpu-kinds",
                .message = fmt::format("'{}': all cores of this host are of one kind",
                                       profiles::word_of(profiles::placement_words, *placement_)),
                .origin = {.pointer = in_->wish.vcpus.pointer},
                .hint = "use \"one-l3\" or \"one-node\""}});
  const bool placed_device = in_->near && (in_->near->node || !in_->near->local.empty());
  if (near_ != nullptr && !placed_device && in_->host.nodes.size() > 1)
    warnings.push_back({"device-without-node",
                        fmt::format("the firmware does not say which NUMA node {} is on: its "
                                    "guest's vCPUs may be far from it",
                                    near_->device)});
  for (const auto& source : sources())
    for (const auto smt : ways())
      for (const auto scope : scopes()) {
        const auto cores = best(source, {.scope = scope, .smt = smt});
        if (!cores) continue;
        Placed placed{.slots = filled(*cores, smt), .why = {}};
        placed.why = reason(placed.slots);
        const bool mixed = std::ranges::any_of(placed.slots, [&](const Slot& slot) {
          return slot.core->kind != placed.slots.front().core->kind;
        });
        if (mixed)
          warnings.push_back({"mixed-cores",
                              "the vCPUs run on performance and on efficiency cores, and the guest "
                              "takes them for equal"});
        return placed;
      }
  return std::unexpected(Errors{no_room(eligible())});
}

}  // namespace

std::expected<Placed, Errors> place(const PinningInputs& in, std::vector<Warning>& warnings) {
  return Placer(in).place(warnings);
}

}  // namespace hv::plan
