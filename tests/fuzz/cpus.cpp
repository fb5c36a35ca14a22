// SPDX-License-Identifier: MIT
//
// The kernel's lists and attributes of CPUs and memory nodes. They are the
// kernel's; but containers and firmware make odd ones.
#include "launcher/base/cpu_set.h"
#include "launcher/host/facts.h"
#include "launcher/host/topology.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/tree.h"

using fuzz::require;
using namespace hv;

namespace {

constexpr std::string_view cpu = "/sys/devices/system/cpu/";
constexpr std::string_view node = "/sys/devices/system/node/";

fuzz::Tree& tree() {
  static fuzz::Tree the_tree([] {
    std::vector<std::string> files;
    const auto add = [&](std::string_view directory, std::initializer_list<const char*> names) {
      for (const auto* const name : names) files.push_back(fmt::format("{}{}", directory, name));
    };
    add(cpu, {"online", "present", "isolated", "nohz_full"});
    add("/proc/", {"cpuinfo", "meminfo", "self/status"});
    for (const auto* const one : {"cpu0/", "cpu1/"})
      add(std::string(cpu) + one,
          {"topology/physical_package_id", "topology/core_id", "topology/core_cpus_list",
           "topology/die_id", "cache/index0/level", "cache/index0/shared_cpu_list",
           "cache/index0/size", "cpu_capacity"});
    add(node, {"online", "node0/cpulist", "node0/distance", "node0/meminfo", "node1/cpulist",
               "node1/distance", "node0/hugepages/hugepages-2048kB/nr_hugepages",
               "node0/hugepages/hugepages-2048kB/free_hugepages"});
    return files;
  }());
  return the_tree;
}

void check_lists(std::string_view text) {
  const auto written = parse_cpu_set(text);
  const auto numbers = host::parse_cpu_list(text);
  for (const auto number : numbers) require(number < 8192, "a CPU's number is bounded");
  if (!written) return;
  require(!written->empty() && parse_cpu_set(to_string(*written)) == *written,
          "a set that is written out is the same");
  const auto read = host::parse_cpu_list(to_string(*written));
  require(CpuSet(std::vector<std::uint32_t>(read.begin(), read.end())) == *written,
          "both readers of lists agree");
}

void check_topology(const host::Topology& topology) {
  require(!topology.cores.empty() && !topology.nodes.empty(), "there is a core and a node");
  CpuSet seen;
  for (const auto& core : topology.cores) {
    require(!core.cpus.empty() && !core.cpus.intersects(seen), "a CPU is in one core");
    seen |= core.cpus;
    require(core.cache < topology.caches.size(), "a core's cache is there");
    require(topology.caches[core.cache].cpus.intersects(core.cpus), "a core is below its cache");
    require(topology.find_node(core.node) != nullptr, "a core's node is there");
  }
  require(seen == topology.online, "the cores are what is online");
  for (const auto number : topology.online)
    require(topology.core_of(number) != nullptr, "a CPU has a core");
  for (const auto& one : topology.nodes)
    require(one.distances.size() == topology.nodes.size() || one.distances.empty(),
            "a node is at a distance from each");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto text = fuzz::text_of(data, size);
  check_lists(text.substr(0, text.find('\xff')));
  tree().fill(text);
  const auto root = tree().root();
  // More of them take longer, and show nothing new.
  constexpr std::size_t enough = 128;
  const auto online = root.read(fmt::format("{}online", cpu)).value_or("");
  if (host::parse_cpu_list(online).size() > enough) return 0;
  check_topology(host::read_topology(root));
  (void)host::read_facts(root);
  return 0;
}
