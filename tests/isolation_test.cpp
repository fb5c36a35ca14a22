// SPDX-License-Identifier: MIT
#include "launcher/run/isolation.h"
#include "tests/lock_holder.h"
#include "tests/temp_tree.h"

#include <doctest/doctest.h>

using hv::CpuSet;
using hv::plan::KeptKnob;
using hv::plan::Knob;
using hv::plan::KnobKind;

namespace {

std::string value_of(const std::vector<KeptKnob>& knobs, std::string_view name) {
  for (const auto& kept : knobs)
    if (kept.knob.name == name) return kept.to;
  return "none";
}

/// What set_knobs() has done when it has gone well, or for one that cannot be moved, nothing.
std::vector<Knob> obeyed(const std::vector<KeptKnob>& kept, std::string_view stubborn = "") {
  std::vector<Knob> knobs;
  for (const auto& [knob, base, to] : kept) {
    knobs.push_back(knob);
    if (knob.name != stubborn) knobs.back().value = to;
  }
  return knobs;
}

const CpuSet host{0, 1, 2, 3, 4, 5, 6, 7};

std::vector<Knob> quiet_host() {
  return {{.kind = KnobKind::slice, .name = "system.slice"},
          {.kind = KnobKind::slice, .name = "user.slice", .value = "0-5"},
          {.kind = KnobKind::interrupts, .name = "default", .value = "0-7"},
          {.kind = KnobKind::interrupt, .name = "9", .owner = "acpi", .value = "0-1"},
          {.kind = KnobKind::interrupt, .name = "24", .owner = "nic", .value = "0-7"},
          {.kind = KnobKind::interrupt, .name = "25", .owner = "disk", .value = "6"},
          {.kind = KnobKind::governor, .name = "6", .value = "powersave"}};
}

/// A host with systemd and one slice, whose cgroup does what is written.
struct FakeHost {
  TempTree tree;
  hv::Root root = tree.root();
  hv::Paths paths{.profiles = {},
                  .config = {},
                  .state = {},
                  .runtime = "/run/hvlaunch",
                  .cache = {},
                  .firmware_config = {}};

  explicit FakeHost(std::string_view cgroup = "0::/hvlaunch.slice/web.scope\n") {
    tree.write("/run/systemd/system/none", "");
    tree.write("/proc/self/cgroup", cgroup);
    tree.write("/proc/sys/kernel/random/boot_id", "one\n");
    tree.write("/sys/devices/system/cpu/present", "0-3\n");
    tree.write("/sys/fs/cgroup/system.slice/cpuset.cpus", "\n");
    tree.write("/proc/irq/default_smp_affinity", "f\n");
    tree.write("/proc/irq/24/smp_affinity_list", "0-3");
    tree.write("/sys/kernel/irq/24/actions", "nic\n");
    tree.write("/proc/irq/25/smp_affinity_list", "0-3");
    tree.write("/sys/kernel/irq/25/actions", "\n");
    tree.write("/sys/devices/system/cpu/cpu2/cpufreq/scaling_governor", "powersave");
    current = this;
  }
  FakeHost(const FakeHost&) = delete;
  FakeHost& operator=(const FakeHost&) = delete;
  ~FakeHost() { current = nullptr; }

  [[nodiscard]] hv::run::Place place(std::string vm) const { return {root, paths, std::move(vm)}; }
  [[nodiscard]] std::string slice() const {
    return tree.read("/sys/fs/cgroup/system.slice/cpuset.cpus");
  }
  [[nodiscard]] std::string interrupt() const {
    return tree.read("/proc/irq/24/smp_affinity_list");
  }
  /// Everything that isolation may change.
  [[nodiscard]] std::string all() const {
    return slice() + "|" + tree.read("/proc/irq/default_smp_affinity") + "|" + interrupt() + "|" +
           tree.read("/proc/irq/25/smp_affinity_list") + "|" +
           tree.read("/sys/devices/system/cpu/cpu2/cpufreq/scaling_governor");
  }

  static hv::Result<> set(const std::vector<KeptKnob>& slices) {
    for (const auto& slice : slices) {
      current->tree.write("/sys/fs/cgroup/" + slice.knob.name + "/cpuset.cpus", slice.to);
      current->tree.write(hv::run::drop_in_of(slice.knob.name), slice.to);
    }
    return {};
  }
  static hv::Result<> refuse(const std::vector<KeptKnob>&) {
    return hv::fail(hv::Fault::failed, "program", "systemctl ended with status 1");
  }
  static hv::Result<> ignore(const std::vector<KeptKnob>&) { return {}; }

  static inline FakeHost* current = nullptr;
};

/// A guest that holds its lock.
struct Guest {
  hv::run::Place place;
  LockHolder lock;
  hv::Journal journal;

