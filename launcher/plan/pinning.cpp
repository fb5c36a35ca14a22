// SPDX-License-Identifier: MIT
#include "launcher/plan/pinning.h"

#include "launcher/base/overloaded.h"
#include "launcher/plan/pinning_parts.h"

#include <algorithm>
#include <set>

namespace hv::plan {
namespace {

using profiles::PinList;
using profiles::PinPool;

class Solver {
 public:
  explicit Solver(const PinningInputs& in) : in_(&in) {}

  std::expected<Pins, Errors> solve() {
    const auto& vcpus = in_->wish.vcpus.value;
    std::visit(Overloaded{[&](const PinList& list) { pin_to(list); },
                          [&](const PinPool& pool) { pin_to(pool); },
                          [&](const auto&) { pin_by_intent(); }},
               vcpus);
    for (const auto& cpus : pins_.vcpus) used_ |= cpus.value;
    set_claim();
    set_isolated();
    set_nodes();
    pins_.emulator = others(in_->wish.emulator, "QEMU's own threads");
    pins_.iothreads = others(in_->wish.iothreads, "I/O threads");
    pins_.helpers =
        in_->wish.helpers.value
            ? others(in_->wish.helpers, "helpers")
            : Choice<CpuSet>{pins_.emulator.value,
                             {.rule = "pinning", .why = "helpers: where QEMU's own threads run"}};
    if (!errors_.empty()) return std::unexpected(std::move(errors_));
    std::ranges::move(thread_warnings(*in_, pins_), std::back_inserter(pins_.warnings));
    return std::move(pins_);
  }

 private:
  void note(Error error) { errors_.push_back(std::move(error)); }

  /// Notes why CPUs that the profile names cannot be used.
  void check(const CpuSet& cpus, const std::string& pointer) {
    const auto& host = in_->host;
    if (const auto unknown = cpus - host.present; !unknown.empty())
      note({.fault = Fault::missing,
            .id = "no-such-cpu",
            .message = fmt::format("this host has no CPU '{}'", to_string(unknown)),
            .origin = {.pointer = pointer},
            .hint =
                fmt::format("it has {}; `hvlaunch topology` shows them", to_string(host.present))});
    if (const auto offline = (cpus & host.present) - host.online; !offline.empty())
      note({.fault = Fault::missing,
            .id = "cpu-offline",
            .message = fmt::format("CPU '{}' is offline", to_string(offline)),
            .origin = {.pointer = pointer},
            .hint = fmt::format("as root: `echo 1 >/sys/devices/system/cpu/cpu{}/online`",
                                offline.front())});
    if (const auto forbidden = (cpus & host.online) - host.allowed; !forbidden.empty())
      note({.fault = Fault::missing,
            .id = "cpu-forbidden",
            .message = fmt::format("the cpuset of this service or session keeps CPU '{}' from it",
                                   to_string(forbidden)),
            .origin = {.pointer = pointer},
            .hint = fmt::format("it leaves {}; AllowedCPUs= of the unit or a slice above it "
                                "decides, `systemctl show -p EffectiveCPUs <unit>` shows it",
                                to_string(host.allowed))});
    for (const auto& [guest, claimed] : in_->claims)
      if (const auto taken = cpus & claimed; !taken.empty())
        note({.fault = Fault::state,
              .id = "cpu-claimed",
              .message = fmt::format("guest '{}' has CPU '{}' for itself", guest, to_string(taken)),
              .origin = {.pointer = pointer},
              .hint = fmt::format("use others, stop {0}, or set \"exclusive\": false in the "
                                  "pinning of {0}",
                                  guest)});
  }

  void pin_to(const PinList& list) {
    const auto& cpus = list.cpus;
    if (cpus.empty() || (!list.repeats && cpus.size() < in_->vcpus))
      return note({.fault = Fault::profile,
                   .id = "too-few-pins",
                   .message = fmt::format("{} for {}", counted(cpus.size(), "pin"),
                                          counted(in_->vcpus, "vCPU")),
                   .origin = {.pointer = in_->wish.vcpus.pointer},
                   .hint = "list an entry for each vCPU, or set fewer vCPUs"});
    for (std::size_t i = 0; i < std::min<std::size_t>(cpus.size(), in_->vcpus); ++i)
      check(cpus[i].value, cpus[i].pointer);
    for (std::size_t i = 0; i < in_->vcpus; ++i) {
      const auto& [set, pointer] = cpus[i % cpus.size()];
      pins_.vcpus.push_back({set, {.pointer = pointer, .why = "the profile names it"}});
    }
    if (cpus.size() > in_->vcpus)
      pins_.warnings.push_back(
          {"unused-pins", fmt::format("{} for {}: the last are not used",
                                      counted(cpus.size(), "pin"), counted(in_->vcpus, "vCPU"))});
    pins_.guest = guest_of(*in_, pins_.vcpus);
  }

  void pin_to(const PinPool& pool) {
    const auto& pointer = in_->wish.vcpus.pointer;
    check(pool.cpus, pointer);
    pins_.vcpus.assign(in_->vcpus, {pool.cpus,
                                    {.pointer = pointer,
                                     .why = "the profile names them for all "
                                            "vCPUs together"}});
    pins_.guest = guest_of(*in_, pins_.vcpus);
    // The scheduler moves nothing between isolated CPUs: all would stay on one.
    if (const auto isolated = pool.cpus & in_->host.isolated; isolated.size() > 1)
      pins_.warnings.push_back(
          {"isolated-pool",
           fmt::format("the kernel does not spread threads over isolated CPUs ({}): give each "
                       "vCPU its own",
                       to_string(isolated))});
  }

