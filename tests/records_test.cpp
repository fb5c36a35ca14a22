// SPDX-License-Identifier: MIT
#include "launcher/run/records.h"

#include "tests/run_place.h"

#include <doctest/doctest.h>

using namespace hv::run;

TEST_CASE("a guest's state is read as it was saved") {
  const RunPlace here;
  const auto place = here.place();
  std::filesystem::create_directories(place.directory());
  GuestState state;
  state.vm = "web";
  state.pid = 42;
  state.profile_hash = ~std::uint64_t{0};
  state.disks = {{.node = "disk0", .path = "/d", .writable = false}};
  state.nics = {{.kind = "user", .mac = "52:54:00:00:00:01"}};
  state.shutdown = {.agent = 1, .acpi = 2, .quit = 3, .term = 4};
  state.warnings = {"one", "two"};
  state.console = true;
  REQUIRE(save_state(place, state).has_value());
  const auto loaded = load_state(place);
  REQUIRE(loaded.has_value());
  CHECK_EQ(loaded->vm, "web");
  CHECK_EQ(loaded->pid, 42);
  CHECK_EQ(loaded->profile_hash, ~std::uint64_t{0});
  REQUIRE_EQ(loaded->disks.size(), 1);
  CHECK_EQ(loaded->disks[0].path, "/d");
  CHECK_FALSE(loaded->disks[0].writable);
  CHECK_EQ(loaded->nics[0].mac, "52:54:00:00:00:01");
  CHECK_EQ(loaded->shutdown.term, 4);
  CHECK_EQ(loaded->warnings, state.warnings);
  CHECK(loaded->console);
}

TEST_CASE("a state of another version is read as far as it goes, a damaged one not at all") {
  const RunPlace here;
  const auto place = here.place();
  CHECK_FALSE(load_state(place).has_value());
  here.put("state.json", R"({"vm": "web", "pid": 42, "new": {"x": 1}, "shutdown": {"acpi": 9}})");
  const auto other = load_state(place);
  REQUIRE(other.has_value());
  CHECK_EQ(other->pid, 42);
  CHECK_EQ(other->shutdown.acpi, 9);
  CHECK_EQ(other->shutdown.quit, Ladder{}.quit);
  for (const auto* const text :
       {"", "{\"vm\": \"w", "[]", "null", "7", R"({"pid": "42"})", R"({"pid": {}})",
        R"({"disks": [{"path": 1}]})", R"({"shutdown": []})", R"({"shutdown": {"acpi": -1}})",
        "[[[[[[[[[[[[]]]]]]]]]]]]", "\xff"}) {
    CAPTURE(text);
    here.put("state.json", text);
    CHECK_FALSE(load_state(place).has_value());
  }
}

TEST_CASE("a record is kept, and a damaged one is never taken for none") {
  const RunPlace here;
  const auto place = here.place();
  CHECK_EQ(load_record(place)->machine, "");
  VmRecord record{.machine = "pc-q35-7.2",
                  .last_exit = LastExit{.cause = "crashed", .detail = "d", .at = 3, .log = {"l"}}};
  REQUIRE(save_record(place, record).has_value());
  const auto loaded = load_record(place);
  REQUIRE(loaded.has_value());
  CHECK_EQ(loaded->machine, "pc-q35-7.2");
  REQUIRE(loaded->last_exit.has_value());
  CHECK_EQ(loaded->last_exit->log, std::vector<std::string>{"l"});
  const auto whole = here.tree.read("/state/records/web.json");
  for (std::size_t length = 0; length < whole.size(); ++length) {
    CAPTURE(length);
    here.tree.write("/state/records/web.json", whole.substr(0, length));
    const auto torn = load_record(place);
    REQUIRE_FALSE(torn.has_value());
    CHECK_EQ(torn.error().id, "damaged-record");
    CHECK_FALSE(torn.error().hint.empty());
  }
  for (const auto* const text : {"{}", "[]", R"({"machine": 7})"}) {
    here.tree.write("/state/records/web.json", text);
    CHECK_FALSE(load_record(place).has_value());
  }
  // The cause of death is only history.
  here.tree.write("/state/records/web.json", R"({"machine": "virt", "last_exit": {"at": "x"}})");
  CHECK_EQ(load_record(place)->machine, "virt");
  CHECK_FALSE(load_record(place)->last_exit.has_value());
}
