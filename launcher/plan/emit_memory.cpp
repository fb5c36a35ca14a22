// SPDX-License-Identifier: MIT
#include "launcher/plan/emit.h"
#include "profiles/words.h"

#include <algorithm>

namespace hv::plan {
namespace {

namespace json = boost::json;

/// RAM that is an object of its own: all of it, or that of a guest's node.
struct Ram {
  std::string id;
  std::string context;  ///< What prepares it, if it is from huge pages.
  std::uint64_t size_mib = 0;
  const std::vector<std::uint32_t>& host_nodes;
  std::string_view policy;
  std::uint64_t vcpus = 1;
  Cause cause;
};

/// Clearing huge pages takes a second for each 4 GiB or so: by threads of the
/// nodes that the pages are on. QEMU 9.0 and later clear several objects at once.
void emit_preallocation(const Machine& machine, const Ram& ram, json::object& object,
                        CommandLine& line) {
  constexpr std::uint64_t most_threads = 16;
  object["hugetlb"] = true;
  object["hugetlbsize"] = machine.huge_page_kib << 10U;
  object["prealloc"] = true;
  object["prealloc-threads"] = std::min(ram.vcpus, most_threads);
  const auto& nodes = ram.host_nodes;
  if (nodes.empty() || !machine.qemu->has_type("thread-context")) return;
  line.add("-object",
           json::object{{"qom-type", "thread-context"},
                        {"id", ram.context},
                        {"node-affinity", json::array(nodes.begin(), nodes.end())}},
           {.rule = "near-preallocation", .why = "CPUs beside the pages clear them"});
  object["prealloc-context"] = ram.context;
}

void emit_ram(const Machine& machine, Ram ram, CommandLine& line) {
  json::object object = {{"qom-type", "memory-backend-memfd"},
                         {"id", ram.id},
                         {"size", ram.size_mib << 20U},
                         {"share", machine.wants_memory("shared")}};
  if (const auto& option = machine.features.memory_option; !option.empty()) object[option] = true;
  const auto& nodes = ram.host_nodes;
  if (!nodes.empty()) {
    object["host-nodes"] = json::array(nodes.begin(), nodes.end());
    object["policy"] = ram.policy;
  }
  if (machine.huge_page_kib != 0) {
    emit_preallocation(machine, ram, object, line);
    ram.cause = {.pointer = machine.profile.huge_pages.enable.pointer,
                 .why = "RAM from huge pages, all taken before the guest starts"};
  }
  line.add("-object", object, std::move(ram.cause));
}

/// One object for all.
void emit_whole_ram(const Machine& machine, CommandLine& line) {
  const auto& nodes = machine.memory_nodes;
  // Huge pages are counted out for these nodes.
  const bool strict = machine.strict_nodes || machine.huge_page_kib != 0;
  emit_ram(machine,
           {.id = std::string("ram"),
            .context = "near-ram",
            .size_mib = machine.memory_mib.value,
            .host_nodes = nodes.value,
            .policy = strict ? "bind" : "preferred",
            .vcpus = machine.cpus.value.count,
            .cause = nodes.value.empty() ? Cause{.pointer = "/memory_options/shared",
                                                 .why = "RAM that helper programs of the host can "
                                                        "map"}
                                         : nodes.cause},
           line);
}

/// "node,nodeid=1,cpus=4-7,cpus=12,memdev=ram-node1".
Props node_of(const GuestNode& node, std::size_t index) {
  Props props("node");
  props.set("nodeid", index);
  const auto vcpus = to_string(node.vcpus);
  for (std::size_t from = 0; from < vcpus.size();) {
    const auto comma = std::min(vcpus.find(',', from), vcpus.size());
    props.set("cpus", std::string_view(vcpus).substr(from, comma - from));
    from = comma + 1;
  }
  return props.set("memdev", fmt::format("ram-node{}", index));
}

void emit_guest_nodes(const Machine& machine, CommandLine& line) {
  const auto& nodes = machine.guest_nodes;
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    const auto& node = nodes[i];
    const bool counted_out = machine.huge_page_kib != 0;
    const auto policy = counted_out && node.policy == profiles::NumaPolicy::preferred
                            ? profiles::NumaPolicy::bind
                            : node.policy;
    emit_ram(machine,
             {.id = fmt::format("ram-node{}", i),
              .context = fmt::format("near-ram-node{}", i),
              .size_mib = node.memory_mib,
              .host_nodes = node.host_nodes,
              .policy = profiles::word_of(profiles::numa_policy_words, policy),
              .vcpus = node.vcpus.size(),
              .cause = {.pointer = node.cause.pointer,
                        .rule = "node-memory",
                        .why = fmt::format("RAM of the guest's node {}", i)}},
             line);
    line.add("-numa", node_of(node, i), node.cause);
  }
  // QEMU takes what one node says of another for both.
  for (std::size_t from = 0; from < nodes.size(); ++from)
    for (std::size_t to = from + 1; to < nodes[from].distances.size(); ++to)
      line.add("-numa",
               Props("dist").set("src", from).set("dst", to).set("val", nodes[from].distances[to]),
               machine.distances);
}

}  // namespace

bool has_own_ram(const Machine& machine) {
  return machine.guest_nodes.empty() &&
         (machine.huge_page_kib != 0 || !machine.memory_nodes.value.empty() ||
          machine.wants_memory("shared") || !machine.features.memory_option.empty());
}

void emit_memory(const Machine& machine, CommandLine& line) {
  line.add("-m", Props().set("size", fmt::format("{}M", machine.memory_mib.value)),
           machine.memory_mib.cause);
  if (machine.wants_memory("lock"))
    line.add("-overcommit", Props().set("mem-lock", "on"),
             {.pointer = "/memory_options/lock", .why = "no page of the guest is swapped out"});
  if (has_own_ram(machine)) emit_whole_ram(machine, line);
  emit_guest_nodes(machine, line);
}

}  // namespace hv::plan
