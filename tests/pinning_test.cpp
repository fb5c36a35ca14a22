// SPDX-License-Identifier: MIT
#include "launcher/plan/pinning.h"

#include "launcher/base/text.h"
#include "profiles/words.h"
#include "tests/host_cpus.h"

#include <doctest/doctest.h>

#include <set>

using hv::CpuSet;
using namespace hv::plan;
using hv::profiles::NearDevice;
using hv::profiles::PinList;
using hv::profiles::Pinning;
using hv::profiles::PinPool;
using hv::profiles::Placement;
using hv::profiles::Smt;

namespace {

CpuSet set_of(std::string_view text) {
  return text.empty() ? CpuSet{} : hv::parse_cpu_set(text).value();
}

/// "one-l3", "near 0" (a device on that node), "list 4 20 5-6", "again 1 2", "pool 4-7".
Pinning wish_of(std::string_view text) {
  Pinning wish;
  wish.vcpus.pointer = "/pinning/vcpus";
  const auto words = hv::split(text, ' ');
  for (const auto& [word, placement] : hv::profiles::placement_words)
    if (word == words[0]) wish.vcpus.value = placement;
  if (words[0] == "near") wish.vcpus.value = NearDevice{"0000:65:00.0"};
  if (words[0] == "pool") wish.vcpus.value = PinPool{set_of(words.at(1))};
  if (words[0] != "list" && words[0] != "again") return wish;
  PinList list{.cpus = {}, .repeats = words[0] == "again"};
  for (std::size_t i = 1; i < words.size(); ++i)
    list.cpus.push_back({set_of(words[i]), fmt::format("/pinning/vcpus/{}", i - 1)});
  wish.vcpus.value = std::move(list);
  return wish;
}

struct Asked {
  std::string_view host;
  std::string_view wish;
  std::uint64_t vcpus;
};

/// What differs from the usual.
struct Extra {
  std::vector<CpuClaim> claims{};
  hv::profiles::Topology guest{};
  Dies dies = Dies::possible;
};

std::expected<Pins, hv::Errors> pinned(const hv::host::Topology& host, const Pinning& wish,
                                       std::uint64_t vcpus, const Extra& extra = {},
                                       std::optional<DevicePlace> near = {}) {
  return pin({.host = host,
              .wish = wish,
              .vcpus = vcpus,
              .guest = extra.guest,
              .dies = extra.dies,
              .claims = extra.claims,
              .near = std::move(near)});
}

std::expected<Pins, hv::Errors> pinned(const Asked& asked, const Extra& extra = {}) {
  std::optional<DevicePlace> near;
  if (asked.wish.starts_with("near "))
    near = DevicePlace{
        .device = "0000:65:00.0",
        .node = static_cast<std::uint32_t>(std::stoul(std::string(asked.wish.substr(5))))};
  return pinned(host_topology(std::string(asked.host)), wish_of(asked.wish), asked.vcpus, extra,
                near);
}

/// "1 9 2 10 | emulator 0 | 1x1x2x2 | node 0 | claim 1-2,9-10 | warning", or
/// the errors' ids and messages.
std::string text_of(const std::expected<Pins, hv::Errors>& pins) {
  std::string text;
  if (!pins) {
    for (const auto& error : pins.error())
      text += fmt::format("{}{} [{}]", text.empty() ? "" : "\n", error.message, error.id);
    return text;
  }
  for (const auto& [cpus, cause] : pins->vcpus) text += to_string(cpus) + " ";
  const auto& guest = pins->guest.value;
  text += fmt::format("| {} | {}x{}x{}x{} | node {} | claim {}", to_string(pins->emulator.value),
                      guest.sockets, guest.dies, guest.cores, guest.threads,
                      to_string(CpuSet(pins->nodes.value)), to_string(pins->claim.value));
  for (const auto& warning : pins->warnings) text += " | " + warning.id;
  return text;
}

std::size_t siblings_in(const hv::host::Topology& host, const Pins& pins) {
  const auto threads = pins.guest.value.threads;
  std::size_t together = 0;
  for (std::size_t i = 0; i + 1 < pins.vcpus.size(); ++i) {
    const auto* const core = host.core_of(pins.vcpus[i].value.front());
    const bool same_core = core == host.core_of(pins.vcpus[i + 1].value.front());
    const bool same_in_guest = i / threads == (i + 1) / threads;
    together += same_core == same_in_guest ? 1U : 0U;
  }
  return together + 1;
}

}  // namespace

