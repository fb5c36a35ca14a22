// SPDX-License-Identifier: MIT
#include "launcher/base/text.h"
#include "launcher/plan/pinning_parts.h"
#include "profiles/words.h"

#include <algorithm>

namespace hv::plan {
namespace {

using host::Core;
using host::CpuKind;
using profiles::NearDevice;
using profiles::Placement;
using profiles::Smt;

class Placer {
 public:
  explicit Placer(const PinningInputs& in) : in_(&in), free_(free_cpus(in) - in.taken) {
    if (const auto* const placement = std::get_if<Placement>(&in.wish.vcpus.value))
      placement_ = *placement;
    else
      near_ = &std::get<NearDevice>(in.wish.vcpus.value);
    const auto* const first = in.host.core_of(0);
    if (first != nullptr) first_core_ = first->cpus;
  }

  [[nodiscard]] std::expected<Placed, Errors> place(std::vector<Warning>& warnings) const;

 private:
  [[nodiscard]] std::vector<Scope> scopes() const;
  [[nodiscard]] std::vector<Smt> ways() const;
  [[nodiscard]] std::vector<Cores> sources() const;
  [[nodiscard]] Cores eligible() const;
  [[nodiscard]] bool is_wanted(const Core& core) const;
  [[nodiscard]] std::vector<Slot> filled(const Cores& cores, Smt smt) const;
  [[nodiscard]] std::string reason(const std::vector<Slot>& slots) const;
  [[nodiscard]] std::string where() const;
  [[nodiscard]] std::string advice(bool others_have_it) const;
  [[nodiscard]] Error no_room() const;
  [[nodiscard]] std::optional<Placed> first_fit() const;

  [[nodiscard]] bool is(Placement placement) const {
    return near_ == nullptr && placement_ == placement;
  }
  [[nodiscard]] Cores without_first(const Cores& cores) const {
    Cores rest;
    std::ranges::copy_if(cores, std::back_inserter(rest),
                         [&](const Core* core) { return core->cpus != first_core_; });
    return rest;
  }

  const PinningInputs* in_;
  CpuSet free_;
  CpuSet first_core_;
  Placement placement_ = Placement::one_l3;  // Unless near a device.
  const NearDevice* near_ = nullptr;
};

std::vector<Scope> Placer::scopes() const {
  if (near_ != nullptr) return {Scope::cache, Scope::node, Scope::host};  // Of the near cores.
  switch (placement_) {
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
  if (!in_->within.empty() && !in_->within.contains(core.cpus)) return false;
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

std::vector<Slot> Placer::filled(const Cores& cores, Smt smt) const {
  std::vector<Slot> slots;
  std::size_t left = in_->vcpus;
  for (const auto* const core : cores) {
    Slot slot{.core = core};
    for (const auto cpu : core->cpus)
      if (left > 0 && slot.used.size() < width_of(*core, smt)) {
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
                          : std::string(profiles::word_of(profiles::placement_words, placement_));
  return fmt::format("{}: {} on {} of {}{}", intent, counted(in_->vcpus, "vCPU"),
                     counted(slots.size(), "core"), where,
                     first ? "" : "; CPU 0's core is left to the host");
}

/// "in one L3": where they do not fit.
std::string Placer::where() const {
  if (near_ != nullptr) return fmt::format("near {}", near_->device);
  switch (placement_) {
    case Placement::one_l3: return "in one L3";
    case Placement::one_node: return "in one NUMA node";
    case Placement::p_cores: return "on the performance cores";
    case Placement::e_cores: return "on the efficiency cores";
    case Placement::spread: return "on this host";
  }
  std::unreachable();
}

std::string Placer::advice(bool others_have_it) const {
  if (others_have_it) {
    std::vector<std::string> guests;
    for (const auto& claim : in_->claims) guests.push_back(claim.guest);
    return fmt::format("stop a guest that has the others ({})", join(guests, ", "));
  }
  std::string_view wider;
  if (ways().back() == Smt::avoid)
    wider = R"(, or "smt": "pair")";
  else if (is(Placement::one_l3))
    wider = R"(, or "place": "one-node")";
  else if (is(Placement::one_node))
    wider = R"(, or "place": "spread" with "smt": "pair")";
  return fmt::format("set fewer vCPUs{}", wider);
}

Error Placer::no_room() const {
  const auto smt = ways().back();
  Cores all;
  for (const auto& core : in_->host.cores)
    if (is_wanted(core)) all.push_back(&core);
  const auto roomiest = [&](const Cores& cores) {
    const auto parts = domains(*in_, cores, scopes().back());
    const auto largest =
        std::ranges::max_element(parts, {}, [&](const Cores& part) { return room(part, smt); });
    return largest == parts.end() ? Cores{} : *largest;
  };
  const auto largest = roomiest(all);
  const auto whole = room(largest, smt);
  const auto most = room(roomiest(eligible()), smt);
  CpuSet cpus;
  for (const auto* const core : largest) cpus |= core->cpus;
  const auto which =
      whole > most ? fmt::format(", and for {} if all of {} were free", whole, to_string(cpus))
                   : fmt::format(" (CPUs {})", to_string(cpus));
  return {.fault = Fault::missing,
          .id = "no-room-for-vcpus",
          .message = fmt::format("'{}' vCPUs do not fit {}: there is room for {} at most{}",
                                 in_->vcpus, where(), most, which),
          .origin = {.pointer = in_->wish.vcpus.pointer},
          .hint = advice(whole >= in_->vcpus && !in_->claims.empty())};
}

std::optional<Placed> Placer::first_fit() const {
  for (const auto& source : sources())
    for (const auto smt : ways())
      for (const auto scope : scopes())
        if (const auto cores = best_cores(*in_, source, {.scope = scope, .smt = smt})) {
          auto slots = filled(*cores, smt);
          auto why = reason(slots);
          return Placed{.slots = std::move(slots), .why = std::move(why)};
        }
  return std::nullopt;
}

std::expected<Placed, Errors> Placer::place(std::vector<Warning>& warnings) const {
  const bool by_kind = is(Placement::p_cores) || is(Placement::e_cores);
  if (by_kind && !in_->host.hybrid())
    return std::unexpected(
        Errors{{.fault = Fault::missing,
                .id = "no-cpu-kinds",
                .message = fmt::format("'{}': all cores of this host are of one kind",
                                       profiles::word_of(profiles::placement_words, placement_)),
                .origin = {.pointer = in_->wish.vcpus.pointer},
                .hint = "use \"one-l3\" or \"one-node\""}});
  const bool placed_device = in_->near && (in_->near->node || !in_->near->local.empty());
  if (near_ != nullptr && !placed_device && in_->host.nodes.size() > 1)
    warnings.push_back({"device-without-node",
                        fmt::format("the firmware does not say which NUMA node {} is on: its "
                                    "guest's vCPUs may be far from it",
                                    near_->device)});
  auto placed = first_fit();
  if (!placed) return std::unexpected(Errors{no_room()});
  const bool mixed = std::ranges::any_of(placed->slots, [&](const Slot& slot) {
    return slot.core->kind != placed->slots.front().core->kind;
  });
  if (mixed)
    warnings.push_back({"mixed-cores",
                        "the vCPUs run on performance and on efficiency cores, and the guest "
                        "takes them for equal"});
  return *std::move(placed);
}

}  // namespace

std::expected<Placed, Errors> place(const PinningInputs& in, std::vector<Warning>& warnings) {
  return Placer(in).place(warnings);
}

}  // namespace hv::plan
