// SPDX-License-Identifier: MIT
#include "launcher/plan/resolver.h"

#include <boost/uuid/name_generator_sha1.hpp>
#include <boost/uuid/uuid_io.hpp>

#include <algorithm>

namespace hv::plan {

static bool wants(const profiles::Profile& profile, std::string_view memory_option) {
  const auto& options = profile.memory_options;
  const auto found = std::ranges::find(options, memory_option, &profiles::Feature::name);
  return found != options.end() && found->on();
}

bool Machine::wants_memory(std::string_view option) const {
  return wants(profile, option);
}

bool Machine::is_windows() const {
  const std::string_view os = profile.os.value;
  constexpr std::string_view start = "win";
  return os.size() >= start.size() &&
         std::ranges::equal(os.substr(0, start.size()), start,
                            [](char c, char lower) { return (c | 0x20) == lower; });
}

std::string mac_of(const std::string& uuid) {
  return fmt::format("52:54:00:{}:{}:{}", uuid.substr(0, 2), uuid.substr(2, 2), uuid.substr(4, 2));
}

std::string Resolver::seed_for(std::string_view purpose) const {
  const boost::uuids::name_generator_sha1 generate(boost::uuids::ns::oid());
  return to_string(
      generate(fmt::format("{}/{}/{}", host().machine_id, profile().name.value, purpose)));
}

std::vector<CpuClaim> Resolver::cpu_claims() const {
  std::vector<CpuClaim> others;
  for (const auto& claim : claims())
    if (claim.guest != profile().name.value && !claim.cpus.empty())
      others.push_back({claim.guest, claim.cpus});
  return others;
}

bool Resolver::wants_memory(std::string_view option) const {
  return wants(profile(), option);
}

void Resolver::check_host_node(std::uint64_t node, const std::string& pointer) {
  if (std::ranges::find(host().numa_nodes, node) != host().numa_nodes.end()) return;
  note({.fault = Fault::missing,
        .id = "no-numa-node",
        .message = fmt::format("this host has no NUMA node {}", node),
        .origin = {.pointer = pointer},
        .hint = "`ls /sys/devices/system/node` lists them"});
}

std::uint64_t Resolver::huge_page_kib() const {
  const auto& wish = profile().huge_pages;
  if (!wish.enable.value) return 0;
  return wish.size_kib.value != 0 ? wish.size_kib.value : host().default_huge_page_kib;
}

std::expected<Machine, Errors> Resolver::finish(Machine machine) {
  if (!problems_.empty()) return std::unexpected(std::move(problems_));
  machine.warnings = std::move(warnings_);
  return machine;
}

}  // namespace hv::plan