TEST_CASE("vCPUs go where the profile wishes") {
  struct Row {
    Asked asked;
    const char* expected;
  };
  constexpr Row rows[] = {
      // Pairs, CPU 0's core left to the host.
      {{"desktop", "one-l3", 4}, "1 9 2 10 | 0,3-8,11-15 | 1x1x2x2 | node 0 | claim 1-2,9-10"},
      {{"desktop", "one-node", 14},
       "1 9 2 10 3 11 4 12 5 13 6 14 7 15 | 0,8 | 1x1x7x2 | node 0 | claim 1-7,9-15"},
      // All of it, when nothing less will do.
      {{"desktop", "one-l3", 16},
       "0 8 1 9 2 10 3 11 4 12 5 13 6 14 7 15 | 0-15 | 1x1x8x2 | node 0 | claim 0-15"},
      // An odd number has no pairs.
      {{"desktop", "one-l3", 3}, "1 2 3 | 0,4-8,12-15 | 1x1x3x1 | node 0 | claim 1-3,9-11"},
      {{"desktop", "one-l3", 9},
       "1 9 2 10 3 11 4 12 5 | 0,6-8,14-15 | 1x1x9x1 | node 0 | claim 1-5,9-13 | "
       "siblings-apart"},
      {{"desktop", "one-l3", 1}, "1 | 0,2-8,10-15 | 1x1x1x1 | node 0 | claim 1,9"},
      {{"desktop", "spread", 4}, "1 2 3 4 | 0,5-8,13-15 | 1x1x4x1 | node 0 | claim 1-4,9-12"},
      {{"desktop", "near 0", 2}, "1 9 | 0,2-8,10-15 | 1x1x1x2 | node 0 | claim 1,9"},

      // Away from CPU 0's L3; QEMU's own threads beside the vCPUs.
      {{"epyc", "one-l3", 4}, "8 72 9 73 | 10-15,74-79 | 1x1x2x2 | node 0 | claim 8-9,72-73"},
      {{"epyc", "one-l3", 16},
       "8 72 9 73 10 74 11 75 12 76 13 77 14 78 15 79 | 0-7,64-71 | 1x1x8x2 | node 0 | claim "
       "8-15,72-79"},
      // Twelve cores of a node are six of each L3, and the guest sees two dies.
      {{"epyc", "one-node", 24},
       "16 80 17 81 18 82 19 83 20 84 21 85 24 88 25 89 26 90 27 91 28 92 29 93 | "
       "22-23,30-31,86-87,94-95 | 1x2x6x2 | node 1 | claim 16-21,24-29,80-85,88-93"},
      {{"epyc", "near 2", 4}, "32 96 33 97 | 34-39,98-103 | 1x1x2x2 | node 2 | claim 32-33,96-97"},
      {{"epyc", "spread", 8},
       "1 8 16 24 32 40 48 56 | 0,2-7,9-15,17-23,25-31,33-39,41-47,49-55,57-64,66-71,73-79,81-87,"
       "89-95,97-103,105-111,113-119,121-127 | 1x8x1x1 | node 0-3 | claim "
       "1,8,16,24,32,40,48,56,65,72,80,88,96,104,112,120"},

      {{"two-socket", "one-node", 4},
       "32 96 33 97 | 34-63,98-127 | 1x1x2x2 | node 1 | claim 32-33,96-97"},
      {{"two-socket", "spread", 4},
       "1 2 32 33 | 0,3-31,34-64,67-95,98-127 | 2x1x2x1 | node 0-1 | claim 1-2,32-33,65-66,96-97"},
      // Evenly over most caches, or in turns over all: never all on one.
      {{"two-socket", "spread", 3},
       "1 32 33 | 0,2-31,34-64,66-95,98-127 | 1x1x3x1 | node 0-1 | claim 1,32-33,65,96-97"},
      {{"epyc", "spread", 12},
       "8 9 16 17 24 25 32 33 40 41 48 49 | "
       "10-15,18-23,26-31,34-39,42-47,50-55,74-79,82-87,90-95,98-103,106-111,114-119 | 1x6x2x1 | "
       "node 0-3 | claim "
       "8-9,16-17,24-25,32-33,40-41,48-49,72-73,80-81,88-89,96-97,104-105,112-113"},
      {{"two-socket", "near 0", 2}, "1 65 | 0,2-31,64,66-95 | 1x1x1x2 | node 0 | claim 1,65"},

      {{"hybrid", "p-cores", 4}, "2 3 4 5 | 0-1,6-19 | 1x1x2x2 | node 0 | claim 2-5"},
      {{"hybrid", "e-cores", 4}, "12 13 14 15 | 0-11,16-19 | 1x1x4x1 | node 0 | claim 12-15"},
      {{"hybrid", "one-l3", 8}, "2 3 4 5 6 7 8 9 | 0-1,10-19 | 1x1x4x2 | node 0 | claim 2-9"},
      {{"hybrid", "p-cores", 12},
       "0 1 2 3 4 5 6 7 8 9 10 11 | 12-19 | 1x1x6x2 | node 0 | claim 0-11"},
      {{"hybrid", "one-node", 18},
       "2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 | 0-1 | 1x1x18x1 | node 0 | claim 2-19 | "
       "mixed-cores | siblings-apart"},

      // No cache is known to be shared: a node is the nearest to it.
      {{"arm-server", "one-l3", 4}, "40 41 42 43 | 44-79 | 1x1x4x1 | node 1 | claim 40-43"},
      {{"arm-server", "spread", 2}, "1 40 | 0,2-39,41-79 | 1x2x1x1 | node 0-1 | claim 1,40"},

      // As the profile lists them; siblings side by side are siblings.
      {{"desktop", "list 2 10 3 11", 4},
       "2 10 3 11 | 0-1,4-9,12-15 | 1x1x2x2 | node 0 | claim "
       "2-3,10-11"},
      {{"desktop", "list 2 3", 2}, "2 3 | 0-1,4-15 | 1x1x2x1 | node 0 | claim 2-3"},
      {{"desktop", "list 2 3 10 11", 4},
       "2 3 10 11 | 0-1,4-9,12-15 | 1x1x4x1 | node 0 | claim 2-3,10-11 | siblings-apart"},
      {{"desktop", "list 2-3 4-5 6", 2},
       "2-3 4-5 | 0-1,6-15 | 1x1x2x1 | node 0 | claim 2-5 | unused-pins"},
      {{"desktop", "again 4 5", 4}, "4 5 4 5 | 0-3,6-15 | 1x1x4x1 | node 0 | claim "},
      {{"desktop", "pool 4-7", 2}, "4-7 4-7 | 0-3,8-15 | 1x1x2x1 | node 0 | claim "},
  };
  for (const auto& [asked, expected] : rows) {
    CAPTURE(asked.host);
    CAPTURE(asked.wish);
    CAPTURE(asked.vcpus);
    CHECK_EQ(text_of(pinned(asked)), expected);
  }
}

