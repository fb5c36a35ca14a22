// SPDX-License-Identifier: MIT
#include "launcher/host/topology.h"

#include "tests/host_cpus.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>

using hv::CpuSet;
using namespace hv::host;

TEST_CASE("the CPUs of real machines") {
  struct Row {
    const char* host;
    std::size_t packages, caches, cores, cpus, nodes;
    const char* first_core;  // CPUs of the first core,
    const char* last_cache;  // of the last cache,
    const char* last_node;   // and of the last node.
  };
  constexpr Row rows[] = {
      {"desktop", 1, 1, 8, 16, 1, "0,8", "0-15", "0-15"},
      {"two-socket", 2, 2, 64, 128, 2, "0,64", "32-63,96-127", "32-63,96-127"},
      {"epyc", 1, 8, 64, 128, 4, "0,64", "56-63,120-127", "48-63,112-127"},
      {"hybrid", 1, 1, 14, 20, 1, "0-1", "0-19", "0-19"},
      {"arm-server", 1, 2, 80, 80, 2, "0", "40-79", "40-79"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.host);
    const auto& host = host_topology(row.host);
    CHECK_EQ(host.cores.back().package + 1, row.packages);
    CHECK_EQ(host.caches.size(), row.caches);
    CHECK_EQ(host.cores.size(), row.cores);
    CHECK_EQ(host.online.size(), row.cpus);
    CHECK_EQ(host.allowed, host.online);
    CHECK_EQ(to_string(host.cores.front().cpus), row.first_core);
    CHECK_EQ(to_string(host.caches.back().cpus), row.last_cache);
    REQUIRE_EQ(host.nodes.size(), row.nodes);
    CHECK_EQ(to_string(host.nodes.back().cpus), row.last_node);
    for (const auto& core : host.cores) {
      CAPTURE(to_string(core.cpus));
      CHECK(host.caches[core.cache].cpus.contains(core.cpus));
      REQUIRE(host.find_node(core.node));
      CHECK(host.find_node(core.node)->cpus.contains(core.cpus));
      CHECK_EQ(host.core_of(core.cpus.front()), &core);
    }
  }
}

TEST_CASE("kinds, caches and memory of real machines") {
  const auto& hybrid = host_topology("hybrid");
  CHECK(hybrid.hybrid());
  CHECK_EQ(hybrid.core_of(11)->kind, CpuKind::performance);
  CHECK_EQ(hybrid.core_of(12)->kind, CpuKind::efficiency);
  CHECK_EQ(hybrid.core_of(11)->id, 40);
  CHECK_FALSE(host_topology("desktop").hybrid());

  const auto& epyc = host_topology("epyc");
  CHECK_EQ(epyc.caches[0].level, 3);
  CHECK_EQ(epyc.caches[0].size_kib, 32768);
  CHECK_EQ(epyc.nodes[3].memory_mib, 65536);
  CHECK_EQ(epyc.nodes[3].free_mib, 16384);
  CHECK_EQ(epyc.nodes[3].distances, std::vector<std::uint32_t>{12, 12, 12, 10});
  REQUIRE_EQ(epyc.nodes[3].pools.size(), 2);
  CHECK_EQ(epyc.nodes[3].pools[1].page_kib, 1048576);
  CHECK_EQ(epyc.nodes[3].pools[1].pages, 32);
  CHECK_EQ(epyc.nodes[3].pools[1].free, 8);

  CHECK_EQ(host_topology("arm-server").caches[0].level, 0);
}

TEST_CASE("a host that shows nothing is one core") {
  const TempTree tree;
  const auto host = read_topology(tree.root());
  REQUIRE_EQ(host.cores.size(), 1);
  CHECK_EQ(host.cores[0].cpus, CpuSet{0});
  REQUIRE_EQ(host.nodes.size(), 1);
  CHECK_EQ(host.nodes[0].cpus, CpuSet{0});
  REQUIRE_EQ(host.caches.size(), 1);
  CHECK_EQ(host.caches[0].cpus, CpuSet{0});
  CHECK_EQ(host.allowed, CpuSet{0});
}

TEST_CASE("a host whose list of CPUs is none has one") {
  const TempTree tree;
  for (const auto* const list : {"", "?", "5-2", "9999999999"}) {
    CAPTURE(list);
    tree.write("/sys/devices/system/cpu/online", list);
    CHECK_EQ(to_string(read_topology(tree.root()).online), "0");
    CHECK_EQ(read_topology(tree.root()).cores.size(), 1);
  }
}

TEST_CASE("distances that are not to each node are none") {
  const TempTree tree;
  tree.write("/sys/devices/system/node/online", "0-1\n");
  tree.write("/sys/devices/system/node/node0/distance", "10 20 30\n");
  tree.write("/sys/devices/system/node/node1/distance", "20 10\n");
  const auto host = read_topology(tree.root());
  REQUIRE_EQ(host.nodes.size(), 2);
  CHECK(host.nodes[0].distances.empty());
  CHECK_EQ(host.nodes[1].distances.size(), 2);
}

