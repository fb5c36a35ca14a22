// SPDX-License-Identifier: MIT
#include "tests/host_cpus.h"

#include "launcher/base/text.h"
#include "launcher/host/facts.h"
#include "tests/golden.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <map>

namespace {

namespace fs = std::filesystem;
using hv::CpuSet;
using Words = std::map<std::string, std::string, std::less<>>;

constexpr const char* cpu_root = "/sys/devices/system/cpu/";

std::string value(const Words& words, std::string_view key, std::string otherwise = "0") {
  const auto found = words.find(key);
  return found == words.end() ? std::move(otherwise) : found->second;
}

/// "0-10/2" as 0, 2, ... 10.
std::vector<std::uint32_t> stepped(std::string_view range) {
  const auto slash = range.find('/');
  const auto step =
      slash == std::string_view::npos ? 1UL : std::stoul(std::string(range.substr(slash + 1)));
  std::vector<std::uint32_t> numbers;
  for (const auto number : hv::host::parse_cpu_list(range.substr(0, slash)))
    if (numbers.empty() || number >= numbers.back() + step)
      numbers.push_back(static_cast<std::uint32_t>(number));
  return numbers;
}

struct Group {
  Words words;
  std::vector<CpuSet> cores;  // Their CPUs.
  std::vector<std::uint32_t> ids;
  CpuSet cpus;
};

Group group_of(Words words) {
  Group group{.words = std::move(words), .cores = {}, .ids = {}, .cpus = {}};
  group.ids = stepped(value(group.words, "cores"));
  group.cores.resize(group.ids.size());
  for (const auto range : hv::split(group.words.at("threads"), ',')) {
    const auto threads = stepped(range);
    REQUIRE_EQ(threads.size(), group.cores.size());
    for (std::size_t i = 0; i < threads.size(); ++i) group.cores[i].insert(threads[i]);
  }
  for (const auto& core : group.cores) group.cpus |= core;
  return group;
}

/// The CPUs of all groups that say the same of `keys`.
CpuSet alike(const std::vector<Group>& groups, const Group& as,
             std::initializer_list<std::string_view> keys) {
  CpuSet all;
  for (const auto& group : groups)
    if (std::ranges::all_of(
            keys, [&](auto key) { return value(group.words, key) == value(as.words, key); }))
      all |= group.cpus;
  return all;
}

class Writer {
 public:
  Writer(const TempTree& tree, const std::vector<Group>& groups) : tree_(&tree), groups_(&groups) {}

  void write(const Group& group) {
    const auto package = alike(*groups_, group, {"package"});
    const auto die = alike(*groups_, group, {"package", "die"});
    const auto shared = std::stoul(value(group.words, "l2_cores", "1"));
    for (std::size_t i = 0; i < group.cores.size(); ++i) {
      const auto& core = group.cores[i];
      const auto directory = fmt::format("{}cpu{}/", cpu_root, core.front());
      const auto topology = directory + "topology/";
      tree_->write(topology + "physical_package_id", value(group.words, "package") + "\n");
      if (group.words.contains("die"))
        tree_->write(topology + "die_id", value(group.words, "die") + "\n");
      tree_->write(topology + "core_id", fmt::format("{}\n", group.ids[i]));
      tree_->write(topology + "core_cpus_list", to_string(core) + "\n");
      tree_->write(topology + "package_cpus_list", to_string(package) + "\n");
      if (group.words.contains("die"))
        tree_->write(topology + "die_cpus_list", to_string(die) + "\n");
      CpuSet l2;
      for (auto j = i / shared * shared; j < (i / shared + 1) * shared; ++j) l2 |= group.cores[j];
      write_caches(group, directory + "cache/", l2);
      link_siblings(core);
    }
  }

 private:
  void write_caches(const Group& group, const std::string& directory, const CpuSet& l2) {
    // Without the L1 caches, which no core shares: thousands of files less.
    write_cache(directory + "index0/", 2, value(group.words, "l2", "512") + "K", l2);
    if (!group.words.contains("l3")) return;
    // One directory for all that share it: it says the same for each.
    auto& first = l3_of_[value(group.words, "l3_id", to_string(group.cpus))];
    if (!first.empty()) return fs::create_symlink(first, tree_->path(directory + "index1"));
    first = directory + "index1";
    const auto cpus =
        group.words.contains("l3_id") ? alike(*groups_, group, {"l3_id"}) : group.cpus;
    write_cache(first + "/", 3, group.words.at("l3") + "K", cpus);
  }

