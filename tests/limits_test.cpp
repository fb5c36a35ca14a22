// SPDX-License-Identifier: MIT
//
// Limits as the kernel's files have them, in a tree that stands for a control group.
#include "launcher/run/guest_group.h"
#include "tests/run_place.h"

#include <doctest/doctest.h>

#include <algorithm>

using namespace hv::run;
using hv::plan::Limit;

namespace {

/// A unit's group with the files that the kernel makes in it.
struct Group {
  TempTree tree;
  hv::Root unit = tree.root();

  explicit Group(std::initializer_list<std::string_view> files) {
    tree.write("/cgroup.procs", "");
    tree.write("/cgroup.subtree_control", "");
    tree.write("/guest/cgroup.procs", "");
    for (const auto file : files) tree.write("/guest/" + std::string(file), "max");
  }
};

}  // namespace

TEST_CASE("limits are written as the kernel reads them, and what is not limited as well") {
  const Group group({"cpu.max", "cpu.weight", "memory.high", "memory.max", "io.bfq.weight",
                     "io.max", "pids.max"});
  const IntendedLimits limits{.intended = {{Limit::cpu_quota, 150},
                                           {Limit::memory_max, 2048},
                                           {Limit::io_weight, 30},
                                           {Limit::io_write_bytes, 5},
                                           {Limit::pids_max, 200}},
                              .devices = {"8:0"}};
  REQUIRE(enter_guest_group(group.unit, limits).has_value());
  CHECK_EQ(group.tree.read("/guest/cgroup.procs").front(), '0');
  CHECK_EQ(group.tree.read("/guest/cpu.max"), "150000 100000");
  CHECK_EQ(group.tree.read("/guest/cpu.weight"), "100");
  CHECK_EQ(group.tree.read("/guest/memory.high"), "max");
  CHECK_EQ(group.tree.read("/guest/memory.max"), "2147483648");
  CHECK_EQ(group.tree.read("/guest/io.bfq.weight").substr(0, 2), "30");
  CHECK_EQ(group.tree.read("/guest/pids.max").substr(0, 3), "200");
}

TEST_CASE("a limit that the control group cannot keep is refused, and no other is missed") {
  const Group group({"cpu.max", "cpu.weight"});
  CHECK(enter_guest_group(group.unit, {.intended = {{Limit::cpu_quota, 50}}}).has_value());
  for (const auto limit : {Limit::memory_max, Limit::io_weight, Limit::pids_max}) {
    CAPTURE(hv::plan::row_of(limit).field);
    const auto refused = enter_guest_group(group.unit, {.intended = {{limit, 50}}});
    REQUIRE_FALSE(refused.has_value());
    CHECK_EQ(refused.error().id, "no-controller");
    CHECK_FALSE(refused.error().hint.empty());
  }
  // The kernel does not take it.
  const Group strange({"cpu.max"});
  std::filesystem::remove(strange.tree.path("/guest/cpu.max"));
  std::filesystem::create_directory(strange.tree.path("/guest/cpu.max"));
  const auto refused = enter_guest_group(strange.unit, {.intended = {{Limit::cpu_quota, 50}}});
  REQUIRE_FALSE(refused.has_value());
  CHECK_EQ(refused.error().id, "not-limited");
}

TEST_CASE("limits are for a guest that its unit starts, and are remembered for who shows them") {
  const RunPlace here;
  here.put("lock", "");
  CHECK_EQ(
      prepare_limits(here.place(), {.limits = {{Limit::cpu_quota, 50}}, .disks = {}}).error().id,
      "no-unit");
  CHECK_EQ(compare_limits(here.place(), ::getpid()).error().id, "no-unit");
  here.put("limits.json", R"({"limits":{"pids_max":99,"cpu_weight":"x"},"devices":["8:0"]})");
  const auto limits = load_limits(here.place());
  CHECK_EQ(limits.intended, std::vector{hv::plan::LimitValue{Limit::pids_max, 99}});
  CHECK_EQ(limits.devices, std::vector<std::string>{"8:0"});
  for (const auto* const damage : {"", "[]", "{", R"({"limits":7,"devices":7})"}) {
    CAPTURE(damage);
    here.put("limits.json", damage);
    CHECK(load_limits(here.place()).intended.empty());
  }
}

TEST_CASE("what QEMU needs at least counts its guest's memory, but no huge pages") {
  struct Row {
    std::uint64_t memory;
    std::uint64_t huge;
    std::uint64_t least;
  };
  for (const auto& [memory, huge, least] :
       {Row{1024, 0, 1168}, Row{1024, 1024, 144}, Row{1024, 4096, 144}, Row{64, 0, 193}}) {
    CAPTURE(memory);
    CAPTURE(huge);
    CHECK_EQ(hv::plan::least_memory_mib(memory, huge), least);
  }
  // The table is in the order of the enumeration.
  for (const auto& row : hv::plan::limit_rows) CHECK_EQ(&hv::plan::row_of(row.limit), &row);
}
