// SPDX-License-Identifier: MIT
#include "launcher/base/text.h"
#include "launcher/host/doctor_checks.h"

#include <algorithm>

namespace hv::host::checks {
namespace {

constexpr std::uint64_t gigantic_kib = std::uint64_t{1} << 20U;

const NodePool* find_pool(const Node& node, std::uint64_t page_kib) {
  const auto found = std::ranges::find(node.pools, page_kib, &NodePool::page_kib);
  return found == node.pools.end() ? nullptr : &*found;
}

/// "1 GiB: 1 of 1 free on node 0, 0 of 1 on node 1"; empty: there are none.
std::string describe_pools(const DoctorFacts& facts, std::uint64_t page_kib) {
  std::vector<std::string> nodes;
  for (const auto& node : facts.nodes)
    if (const auto* const pool = find_pool(node, page_kib); pool != nullptr && pool->pages != 0)
      nodes.push_back(
          fmt::format("{} of {} free on node {}", pool->free, pool->pages, node.number));
  return nodes.empty() ? "" : fmt::format("{}: {}", size_text(page_kib), join(nodes, ", "));
}

std::vector<std::uint64_t> page_sizes(const DoctorFacts& facts) {
  std::vector<std::uint64_t> sizes;
  for (const auto& pool : facts.host.huge_pages) sizes.push_back(pool.page_kib);
  std::ranges::sort(sizes);
  return sizes;
}

bool has_size(const DoctorFacts& facts, std::uint64_t page_kib) {
  return std::ranges::find(facts.host.huge_pages, page_kib, &HugePagePool::page_kib) !=
         facts.host.huge_pages.end();
}

/// The group whose members run guests.
std::string_view guests_group(const DoctorFacts& facts) {
  return facts.caller.find_group("hvlaunch") != nullptr ? "hvlaunch" : "kvm";
}

}  // namespace

Finding huge_pages(const DoctorFacts& facts) {
  if (facts.host.default_huge_page_kib == 0 && facts.host.huge_pages.empty())
    return {Status::warn, "this kernel has none", "use a kernel with CONFIG_HUGETLBFS"};
  std::vector<std::string> pools;
  for (const auto page_kib : page_sizes(facts))
    if (auto text = describe_pools(facts, page_kib); !text.empty())
      pools.push_back(std::move(text));
  if (!pools.empty()) return {.found = join(pools, "; ")};
  const auto page_kib = std::max<std::uint64_t>(facts.host.default_huge_page_kib, 1);
  const auto a_gib = std::max<std::uint64_t>(gigantic_kib / page_kib, 1);
  return {Status::warn,
          fmt::format("none are reserved; the kernel's are of {}", size_text(page_kib)),
          fmt::format("for each GiB of a guest {}: {}", a_gib,
                      set_sysctl(facts.distribution, "vm.nr_hugepages", std::to_string(a_gib)))};
}

Finding gigantic_pages(const DoctorFacts& facts) {
  if (!has_size(facts, gigantic_kib) || (facts.host.architecture == "x86_64" && !facts.pages_1g))
    return {.found = "this CPU or kernel has no pages of that size"};
  if (auto text = describe_pools(facts, gigantic_kib); !text.empty())
    return {.found = std::move(text)};
  return {Status::warn, "none are reserved; once the host has run a while, few can be had",
          "reserve them at boot, as many as guests shall have GiB: " +
              add_parameters(facts.distribution, "hugepagesz=1G hugepages=4")};
}

Finding memlock(const DoctorFacts& facts) {
  constexpr unsigned ipc_lock = 14;  // linux/capability.h
  if (facts.caller.has_capability(ipc_lock))
    return {.found = "CAP_IPC_LOCK: no limit applies to you"};
  if (!facts.memlock_kib) return {.found = "no limit"};
  const auto limit = size_text(*facts.memlock_kib);
  // What VFIO maps besides the guest's RAM fits into a gigabyte.
  const auto need_mib = facts.guest_memory_mib + 1024;
  if (*facts.memlock_kib / 1024 >= need_mib) return {.found = fmt::format("up to {}", limit)};
  return {Status::fail,
          facts.guest_memory_mib == 0
              ? fmt::format("your limit is {}: a guest with devices needs its RAM and 1 GiB", limit)
              : fmt::format("your limit is {}: with devices this guest needs {}", limit,
                            size_text(need_mib * 1024)),
          lift_memlock(facts.distribution, guests_group(facts))};
}

}  // namespace hv::host::checks