  void write_cache(const std::string& directory, int level, const std::string& size,
                   const CpuSet& cpus) {
    tree_->write(directory + "level", fmt::format("{}\n", level));
    tree_->write(directory + "size", size + "\n");
    tree_->write(directory + "shared_cpu_list", to_string(cpus) + "\n");
  }

  /// The files of SMT siblings say the same.
  void link_siblings(const CpuSet& core) {
    for (const auto cpu : core)
      if (cpu != core.front())
        fs::create_symlink(fmt::format("cpu{}", core.front()),
                           tree_->path(fmt::format("{}cpu{}", cpu_root, cpu)));
  }

  const TempTree* tree_;
  const std::vector<Group>* groups_;
  std::map<std::string, std::string> l3_of_;
};

void write_node(const TempTree& tree, const std::string& number, const Words& words,
                const CpuSet& cpus) {
  const auto directory = "/sys/devices/system/node/node" + number + "/";
  tree.write(directory + "cpulist", to_string(cpus) + "\n");
  tree.write(directory + "meminfo",
             fmt::format("Node {0} MemTotal:       {1} kB\nNode {0} MemFree:        {2} kB\n",
                         number, std::stoul(value(words, "memory")) * 1024,
                         std::stoul(value(words, "free")) * 1024));
  auto distances = value(words, "distances", "10");
  std::ranges::replace(distances, ',', ' ');
  tree.write(directory + "distance", distances + "\n");
  for (const auto& [key, pool] : words) {
    if (!key.ends_with("kB")) continue;
    const auto counts = hv::split(pool, '/');
    const auto files = directory + "hugepages/hugepages-" + key;
    tree.write(files + "/nr_hugepages", std::string(counts.at(0)) + "\n");
    tree.write(files + "/free_hugepages", std::string(counts.at(1)) + "\n");
    tree.write(files + "/surplus_hugepages", std::string(counts.at(2)) + "\n");
  }
}

struct Line {
  std::vector<std::string> plain;
  Words words;
};

std::vector<Line> lines_of(const std::string& text) {
  std::vector<Line> lines;
  for (const auto line : hv::split(text, '\n')) {
    if (line.empty() || line.front() == '#') continue;
    Line parsed;
    for (const auto word : hv::split(line, ' ')) {
      const auto equals = word.find('=');
      if (equals != std::string_view::npos)
        parsed.words.emplace(word.substr(0, equals), word.substr(equals + 1));
      else if (!word.empty())
        parsed.plain.emplace_back(word);
    }
    lines.push_back(std::move(parsed));
  }
  return lines;
}

}  // namespace

void write_cpus(const TempTree& tree, const std::string& text) {
  const auto lines = lines_of(text);
  std::vector<Group> groups;
  CpuSet all;
  std::map<std::string, CpuSet> nodes;
  for (const auto& [plain, words] : lines)
    if (plain.front() == "group") {
      groups.push_back(group_of(words));
      all |= groups.back().cpus;
      nodes[value(words, "node")] |= groups.back().cpus;
    } else if (plain.front() == "node") {
      nodes.try_emplace(plain.at(1));
    }
  Writer writer(tree, groups);
  for (const auto& group : groups) writer.write(group);
  tree.write(fmt::format("{}online", cpu_root), to_string(all) + "\n");
  tree.write(fmt::format("{}present", cpu_root), to_string(all) + "\n");
  CpuSet numbers;
  for (const auto& [number, cpus] : nodes)
    numbers.insert(static_cast<std::uint32_t>(std::stoul(number)));
  tree.write("/sys/devices/system/node/online", to_string(numbers) + "\n");
  for (const auto& [plain, words] : lines) {
    if (plain.front() == "node") write_node(tree, plain.at(1), words, nodes.at(plain.at(1)));
    if (plain.front() == "file") tree.write(plain.at(1), plain.at(2) + "\n");
  }
}

void write_host_cpus(const TempTree& tree, const std::string& name) {
  const auto text = slurp(TESTS_DIR "/hosts/" + name + "/cpus.txt");
  REQUIRE_MESSAGE(!text.empty(), "no CPUs of ", name);
  write_cpus(tree, text);
}

const hv::host::Topology& host_topology(const std::string& name) {
  static std::map<std::string, hv::host::Topology> all;
  if (const auto known = all.find(name); known != all.end()) return known->second;
  const TempTree tree;
  write_host_cpus(tree, name);
  return all.emplace(name, hv::host::read_topology(tree.root())).first->second;
}