TEST_CASE("vCPUs that cannot be placed are refused with the reason") {
  struct Row {
    Asked asked;
    const char* expected;
  };
  constexpr Row rows[] = {
      {{"desktop", "one-l3", 17},
       "'17' vCPUs do not fit in one L3: there is room for 16 at most (CPUs 0-15) "
       "[no-room-for-vcpus]"},
      {{"epyc", "one-l3", 18},
       "'18' vCPUs do not fit in one L3: there is room for 16 at most (CPUs 0-7,64-71) "
       "[no-room-for-vcpus]"},
      {{"epyc", "near 1", 40},
       "'40' vCPUs do not fit near 0000:65:00.0: there is room for 32 at most (CPUs "
       "16-31,80-95) [no-room-for-vcpus]"},
      {{"two-socket", "one-node", 66},
       "'66' vCPUs do not fit in one NUMA node: there is room for 64 at most (CPUs 0-31,64-95) "
       "[no-room-for-vcpus]"},
      {{"hybrid", "p-cores", 14},
       "'14' vCPUs do not fit on the performance cores: there is room for 12 at most (CPUs 0-11) "
       "[no-room-for-vcpus]"},
      {{"hybrid", "e-cores", 9},
       "'9' vCPUs do not fit on the efficiency cores: there is room for 8 at most (CPUs 12-19) "
       "[no-room-for-vcpus]"},
      {{"desktop", "spread", 9},
       "'9' vCPUs do not fit on this host: there is room for 8 at most (CPUs 0-15) "
       "[no-room-for-vcpus]"},
      {{"desktop", "p-cores", 2},
       "'p-cores': all cores of this host are of one kind [no-cpu-kinds]"},
      {{"desktop", "list 1 2", 3}, "2 pins for 3 vCPUs [too-few-pins]"},
      {{"desktop", "again", 1}, "0 pins for 1 vCPU [too-few-pins]"},
      {{"desktop", "list 1 99 16-17", 3},
       "this host has no CPU '99' [no-such-cpu]\nthis host has no CPU '16-17' [no-such-cpu]"},
      {{"desktop", "pool 15-16", 3}, "this host has no CPU '16' [no-such-cpu]"},
  };
  for (const auto& [asked, expected] : rows) {
    CAPTURE(asked.host);
    CAPTURE(asked.wish);
    CAPTURE(asked.vcpus);
    const auto pins = pinned(asked);
    CHECK_EQ(text_of(pins), expected);
    REQUIRE_FALSE(pins.has_value());
    for (const auto& error : pins.error()) {
      CHECK_FALSE(error.hint.empty());
      CHECK(error.origin.pointer.starts_with("/pinning/vcpus"));
    }
  }
}

