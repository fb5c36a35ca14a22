// SPDX-License-Identifier: MIT
#include "launcher/plan/pinning_parts.h"

#include <algorithm>
#include <map>
#include <tuple>

namespace hv::plan {
namespace {

using host::Core;
using profiles::Placement;
using profiles::Smt;

bool is(const PinningInputs& in, Placement placement) {
  const auto* const wish = std::get_if<Placement>(&in.wish.vcpus.value);
  return wish != nullptr && *wish == placement;
}

/// How well a core's node can give the guest its memory; the less the better:
/// 0 of what is free, 1 by making more huge pages first, 2 not at all.
int want_of_memory(const PinningInputs& in, const Core& core) {
  const auto* const node = in.host.find_node(core.node);
  if (node == nullptr) return 0;
  if (in.huge_page_kib == 0) return node->free_mib >= in.memory_mib ? 0 : 2;
  const auto pool = std::ranges::find(node->pools, in.huge_page_kib, &host::NodePool::page_kib);
  if (pool == node->pools.end()) return 2;
  const auto free_mib = pool->free * pool->page_kib / 1024;
  if (free_mib >= in.memory_mib) return 0;
  return free_mib + node->free_mib >= in.memory_mib ? 1 : 2;
}

/// One core of each cache in turn, until none is left.
Cores in_turns(const std::vector<Cores>& caches) {
  Cores chosen;
  for (std::size_t i = 0; i < caches.front().size(); ++i)
    for (const auto& cache : caches)
      if (i < cache.size()) chosen.push_back(cache[i]);
  return chosen;
}

/// The cores to fill, in order; `caches` has the roomiest first. As many from
/// each cache, so that the guest can be shown them as dies: from the fewest
/// caches that will do, or for `spread` from most of them. Where the number
/// does not divide so: the roomiest first, or all in turns.
Cores fill_order(const PinningInputs& in, const std::vector<Cores>& caches, Smt smt) {
  const bool spread = is(in, Placement::spread);
  const auto each = width_of(*caches.front().front(), smt);
  const auto wanted = (in.vcpus + each - 1) / each;
  const auto fits = [&](std::size_t count) {
    return wanted % count == 0 && caches[count - 1].size() >= wanted / count;
  };
  const auto most = std::min<std::size_t>(caches.size(), wanted);
  std::size_t count = spread ? most : 1;
  if (spread)
    while (count * 2 > most && !fits(count)) --count;
  else
    while (count < most && !fits(count)) ++count;
  const bool alike = std::ranges::all_of(
      caches, [&](const Cores& cache) { return room(cache, smt) == cache.size() * each; });
  Cores chosen;
  if (alike && fits(std::max<std::size_t>(count, 1)) && (!spread || count * 2 > most)) {
    for (std::size_t i = 0; i < count; ++i)
      for (std::size_t j = 0; j < wanted / count; ++j) chosen.push_back(caches[i][j]);
    return chosen;
  }
  if (spread) return in_turns(caches);
  for (const auto& cache : caches) std::ranges::copy(cache, std::back_inserter(chosen));
  return chosen;
}

/// The cores of a domain that has the room, in the host's order.
Cores pick(const PinningInputs& in, const Cores& domain, Smt smt) {
  auto caches = domains(in, domain, Scope::cache);
  std::ranges::stable_sort(caches, std::ranges::greater{},
                           [&](const Cores& cache) { return room(cache, smt); });
  auto chosen = fill_order(in, caches, smt);
  std::size_t room = 0;
  const auto enough = std::ranges::find_if(chosen, [&](const Core* core) {
    const bool done = room >= in.vcpus;
    room += width_of(*core, smt);
    return done;
  });
  chosen.erase(enough, chosen.end());
  std::ranges::sort(chosen);  // They point into Topology::cores, which is in order.
  return chosen;
}

}  // namespace

std::vector<Cores> domains(const PinningInputs& in, const Cores& cores, Scope scope) {
  // A cache of two nodes (rare: sub-NUMA clusters) is one for `one-l3` only.
  const bool by_node =
      scope == Scope::node || (scope == Scope::cache && !is(in, Placement::one_l3));
  std::map<std::pair<std::uint32_t, std::size_t>, Cores> domains;
  for (const auto* const core : cores)
    domains[{by_node ? core->node : 0, scope == Scope::cache ? core->cache : 0}].push_back(core);
  std::vector<Cores> list;
  list.reserve(domains.size());
  for (auto& [key, members] : domains) list.push_back(std::move(members));
  return list;
}

std::size_t width_of(const Core& core, Smt smt) {
  return smt == Smt::avoid ? 1 : core.cpus.size();
}

std::size_t room(const Cores& cores, Smt smt) {
  std::size_t cpus = 0;
  for (const auto* const core : cores) cpus += width_of(*core, smt);
  return cpus;
}

/// The domain that fits best: with the memory, away from CPU 0, and the
/// fullest, so that large ones stay whole for others.
std::optional<Cores> best_cores(const PinningInputs& in, const Cores& cores, Try with) {
  const Cores* found = nullptr;
  std::tuple<int, bool, std::size_t> least;
  const auto candidates = domains(in, cores, with.scope);
  const auto* const first = in.host.core_of(0);
  for (const auto& domain : candidates) {
    const auto space = room(domain, with.smt);
    if (space < in.vcpus) continue;
    const auto& core = *domain.front();
    const bool beside_first =
        first != nullptr && (with.scope == Scope::cache  ? core.cache == first->cache
                             : with.scope == Scope::node ? core.node == first->node
                                                         : true);
    const std::tuple rank{want_of_memory(in, core), beside_first, space};
    if (found != nullptr && rank >= least) continue;
    found = &domain;
    least = rank;
  }
  if (found == nullptr) return std::nullopt;
  return pick(in, *found, with.smt);
}

}  // namespace hv::plan
