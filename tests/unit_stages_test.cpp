// SPDX-License-Identifier: MIT
//
// What stages that are processes of their own leave for each other, without a QEMU.
#include "launcher/run/handover.h"
#include "launcher/run/readiness.h"
#include "launcher/run/request.h"
#include "launcher/run/unit.h"
#include "tests/lock_holder.h"
#include "tests/run_place.h"

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <array>
#include <functional>
#include <thread>

using namespace hv::run;
using hv::profiles::Ready;
using hv::profiles::ReadyKind;

namespace {

hv::plan::Plan some_plan() {
  hv::plan::Plan plan{};
  plan.vm = "web";
  plan.binary = "/bin/qemu";
  plan.record.machine = "pc-q35-7.2";
  plan.arguments = {{"-name", "a\"b", {"/name", "", "why"}}, {"-S", "", {"", "rule", "then"}}};
  plan.descriptors = {{3, hv::plan::Handle::lock, "", {}},
                      {4, hv::plan::Handle::listener, "/run/web/monitor.sock", {}}};
  plan.pins.vcpus = {hv::parse_cpu_set("2-3").value(), hv::parse_cpu_set("5").value()};
  plan.pins.emulator = hv::parse_cpu_set("1").value();
  plan.locked_memory_mib = 512;
  plan.ready = {.kind = {ReadyKind::tcp}, .address = {"192.0.2.7:22"}, .timeout_seconds = {30}};
  return plan;
}

/// Listens at `path` for one client, calls `seen` when it is there, and says `words` to it.
std::jthread says(
    const std::string& path, std::string words, std::function<void()> seen = [] {}) {
  auto listener = std::make_shared<hv::UniqueFd>(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  REQUIRE_EQ(::bind(listener->get(), reinterpret_cast<const sockaddr*>(&address), sizeof address),
             0);
  REQUIRE_EQ(::listen(listener->get(), 1), 0);
  return std::jthread([listener, words = std::move(words), seen = std::move(seen)] {
    const hv::UniqueFd client(::accept4(listener->get(), nullptr, nullptr, SOCK_CLOEXEC));
    seen();
    for (const char c : words) (void)!::send(client.get(), &c, 1, MSG_NOSIGNAL);
    char end = 0;
    while (::recv(client.get(), &end, 1, 0) > 0) continue;
  });
}

}  // namespace

TEST_CASE("what prepare hands over is what exec and tune take over") {
  const RunPlace here;
  const auto place = here.place();
  here.put("lock", "");
  CHECK_EQ(take_over(place).error().id, "not-prepared");
  REQUIRE(hand_over(place, some_plan(), FirstState::paused).has_value());
  const auto [plan, first_state] = take_over(place).value();
  CHECK(first_state == FirstState::paused);
  CHECK_EQ(hv::plan::argv_of(plan), hv::plan::argv_of(some_plan()));
  CHECK_EQ(plan.arguments[1].cause.rule, "rule");
  REQUIRE_EQ(plan.descriptors.size(), 2);
  CHECK(plan.descriptors[1].handle == hv::plan::Handle::listener);
  CHECK_EQ(plan.descriptors[1].path, "/run/web/monitor.sock");
  CHECK_EQ(to_string(plan.pins.vcpus[0]), "2-3");
  CHECK_EQ(to_string(plan.pins.emulator), "1");
  CHECK(plan.pins.iothreads.empty());
  CHECK_EQ(plan.locked_memory_mib, 512);
  CHECK_EQ(plan.record.machine, "pc-q35-7.2");
  CHECK(plan.ready.kind.value == ReadyKind::tcp);
  CHECK_EQ(plan.ready.address.value, "192.0.2.7:22");
  CHECK_EQ(plan.ready.timeout_seconds.value, 30);

  for (const auto* const damage : {"", "{", "[]", "{\"vm\": \"web\"}"}) {
    CAPTURE(damage);
    here.put("plan.json", damage);
    CHECK_EQ(take_over(place).error().id, "not-prepared");
  }
  auto other = some_plan();
  other.vm = "db";
  REQUIRE(hand_over(place, other, FirstState::running).has_value());
  CHECK_EQ(take_over(place).error().id, "not-prepared");
}

TEST_CASE("a command's wish counts while it lives, and it hears the first error") {
  const RunPlace here;
  const auto place = here.place();
  using Verb = Request::Verb;
  CHECK_EQ(requested(place, Verb::start), "");
  CHECK(await_requester(place, Verb::stop, std::chrono::seconds(1)).has_value());
  {
    const auto request = Request::make(place, Verb::start, "paused");
    REQUIRE(request.has_value());
    CHECK_EQ(Request::make(place, Verb::start, "").error().id, "already-requested");
    CHECK_EQ(requested(place, Verb::start), "paused");
    CHECK_EQ(requested(place, Verb::stop), "");
    CHECK(request->errors().empty());
    hv::Error error{.fault = hv::Fault::missing,
                    .id = "no-kvm",
                    .message = "a \"b\"\nc",
                    .origin = {.source = "p", .pointer = "/accel", .line = 3, .column = 4},
                    .hint = "do it",
                    .while_doing = {"this", "that"}};
    answer(place, Verb::start, hv::Errors{error, error});
    answer(place, Verb::start, hv::Errors{{.id = "later", .message = "no"}});
    const auto errors = request->errors();
    REQUIRE_EQ(errors.size(), 2);
    CHECK_EQ(describe(errors[0]), describe(error));
    CHECK(errors[1].fault == hv::Fault::missing);
    CHECK_EQ(await_requester(place, Verb::start, std::chrono::seconds(0)).error().id,
             "still-locked");
  }
  CHECK_FALSE(here.has("/run/.web.start"));
  // One that was killed has left its file.
  here.tree.write("/run/.web.start", "paused\n");
  CHECK_EQ(requested(place, Verb::start), "");
  answer(place, Verb::start, hv::Errors{{.id = "x", .message = "y"}});
  CHECK_EQ(here.tree.read("/run/.web.start"), "paused\n");
  CHECK(await_requester(place, Verb::start, std::chrono::seconds(1)).has_value());
  CHECK_FALSE(here.has("/run/.web.start"));
}

TEST_CASE("a process is of a VM's unit by its control group") {
  const TempTree tree;
  const auto root = tree.root();
  const auto in = [&](const std::string& group) {
    tree.write("/proc/7/cgroup", "1:name=systemd:/x\n0::" + group + "\n");
    return runs_in_unit(root, "web", 7);
  };
  CHECK(in("/hvlaunch.slice/hvlaunch@web.service"));
  CHECK(in("/hvlaunch.slice/hvlaunch@web.service/.control"));
  CHECK_FALSE(in("/hvlaunch.slice/hvlaunch@web2.service"));
  CHECK_FALSE(in("/hvlaunch.slice/hvlaunch@web.service2"));
  CHECK_FALSE(in("/hvlaunch.slice/hvlaunch-watch@web.service"));
  CHECK_FALSE(in("/user.slice"));
  CHECK_FALSE(runs_in_unit(root, "web", 8));
}

TEST_CASE("a guest is waited for until it is ready, has ended, or the time is over") {
  const RunPlace here;
  const auto place = here.place();
  CHECK(await_ready(place, Ready{}).has_value());  // It runs: that is enough.
  Ready ready{.kind = {ReadyKind::serial_match}, .text = {"login:"}, .timeout_seconds = {5}};
  CHECK_EQ(await_ready(place, ready).error().id, "not-running");
  here.put("lock", "");
  LockHolder qemu(place.root, place.lock());

  SUBCASE("its console says it, byte by byte, and not what is nearly it") {
    const auto guest = says(place.file("console.sock"), "boot\nloginloglogin: now");
    CHECK(await_ready(place, ready).has_value());
  }
  SUBCASE("its agent answers") {
    ready.kind.value = ReadyKind::agent;
    const auto guest =
        says(place.file("agent.sock"), fmt::format("{{\"return\": {}}}\n", qemu.pid()));
    CHECK(await_ready(place, ready).has_value());
  }
  SUBCASE("its port opens") {
    const hv::UniqueFd server(::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in6 address{};
    address.sin6_family = AF_INET6;
    address.sin6_addr = in6addr_loopback;
    REQUIRE_EQ(::bind(server.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address),
               0);
    socklen_t size = sizeof address;
    REQUIRE_EQ(::getsockname(server.get(), reinterpret_cast<sockaddr*>(&address), &size), 0);
    ready = {.kind = {ReadyKind::tcp},
             .address = {fmt::format("[::1]:{}", ntohs(address.sin6_port))},
             .timeout_seconds = {1}};
    const auto late = await_ready(place, ready);
    CHECK_EQ(late.error().id, "not-ready");
    CHECK(late.error().fault == hv::Fault::timed_out);
    CHECK(late.error().message.contains("'web' runs, but waited 1 s in vain for [::1]:"));
    REQUIRE_EQ(::listen(server.get(), 1), 0);
    CHECK(await_ready(place, ready).has_value());
  }
  SUBCASE("it ends") {
    const auto guest = says(place.file("console.sock"), "boot\n", [&] { qemu.end(); });
    CHECK_EQ(await_ready(place, ready).error().id, "ended-early");
  }
}