TEST_CASE("CPUs of others, offline CPUs and a cpuset's are told apart, all at once") {
  auto host = host_topology("desktop");
  host.online = host.online - CpuSet{9};
  host.allowed = set_of("2-8,10-15");
  auto wish = wish_of("list 1 9 99 4");
  wish.emulator = {set_of("5"), "/pinning/emulator"};
  const auto pins = pinned(host, wish, 4, {.claims = {{"web", set_of("4-6,12-14")}}});
  CHECK_EQ(text_of(pins),
           "the cpuset of this service or session keeps CPU '1' from it [cpu-forbidden]\n"
           "CPU '9' is offline [cpu-offline]\n"
           "this host has no CPU '99' [no-such-cpu]\n"
           "guest 'web' has CPU '4' for itself [cpu-claimed]\n"
           "guest 'web' has CPU '5' for itself [cpu-claimed]");
  REQUIRE_FALSE(pins.has_value());
  CHECK_EQ(pins.error().back().origin.pointer, "/pinning/emulator");
  CHECK_EQ(pins.error().back().fault, hv::Fault::state);
}

TEST_CASE("what others have is named when there is no room") {
  const auto pins =
      pinned({"desktop", "one-l3", 8}, {.claims = {{"web", set_of("1-5,9-13")}, {"db", {6}}}});
  CHECK_EQ(text_of(pins),
           "'8' vCPUs do not fit in one L3: there is room for 4 at most, and for 16 if all of "
           "0-15 were free [no-room-for-vcpus]");
  REQUIRE_FALSE(pins.has_value());
  CHECK_EQ(pins.error()[0].hint, "stop a guest that has the others (web, db)");
}