TEST_CASE("a container without topology has each CPU as a core, and the host's memory") {
  const TempTree tree;
  tree.write("/sys/devices/system/cpu/online", "0-3\n");
  tree.write("/proc/meminfo", "MemTotal: 2097152 kB\nMemFree: 1048576 kB\n");
  tree.write("/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", "7\n");
  const auto host = read_topology(tree.root());
  CHECK_EQ(host.cores.size(), 4);
  REQUIRE_EQ(host.caches.size(), 1);
  CHECK_EQ(to_string(host.caches[0].cpus), "0-3");
  CHECK_EQ(host.nodes[0].memory_mib, 2048);
  CHECK_EQ(host.nodes[0].free_mib, 1024);
  REQUIRE_EQ(host.nodes[0].pools.size(), 1);
  CHECK_EQ(host.nodes[0].pools[0].pages, 7);
}

TEST_CASE("CPUs that are offline, isolated or not ours") {
  const TempTree tree;
  write_host_cpus(tree, "desktop");
  tree.write("/sys/devices/system/cpu/online", "0-8,10-15\n");
  tree.write("/sys/devices/system/cpu/isolated", "4-7,12-15\n");
  tree.write("/sys/devices/system/cpu/nohz_full", "(null)\n");
  tree.write("/proc/self/cgroup", "0::/machine.slice/web.service\n");
  tree.write("/sys/fs/cgroup/machine.slice/cpuset.cpus.effective", "2-15\n");
  const auto host = read_topology(tree.root());
  CHECK_EQ(host.core_of(9), nullptr);
  CHECK_EQ(to_string(host.core_of(1)->cpus), "1");
  CHECK(host.present.contains(9));
  CHECK_EQ(to_string(host.isolated), "4-7,12-15");
  CHECK(host.nohz_full.empty());
  // web.service has no cpuset of its own: what is above it holds.
  CHECK_EQ(to_string(host.allowed), "2-8,10-15");
}

TEST_CASE("older kernels' names, firmware that does not know, and no die") {
  const TempTree tree;
  tree.write("/sys/devices/system/cpu/online", "0-1\n");
  for (const auto* cpu : {"cpu0", "cpu1"}) {
    const auto topology = std::string("/sys/devices/system/cpu/") + cpu + "/topology/";
    tree.write(topology + "physical_package_id", "-1\n");
    tree.write(topology + "core_id", "0\n");
    tree.write(topology + "thread_siblings_list", "0-1\n");
  }
  const auto host = read_topology(tree.root());
  REQUIRE_EQ(host.cores.size(), 1);
  CHECK_EQ(host.cores[0].cpus, CpuSet{0, 1});
  CHECK_EQ(host.cores[0].package, 0);
}

TEST_CASE("the kinds of ARM's cores follow from their capacity") {
  struct Row {
    std::vector<const char*> capacities;
    std::string kinds;
  };
  const Row rows[] = {
      {{"1024", "1024"}, "uu"}, {{"446", "1024"}, "ep"}, {{"250", "870", "1024"}, "epp"},
      {{"900", "1024"}, "uu"},  {{"446"}, "u"},
  };
  for (const auto& [capacities, kinds] : rows) {
    CAPTURE(kinds);
    const TempTree tree;
    tree.write("/sys/devices/system/cpu/online", fmt::format("0-{}\n", capacities.size() - 1));
    for (std::size_t i = 0; i < capacities.size(); ++i)
      tree.write(fmt::format("/sys/devices/system/cpu/cpu{}/cpu_capacity", i), capacities[i]);
    const auto host = read_topology(tree.root());
    std::string got(capacities.size(), ' ');
    for (const auto& core : host.cores)
      got[core.cpus.front()] = "upe"[static_cast<std::size_t>(core.kind)];
    CHECK_EQ(got, kinds);
  }
}

TEST_CASE("the topology of a host with 256 CPUs is read in a few milliseconds") {
  const TempTree tree;
  std::string text;
  for (unsigned i = 0; i < 16; ++i)
    text +=
        fmt::format("group package={} node={} cores={}-{} threads={}-{},{}-{} l3=32768\n", i / 8,
                    i / 8, i % 8 * 8, i % 8 * 8 + 7, i * 8, i * 8 + 7, i * 8 + 128, i * 8 + 135);
  write_cpus(tree, text);
  const auto root = tree.root();
  auto best = std::chrono::nanoseconds::max();
  for (int round = 0; round < 3; ++round) {
    const auto start = std::chrono::steady_clock::now();
    const auto host = read_topology(root);
    best = std::min<std::chrono::nanoseconds>(best, std::chrono::steady_clock::now() - start);
    CHECK_EQ(host.cores.size(), 128);
    CHECK_EQ(host.caches.size(), 16);
  }
  MESSAGE("256 CPUs: ", best.count() / 1000, " us");
  CHECK_LT(best, std::chrono::milliseconds(500));  // Far off: sanitizers, noisy machines.
}
