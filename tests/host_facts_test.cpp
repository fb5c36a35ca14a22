// SPDX-License-Identifier: MIT
#include "launcher/host/facts.h"

#include "tests/temp_tree.h"

#include <doctest/doctest.h>

#include <filesystem>

using namespace hv::host;
using Numbers = std::vector<std::uint64_t>;

TEST_CASE("lists of CPUs and nodes") {
  struct Row {
    const char* text;
    Numbers expected;
  };
  const Row rows[] = {
      {"0", {0}},
      {"0-3", {0, 1, 2, 3}},
      {"0-1,8,10-11", {0, 1, 8, 10, 11}},
      {"", {}},
      {"\n", {}},
      {"5-3", {}},
      {"x", {}},
      {"3-", {}},
      {"1,,2", {1, 2}},
  };
  for (const auto& [text, expected] : rows) {
    CAPTURE(text);
    CHECK_EQ(parse_cpu_list(text), expected);
  }
  // More than any host has: no endless loop, no memory without end.
  CHECK_EQ(parse_cpu_list("0-18446744073709551615").size(), 8192);
}

TEST_CASE("a host's facts come from its files") {
  const TempTree tree;
  tree.write("/sys/devices/system/cpu/online", "0-3,6-7\n");
  tree.write("/sys/devices/system/node/online", "0-1\n");
  tree.write("/proc/meminfo",
             "MemTotal:       16315456 kB\nMemFree: 1 kB\nHugepagesize:       2048 kB\n");
  tree.write("/sys/kernel/mm/hugepages/hugepages-2048kB/resv_hugepages", "3\n");
  tree.write("/sys/devices/system/node/node1/hugepages/hugepages-2048kB/free_hugepages", "12\n");
  tree.write("/etc/machine-id", "0123456789abcdef0123456789abcdef\n");
  tree.write("/sys/class/net/br0/bridge/bridge_id", "x\n");
  tree.write("/sys/class/net/eth0/address", "x\n");
  tree.write("/dev/vhost-net", "");
  const auto facts = read_facts(tree.root(), {.nodes = true});
  CHECK_EQ(facts.cpus, 6);
  CHECK_EQ(facts.memory_mib, 15933);
  CHECK_EQ(facts.default_huge_page_kib, 2048);
  REQUIRE_EQ(facts.huge_pages.size(), 1);
  CHECK_EQ(facts.huge_pages[0].page_kib, 2048);
  CHECK_EQ(facts.huge_pages[0].reserved, 3);
  REQUIRE_EQ(facts.nodes.size(), 2);
  REQUIRE_EQ(facts.nodes[1].pools.size(), 1);
  CHECK_EQ(facts.nodes[1].pools[0].free, 12);
  CHECK(read_facts(tree.root()).nodes.empty());
  CHECK_EQ(facts.numa_nodes, Numbers{0, 1});
  CHECK_EQ(facts.machine_id, "0123456789abcdef0123456789abcdef");
  CHECK_EQ(facts.bridges, std::vector<std::string>{"br0"});
  CHECK(facts.vhost_net);
  CHECK_FALSE(facts.architecture.empty());
}

TEST_CASE("a host that shows nothing is one CPU without KVM") {
  const TempTree tree;
  const auto facts = read_facts(tree.root());
  CHECK_EQ(facts.cpus, 1);
  CHECK_EQ(facts.memory_mib, 0);
  CHECK(facts.huge_pages.empty());
  CHECK(facts.bridges.empty());
  CHECK_FALSE(facts.kvm.usable);
  CHECK_EQ(facts.kvm.reason, "there is no /dev/kvm");
  CHECK_FALSE(facts.kvm.cure.empty());
}

TEST_CASE("a /dev/kvm that is none is not used") {
  const TempTree tree;
  tree.write("/dev/kvm", "");
  const auto kvm = read_kvm(tree.root(), "x86_64");
  CHECK_FALSE(kvm.usable);
  CHECK(kvm.reason.contains("version 12"));
}