TEST_CASE("a core that is claimed in part goes to nobody else") {
  const auto pins = pinned({"desktop", "one-l3", 2}, {.claims = {{"web", {9}}}});
  CHECK_EQ(text_of(pins), "2 10 | 0-1,3-8,11-15 | 1x1x1x2 | node 0 | claim 2,10");
}

TEST_CASE("explicit helpers, sharing, and one thread a core") {
  auto wish = wish_of("one-l3");
  wish.emulator = {set_of("0"), "/pinning/emulator"};
  wish.iothreads = {set_of("8"), "/pinning/iothreads"};
  wish.exclusive = {false, "/pinning/exclusive"};
  wish.smt = {Smt::avoid, "/pinning/smt"};
  const auto pins = pinned(host_topology("desktop"), wish, 2);
  CHECK_EQ(text_of(pins), "1 2 | 0 | 1x1x2x1 | node 0 | claim ");
  REQUIRE(pins.has_value());
  CHECK_EQ(to_string(pins->iothreads.value), "8");
  CHECK_EQ(pins->iothreads.cause.pointer, "/pinning/iothreads");
  CHECK_EQ(pins->helpers.cause.rule, "pinning");
  CHECK_EQ(pins->vcpus[0].cause.why,
           "one-l3: 2 vCPUs on 2 cores of the L3 of CPUs 0-15; CPU 0's core is left to the host");

  auto listed = wish_of("list 4 5");
  listed.exclusive = {false, "/pinning/exclusive"};
  CHECK(pinned(host_topology("desktop"), listed, 2)->claim.value.empty());
  auto pool = wish_of("pool 4-7");
  pool.exclusive = {true, "/pinning/exclusive"};
  CHECK_EQ(to_string(pinned(host_topology("desktop"), pool, 2)->claim.value), "4-7");
}

TEST_CASE("the profile's topology stays, and says whether siblings are wanted") {
  Extra extra;
  extra.guest.threads = {1, "/topology/threads"};
  extra.guest.cores = {4, "/topology/cores"};
  CHECK_EQ(text_of(pinned({"desktop", "one-l3", 4}, extra)),
           "1 2 3 4 | 0,5-8,13-15 | 1x1x4x1 | node 0 | claim 1-4,9-12");
  extra.guest.threads.value = 2;
  extra.guest.cores.value = 2;
  CHECK_EQ(text_of(pinned({"desktop", "one-l3", 4}, extra)),
           "1 9 2 10 | 0,3-8,11-15 | 1x1x2x2 | node 0 | claim 1-2,9-10");
  // Siblings that the host does not have, or that the list does not give.
  CHECK_EQ(text_of(pinned({"arm-server", "one-l3", 4}, extra)),
           "40 41 42 43 | 44-79 | 1x1x2x2 | node 1 | claim 40-43 | threads-apart");
  CHECK_EQ(text_of(pinned({"desktop", "list 1 2 9 10", 4}, extra)),
           "1 2 9 10 | 0,3-8,11-15 | 1x1x2x2 | node 0 | claim 1-2,9-10 | threads-apart | "
           "siblings-apart");
}

TEST_CASE("a machine without dies gets none") {
  CHECK_EQ(text_of(pinned({"arm-server", "spread", 2}, {.dies = Dies::none})),
           "1 40 | 0,2-39,41-79 | 1x1x2x1 | node 0-1 | claim 1,40");
}

TEST_CASE("isolated CPUs are for vCPUs, and not for threads that the scheduler must spread") {
  auto host = host_topology("desktop");
  host.isolated = set_of("4-7,12-15");
  CHECK_EQ(text_of(pinned(host, wish_of("one-l3"), 4)),
           "4 12 5 13 | 0-3,8-11 | 1x1x2x2 | node 0 | claim 4-5,12-13");
  CHECK_EQ(text_of(pinned(host, wish_of("pool 4-7"), 2)),
           "4-7 4-7 | 0-3,8-11 | 1x1x2x1 | node 0 | claim  | isolated-pool");
}