  Guest(const FakeHost& on, const std::string& name)
      : place(on.place(name)),
        lock(directory(on, name), place.lock()),
        journal(
            hv::Journal::open(on.root, place.file("journal"), [](const hv::Root&, const hv::Undo&) {
              return hv::Result<>();
            }).value()) {
    journal.keep();
  }
  hv::Result<> isolate(const CpuSet& cpus, hv::run::SetSlices set = FakeHost::set) {
    return isolate_cpus(place, cpus, journal, set);
  }
  [[nodiscard]] hv::Result<> release() const {
    return hv::run::release_cpus(place.root,
                                 {.kind = hv::Undo::Kind::release_cpus, .path = place.directory()},
                                 FakeHost::set);
  }

 private:
  static const hv::Root& directory(const FakeHost& on, const std::string& name) {
    std::filesystem::create_directories(on.tree.path("/run/hvlaunch/" + name));
    return on.root;
  }
};

}  // namespace

TEST_CASE("what the host keeps follows from its base and the isolated CPUs") {
  const auto kept = next({}, quiet_host(), {6, 7}, host);
  CHECK_EQ(value_of(kept, "system.slice"), "0-5");
  CHECK_EQ(value_of(kept, "user.slice"), "0-5");
  CHECK_EQ(value_of(kept, "default"), "0-5");
  CHECK_EQ(value_of(kept, "9"), "0-1");
  CHECK_EQ(value_of(kept, "24"), "0-5");
  CHECK_EQ(value_of(kept, "25"), "0-5");  // It was on an isolated CPU alone.
  CHECK_EQ(value_of(kept, "6"), "performance");
  CHECK_FALSE(kept[3].wants_change());

  SUBCASE("one guest more, one fewer, and none") {
    const auto two = next(kept, obeyed(kept, "25"), {2, 6, 7}, host);
    CHECK_EQ(value_of(two, "user.slice"), "0-1,3-5");
    CHECK_EQ(value_of(two, "25"), "0-1,3-5");
    const auto one = next(two, obeyed(two), {2}, host);
    CHECK_EQ(value_of(one, "system.slice"), "0-1,3-7");
    CHECK_EQ(value_of(one, "25"), "6");
    CHECK_EQ(value_of(one, "6"), "powersave");
    const auto none = obeyed(next(one, obeyed(one), {}, host));
    const auto before = quiet_host();
    for (std::size_t i = 0; i < before.size(); ++i) CHECK_EQ(none[i].value, before[i].value);
  }
  SUBCASE("killed between noting and doing") {
    auto knobs = quiet_host();
    knobs[0].value = "0-5";  // The first is done, the others are not.
    const auto none = next(kept, knobs, {}, host);
    CHECK_EQ(value_of(none, "system.slice"), "");
    CHECK_EQ(value_of(none, "25"), "6");
    knobs[0].value = "0-7";  // Its value is being taken away.
    CHECK_EQ(value_of(next(none, knobs, {}, host), "system.slice"), "");
  }
  SUBCASE("somebody else's change is the new base") {
    auto knobs = obeyed(kept);
    knobs[0].value = "0-3";
    knobs[4].value = "1";
    const auto none = next(kept, knobs, {}, host);
    CHECK_EQ(value_of(none, "system.slice"), "0-3");
    CHECK_EQ(value_of(none, "24"), "1");
  }
  SUBCASE("an interrupt that came meanwhile gets what it would have got") {
    auto knobs = obeyed(kept);
    knobs[4].owner = "another";  // The number was given out anew.
    knobs.push_back({.kind = KnobKind::interrupt, .name = "30", .owner = "pinned", .value = "3"});
    const auto none = next(kept, knobs, {}, host);
    CHECK_EQ(value_of(none, "24"), "0-7");
    CHECK_EQ(value_of(none, "30"), "3");
  }
}

TEST_CASE("what is remembered of the host is written and read back") {
  const auto kept = next({}, quiet_host(), {6, 7}, host);
  const auto text = to_text(kept);
  CHECK_EQ(to_text(hv::plan::parse_kept_knobs(text)), text);
  CHECK_EQ(text.substr(0, text.find('\n')), "slice\tsystem.slice\t\t\t0-5\t");
  CHECK(hv::plan::parse_kept_knobs("slice\tx\n\nknob\ta\tb\tc\td\te\nslice\t1\t2\t3\t4\t5\t6")
            .empty());
}

