// SPDX-License-Identifier: MIT
#include "launcher/run/claims.h"

#include "tests/lock_holder.h"
#include "tests/run_place.h"

#include <doctest/doctest.h>

using namespace hv::run;
using hv::CpuSet;
using hv::plan::Claims;

namespace {

hv::vfio::PciAddress pci(std::string_view text) {
  return hv::vfio::parse_pci_address(text).value();
}

const Claims gpu_guest{.guest = "db",
                       .functions = {pci("0000:01:00.0"), pci("0000:01:00.1")},
                       .cpus = CpuSet{4, 5, 12},
                       .macs = {"52:54:00:12:34:56"},
                       .cids = {7},
                       .ports = {{"tcp", "127.0.0.1", 2222}}};

}  // namespace

TEST_CASE("claims are written and read back") {
  const auto text = to_text(gpu_guest);
  CHECK_EQ(text,
           "function 0000:01:00.0\nfunction 0000:01:00.1\ncpus 4-5,12\nmac 52:54:00:12:34:56\n"
           "vsock 7\nport tcp 127.0.0.1 2222\n");
  const auto [guest, functions, cpus, macs, cids, ports] = parse_claims(text, "db");
  CHECK_EQ(guest, "db");
  CHECK_EQ(functions, gpu_guest.functions);
  CHECK_EQ(cpus, gpu_guest.cpus);
  CHECK_EQ(macs, gpu_guest.macs);
  CHECK_EQ(cids, gpu_guest.cids);
  CHECK_EQ(ports, gpu_guest.ports);
  CHECK_EQ(to_text({.guest = "web"}), "");
}

TEST_CASE("lines of claims that make no sense are left out, the others count") {
  for (const auto* const text :
       {"function\n", "function \n", "function 01:00\n", "cpus x\n", "cpus 0-99999999999\n", "\n",
        " \n", "vsock\n", "vsock x\n", "port tcp\n", "port tcp 127.0.0.1 x\n",
        "functions 0000:01:00.0\n", "function 0000:01:00.0/../..\n", "\x1b[2J 1\n"}) {
    CAPTURE(text);
    const auto [guest, functions, cpus, macs, cids, ports] =
        parse_claims(std::string(text) + "function 0000:02:00.0", "db");
    REQUIRE_EQ(functions.size(), 1);
    CHECK_EQ(functions.front(), pci("0000:02:00.0"));
    CHECK(cpus.empty());
    CHECK(macs.empty());
    CHECK(cids.empty());
    CHECK(ports.empty());
  }
}

TEST_CASE("what two guests both want is named") {
  struct Row {
    Claims other;
    const char* common;
  };
  const Row rows[] = {
      {{.guest = "a"}, ""},
      {{.guest = "a", .functions = {pci("0000:02:00.0")}, .cpus = {6}, .macs = {"m"}}, ""},
      {{.guest = "a", .functions = {pci("0000:01:00.1")}, .cpus = {4}}, "0000:01:00.1"},
      {{.guest = "a", .cpus = {5, 6, 12}}, "CPU 5,12"},
      {{.guest = "a", .macs = {"52:54:00:12:34:56"}}, "MAC address 52:54:00:12:34:56"},
      {{.guest = "a",
        .cids = {8},
        .ports = {{"udp", "127.0.0.1", 2222}, {"tcp", "127.0.0.1", 2223}}},
       ""},
      {{.guest = "a", .ports = {{"tcp", "192.0.2.1", 2222}}}, ""},
      {{.guest = "a", .cids = {7}}, "vsock address 7"},
      {{.guest = "a", .ports = {{"tcp", "127.0.0.1", 2222}}}, "tcp port 2222 of the host"},
      {{.guest = "a", .ports = {{"tcp", "0.0.0.0", 2222}}}, "tcp port 2222 of the host"},
  };
  for (const auto& [other, common] : rows) {
    CAPTURE(common);
    CHECK_EQ(in_common(gpu_guest, other), common);
    CHECK_EQ(in_common(other, gpu_guest), common);
  }
}

TEST_CASE("the second guest to want a device is refused, for as long as the first runs") {
  const RunPlace here;
  std::filesystem::create_directories(here.tree.path("/run/db"));
  std::filesystem::create_directories(here.tree.path("/run/web"));
  const auto db = here.place("db");
  const auto web = here.place("web");
  LockHolder running(here.root, db.lock());
  REQUIRE(take_claims(db, gpu_guest).has_value());
  CHECK_EQ(here.tree.read("/run/db/claims"), to_text(gpu_guest));

  const Claims wanted{.guest = "web", .functions = {pci("0000:01:00.1")}};
  const auto refused = take_claims(web, wanted);
  REQUIRE_FALSE(refused.has_value());
  CHECK_EQ(refused.error().id, "claimed");
  CHECK_EQ(refused.error().fault, hv::Fault::state);
  CHECK_EQ(refused.error().message, "the running guest 'db' has 0000:01:00.1");
  CHECK_EQ(refused.error().hint, "stop it first: `hvlaunch stop db`");
  CHECK_FALSE(here.has("/run/web/claims"));

  CHECK(take_claims(web, {.guest = "web", .functions = {pci("0000:02:00.0")}}).has_value());
  running.end();
  CHECK(claims_of_others(web).empty());
  CHECK(take_claims(web, wanted).has_value());
}

TEST_CASE("a guest does not stand in its own way, and none where nothing runs") {
  const RunPlace here;
  CHECK(claims_of_others(here.place()).empty());
  here.put("claims", to_text(gpu_guest));
  const LockHolder running(here.root, here.place().lock());
  CHECK(claims_of_others(here.place()).empty());
  REQUIRE_EQ(claims_of_others(here.place("db")).size(), 1);
  CHECK_EQ(claims_of_others(here.place("db")).front().guest, "web");
  CHECK(take_claims(here.place(), gpu_guest).has_value());
}