TEST_CASE("of several nodes, one with the memory is taken") {
  const auto& epyc = host_topology("epyc");
  const auto wish = wish_of("one-node");
  const hv::profiles::Topology any;
  const auto node = [&](std::uint64_t memory_mib, std::uint64_t huge_page_kib) {
    return pin({.host = epyc,
                .wish = wish,
                .vcpus = 4,
                .guest = any,
                .memory_mib = memory_mib,
                .huge_page_kib = huge_page_kib})
        ->nodes.value;
  };
  using Nodes = std::vector<std::uint32_t>;
  CHECK_EQ(node(0, 0), Nodes{0});  // The cache beside CPU 0's: the first of the smallest.
  CHECK_EQ(node(32768, 0), Nodes{1});
  CHECK_EQ(node(8192, 1048576), Nodes{0});
  CHECK_EQ(node(16385, 1048576), Nodes{0});  // It can make one more.
  CHECK_EQ(node(50000, 1048576), Nodes{1});  // Pages can be made there, and not on node 0.
  CHECK_EQ(node(99999, 1048576), Nodes{0});  // None has it: as if it were no question.
}

TEST_CASE("a device without a node is said so, where there are several") {
  const auto wish = wish_of("near ?");
  CHECK(text_of(pinned(host_topology("epyc"), wish, 2, {}, DevicePlace{.device = "gpu"}))
            .ends_with("| device-without-node"));
  CHECK_FALSE(text_of(pinned(host_topology("desktop"), wish, 2, {}, DevicePlace{.device = "gpu"}))
                  .contains("device-without-node"));
  const auto local = pinned(host_topology("epyc"), wish, 2, {},
                            DevicePlace{.device = "gpu", .local = set_of("56-63,120-127")});
  CHECK_EQ(text_of(local), "56 120 | 57-63,121-127 | 1x1x1x2 | node 3 | claim 56,120");
}

TEST_CASE("whatever guests come, none gets what another has, and siblings are siblings") {
  constexpr std::string_view wishes[] = {"one-l3",  "one-node", "spread",
                                         "p-cores", "e-cores",  "near 0"};
  for (const auto* const name : {"desktop", "two-socket", "epyc", "hybrid", "arm-server"}) {
    const auto& host = host_topology(name);
    std::uint32_t random = 1;
    for (int round = 0; round < 20; ++round) {
      Extra extra;
      for (int guest = 0; guest < 24; ++guest) {
        random = random * 1664525 + 1013904223;
        const auto wish = wishes[(random >> 8U) % std::size(wishes)];
        const auto vcpus = 1 + (random >> 16U) % 12;
        CAPTURE(name);
        CAPTURE(wish);
        CAPTURE(vcpus);
        const auto pins = pinned({name, wish, vcpus}, extra);
        if (!pins) {
          for (const auto& error : pins.error())
            CHECK((error.id == "no-room-for-vcpus" || error.id == "no-cpu-kinds"));
          continue;
        }
        REQUIRE_EQ(pins->vcpus.size(), vcpus);
        CpuSet used;
        for (const auto& cpus : pins->vcpus) {
          CHECK_EQ(cpus.value.size(), 1);
          CHECK_FALSE(used.intersects(cpus.value));
          used |= cpus.value;
        }
        for (const auto& claim : extra.claims) {
          CHECK_FALSE(claim.cpus.intersects(pins->claim.value));
          CHECK_FALSE(claim.cpus.intersects(used));
        }
        CHECK(pins->claim.value.contains(used));
        CHECK_FALSE(pins->emulator.value.empty());
        const auto& guest_cpus = pins->guest.value;
        CHECK_EQ(guest_cpus.sockets * guest_cpus.dies * guest_cpus.cores * guest_cpus.threads,
                 vcpus);
        if (guest_cpus.threads > 1) CHECK_EQ(siblings_in(host, *pins), vcpus);
        extra.claims.push_back({fmt::format("g{}", guest), pins->claim.value});
      }
    }
  }
}