TEST_CASE("sets of CPUs as masks") {
  struct Row {
    CpuSet cpus;
    const char* mask;
  };
  const Row rows[] = {{{}, "0"},
                      {{0, 1, 3}, "b"},
                      {{31}, "80000000"},
                      {{0, 32}, "1,00000001"},
                      {{100}, "10,00000000,00000000,00000000"}};
  for (const auto& [cpus, mask] : rows) {
    CAPTURE(mask);
    CHECK_EQ(hv::plan::to_mask(cpus), mask);
    CHECK_EQ(hv::plan::parse_cpu_mask(mask), cpus);
  }
  CHECK_EQ(hv::plan::parse_cpu_mask("ff,ffffffff").size(), 40);
  CHECK(hv::plan::parse_cpu_mask("x").empty());
}

TEST_CASE("two guests isolate CPUs, and the last gives all back") {
  const FakeHost here;
  const auto before = here.all();
  {
    Guest web(here, "web");
    REQUIRE(web.isolate({2}).has_value());
    CHECK_EQ(here.all(), "0-1,3|b|0-1,3|0-3|performance");
    CHECK_EQ(quiet_of(web.place).cpus, CpuSet{2});
    CHECK(quiet_of(web.place).slices.empty());
    CHECK_EQ(quiet_of(web.place).interrupts, 0);
    {
      Guest db(here, "db");
      REQUIRE(db.isolate({1}).has_value());
      CHECK_EQ(here.slice(), "0,3");
      // Its lock is gone before it is cleaned up: it counts no more.
    }
    const Guest db(here, "db");
    REQUIRE(db.release().has_value());
    CHECK_EQ(here.slice(), "0-1,3");
    REQUIRE(web.release().has_value());
    REQUIRE(web.release().has_value());  // Twice does no harm.
  }
  // The fake files have no line ends any more, as the real ones would.
  CHECK_EQ(here.all(), "|f|0-3|0-3|powersave");
  CHECK_EQ(before, "\n|f\n|0-3|0-3|powersave");
  CHECK_FALSE(here.root.exists("/run/hvlaunch/.isolation"));
  CHECK_FALSE(here.root.exists("/run/hvlaunch/.isolation.lock"));
  CHECK_FALSE(here.root.exists("/run/systemd/system.control/system.slice.d"));
}

TEST_CASE("an administrator's own file for a slice stays") {
  const FakeHost here;
  here.tree.write(hv::run::drop_in_of("system.slice"), "0-2");
  here.tree.write("/sys/fs/cgroup/system.slice/cpuset.cpus", "0-2");
  Guest web(here, "web");
  REQUIRE(web.isolate({2}).has_value());
  CHECK_EQ(here.slice(), "0-1");
  REQUIRE(web.release().has_value());
  CHECK_EQ(here.slice(), "0-2");
  CHECK_EQ(here.tree.read(hv::run::drop_in_of("system.slice")), "0-2");
}

TEST_CASE("CPUs that cannot be isolated") {
  struct Row {
    const char* cgroup;
    CpuSet cpus;
    hv::run::SetSlices set;
    const char* id;
  };
  const char* const own = "0::/hvlaunch.slice/web.scope\n";
  const Row rows[] = {
      {"1:cpuset:/\n0::/system.slice/ssh.service\n", {2}, FakeHost::set, "host-slice"},
      {"0::/user.slice\n", {2}, FakeHost::set, "host-slice"},
      {own, {0, 1, 2, 3}, FakeHost::set, "no-cpu-for-host"},
      {own, {2}, FakeHost::refuse, "program"},
      {own, {2}, FakeHost::ignore, "not-obeyed"},
  };
  for (const auto& [cgroup, cpus, set, id] : rows) {
    CAPTURE(id);
    const FakeHost here(cgroup);
    Guest web(here, "web");
    const auto done = web.isolate(cpus, set);
    REQUIRE_FALSE(done.has_value());
    CHECK_EQ(done.error().id, id);
    REQUIRE(web.release().has_value());
    CHECK_EQ(here.interrupt(), "0-3");
    CHECK_FALSE(here.root.exists("/run/hvlaunch/.isolation"));
  }
  const FakeHost here;
  Guest web(here, "web");
  std::filesystem::remove_all(here.tree.path("/run/systemd"));
  CHECK_EQ(web.isolate({2}).error().id, "no-systemd");
  CHECK_EQ(hv::run::release_cpus(here.root, {.path = "web"}, FakeHost::set).error().id,
           "damaged-journal");
}

TEST_CASE("what an earlier boot remembered counts no more") {
  const FakeHost here;
  here.tree.write("/run/hvlaunch/.isolation", "boot zero\nslice\tsystem.slice\t0\t3\t0\t\n");
  Guest web(here, "web");
  REQUIRE(web.isolate({2}).has_value());
  REQUIRE(web.release().has_value());
  CHECK_EQ(here.slice(), "");
}