  /// Each guest node by itself: the order of its vCPUs is the profile's.
  void pin_parts() {
    auto in = *in_;
    pins_.vcpus.resize(in.vcpus);
    for (const auto& [vcpus, within, where] : in_->parts) {
      in.vcpus = vcpus.size();
      in.within = within;
      auto placed = place(in, pins_.warnings);
      if (!placed) {
        for (auto& error : placed.error()) note(in_context(std::move(error), "placing " + where));
        return;
      }
      auto vcpu = vcpus.begin();
      for (const auto& [core, used] : placed->slots) {
        in.taken |= core->cpus;
        for (const auto cpu : used)
          pins_.vcpus[*vcpu++] = {CpuSet{cpu},
                                  {.pointer = in.wish.vcpus.pointer, .why = placed->why}};
      }
    }
    cores_ = in.taken;
    pins_.guest = guest_of(*in_, pins_.vcpus);
  }

  void pin_by_intent() {
    if (!in_->parts.empty()) return pin_parts();
    auto placed = place(*in_, pins_.warnings);
    if (!placed) {
      std::ranges::move(placed.error(), std::back_inserter(errors_));
      return;
    }
    for (const auto& [core, used] : placed->slots) {
      cores_ |= core->cpus;
      for (const auto cpu : used)
        pins_.vcpus.push_back(
            {CpuSet{cpu}, {.pointer = in_->wish.vcpus.pointer, .why = placed->why}});
    }
    pins_.guest = guest_of(*in_, placed->slots);
  }

  void set_claim() {
    const auto& [wish, pointer] = in_->wish.exclusive;
    const auto& vcpus = in_->wish.vcpus.value;
    const auto* const list = std::get_if<PinList>(&vcpus);
    const bool pool = std::holds_alternative<PinPool>(vcpus);
    const bool by_itself =
        in_->wish.isolate.value || (!pool && (list == nullptr || !list->repeats));
    if (!wish.value_or(by_itself)) {
      pins_.claim.cause = {
          .pointer = pointer, .rule = "pinning", .why = "other guests may use the same CPUs"};
      return;
    }
    pins_.claim = {used_ | cores_,
                   {.pointer = pointer,
                    .rule = "pinning",
                    .why = cores_.empty() ? "no other guest may use the vCPUs' CPUs"
                                          : "no other guest may use the vCPUs' cores, idle "
                                            "siblings among them"}};
  }

  void set_isolated() {
    const auto& [wish, pointer] = in_->wish.isolate;
    if (!wish || pins_.claim.value.empty()) return;
    pins_.isolated = {
        pins_.claim.value,
        {.pointer = pointer, .why = "the host's own work stays off the vCPUs' cores"}};
    if (in_->host.online - pins_.claim.value == CpuSet())
      note({.fault = Fault::missing,
            .id = "no-cpu-for-host",
            .message = fmt::format("with CPU {} isolated, none is left for the host",
                                   to_string(pins_.claim.value)),
            .origin = {.pointer = pointer},
            .hint = "pin to fewer CPUs, or without \"isolate\""});
  }

  void set_nodes() {
    std::set<std::uint32_t> nodes;
    for (const auto cpu : used_)
      if (const auto* const core = in_->host.core_of(cpu)) nodes.insert(core->node);
    pins_.nodes = {{nodes.begin(), nodes.end()},
                   {.rule = "pinning", .why = "the NUMA nodes of the vCPUs' CPUs"}};
  }

  Choice<CpuSet> others(const profiles::Sourced<std::optional<CpuSet>>& wish,
                        std::string_view whose) {
    if (wish.value) {
      check(*wish.value, wish.pointer);
      return {*wish.value, {.pointer = wish.pointer, .why = "the profile names them"}};
    }
    const auto& host = in_->host;
    CpuSet cache;
    CpuSet node;
    for (const auto& core : host.cores) {
      if (!core.cpus.intersects(used_)) continue;
      cache |= host.caches[core.cache].cpus;
      node |= host.find_node(core.node) != nullptr ? host.find_node(core.node)->cpus : core.cpus;
    }
    // On isolated CPUs several threads would stay on one.
    const auto spare = free_cpus(*in_) - used_ - cores_ - host.isolated;
    const auto chosen = [&](CpuSet cpus, std::string_view where) -> Choice<CpuSet> {
      return {std::move(cpus), {.rule = "pinning", .why = fmt::format("{}: {}", whose, where)}};
    };
    if (auto near = spare & cache; !near.empty())
      return chosen(std::move(near), "CPUs that share the vCPUs' cache and run none of them");
    if (auto near = spare & node; !near.empty())
      return chosen(std::move(near), "CPUs of the vCPUs' NUMA node that run none of them");
    return chosen(used_, "the vCPUs' own CPUs, as their NUMA node has no others free");
  }

  const PinningInputs* in_;
  Pins pins_;
  Errors errors_;
  CpuSet used_;   // What vCPUs run on,
  CpuSet cores_;  // and by an intent, all of these cores.
};

}  // namespace

std::expected<Pins, Errors> pin(const PinningInputs& inputs) {
  return Solver(inputs).solve();
}

CpuSet free_cpus(const PinningInputs& in) {
  auto cpus = in.host.allowed & in.host.online;
  for (const auto& claim : in.claims) cpus = cpus - claim.cpus;
  return cpus;
}

std::string counted(std::uint64_t count, std::string_view what) {
  return fmt::format("{} {}{}", count, what, count == 1 ? "" : "s");
}

}  // namespace hv::plan
