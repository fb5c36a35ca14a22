// SPDX-License-Identifier: MIT
#include "launcher/plan/limits.h"
#include "launcher/plan/resolver.h"

#include <algorithm>

namespace hv::plan {
namespace {

void refuse_too_low(Resolver& in, const profiles::Sourced<std::uint64_t>& limit,
                    std::string message, std::uint64_t least) {
  in.note({.fault = Fault::profile,
           .id = "limit-too-low",
           .message = std::move(message),
           .origin = {.pointer = limit.pointer},
           .hint = fmt::format("make it {} or more, or leave it out", least)});
}

void check_memory(Resolver& in, const Machine& machine) {
  const auto memory = machine.memory_mib.value;
  const auto huge = machine.huge_page_kib != 0 ? memory : 0;
  const auto least = least_memory_mib(memory, huge);
  const auto& limits = in.profile().limits;
  for (const auto* const limit : {&limits.memory_high_mib, &limits.memory_max_mib})
    if (limit->value != 0 && limit->value < least)
      refuse_too_low(in, *limit,
                     huge != 0 ? fmt::format("{} MiB are too few for QEMU, whose guest has {} MiB "
                                             "of huge pages: it may come to need {}",
                                             limit->value, huge, least)
                               : fmt::format("{} MiB are too few for a guest with {} MiB and QEMU "
                                             "itself: they may come to need {}",
                                             limit->value, memory, least),
                     least);
}

void check_tasks(Resolver& in, const Machine& machine) {
  const auto& limit = in.profile().limits.pids_max;
  const auto least = least_tasks(machine.cpus.value.count);
  if (limit.value != 0 && limit.value < least)
    refuse_too_low(in, limit,
                   fmt::format("{} threads are too few for QEMU with {} vCPUs: it may come to "
                               "need {}",
                               limit.value, machine.cpus.value.count, least),
                   least);
}

}  // namespace

std::vector<LimitValue> limits_of(const profiles::Limits& limits) {
  const auto& [quota, weight, high, max, io_weight, read_bytes, write_bytes, read_ops, write_ops,
               pids] = limits;
  std::vector<LimitValue> values;
  const auto add = [&](Limit limit, const profiles::Sourced<std::uint64_t>& field) {
    if (field.value != 0) values.push_back({limit, field.value});
  };
  add(Limit::cpu_quota, quota);
  add(Limit::cpu_weight, weight);
  add(Limit::memory_high, high);
  add(Limit::memory_max, max);
  add(Limit::io_weight, io_weight);
  add(Limit::io_read_bytes, read_bytes);
  add(Limit::io_write_bytes, write_bytes);
  add(Limit::io_read_ops, read_ops);
  add(Limit::io_write_ops, write_ops);
  add(Limit::pids_max, pids);
  return values;
}

void resolve_limits(Resolver& in, Machine& machine) {
  machine.limits = limits_of(in.profile().limits);
  check_memory(in, machine);
  check_tasks(in, machine);
}

std::string describe(const LimitValue& limit) {
  const auto& row = row_of(limit.limit);
  return fmt::format("{} {}{}{}", row.field, limit.value, row.unit.empty() ? "" : " ", row.unit);
}

std::uint64_t least_memory_mib(std::uint64_t memory_mib, std::uint64_t huge_memory_mib) {
  constexpr std::uint64_t qemu_itself = 128;
  const auto ordinary = memory_mib - std::min(memory_mib, huge_memory_mib);
  return ordinary + memory_mib / 64 + qemu_itself;
}

std::uint64_t least_tasks(std::uint64_t vcpus) {
  constexpr std::uint64_t others = 80;
  return vcpus + others;
}

}  // namespace hv::plan
