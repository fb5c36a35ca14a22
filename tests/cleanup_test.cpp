// SPDX-License-Identifier: MIT
//
// Starts, stops and cleanups that race or were killed, without a QEMU.
#include "launcher/run/cleanup.h"
#include "launcher/run/lock.h"
#include "launcher/run/observe.h"
#include "launcher/run/powerdown.h"
#include "launcher/run/prepare.h"
#include "tests/lock_holder.h"
#include "tests/run_place.h"

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <ctime>

using namespace hv::run;
namespace fs = std::filesystem;

TEST_CASE("what a killed start left is taken back, and the end is remembered") {
  const RunPlace here;
  const auto place = here.place();
  here.tree.write("/disk.partial", "half");
  here.put("journal", "remove-file\t" + here.tree.path("/disk.partial") + "\nremove-fi");
  here.put("qemu.log", "first\n\x1b[31mlast\n");
  REQUIRE(save_state(place, GuestState{}).has_value());
  CHECK(recover(place).value());
  CHECK_FALSE(here.has("/disk.partial"));
  CHECK_FALSE(here.has("/run/web"));
  const auto last = load_record(place)->last_exit;
  REQUIRE(last.has_value());
  CHECK_EQ(last->cause, "unknown");
  CHECK_EQ(last->log, std::vector<std::string>{"first", "\\x1b[31mlast"});
  CHECK_FALSE(recover(place).value());
}

TEST_CASE("a directory in any state of a killed cleanup is taken away") {
  const RunPlace here;
  fs::create_directories(here.tree.path("/run/web"));
  SUBCASE("empty") {}
  SUBCASE("a lock nobody holds") {
    here.put("lock", "");
  }
  SUBCASE("the lock of `watch`") {
    here.put("watch.lock", "");
  }
  SUBCASE("a truncated state") {
    here.put("state.json", "{\"vm\": \"we");
  }
  SUBCASE("an empty journal") {
    here.put("journal", "");
  }
  SUBCASE("a planted symlink") {
    here.tree.write("/victim/file", "");
    fs::create_directory_symlink(here.tree.path("/victim"), here.tree.path("/run/web/link"));
  }
  CHECK(recover(here.place()).value());
  CHECK_FALSE(here.has("/run/web"));
  if (here.has("/victim")) CHECK(here.has("/victim/file"));
}

TEST_CASE("what cannot be undone keeps the directory and says what to do") {
  const RunPlace here;
  here.put("journal", "nonsense\n");
  const auto done = recover(here.place());
  REQUIRE_FALSE(done.has_value());
  CHECK_EQ(done.error().id, "damaged-journal");
  CHECK_FALSE(done.error().hint.empty());
  CHECK(here.has("/run/web/journal"));
  CHECK_FALSE(claim(here.place()).has_value());
}

TEST_CASE("a guest that runs is left alone, lock file or not") {
  const RunPlace here;
  const auto place = here.place();
  fs::create_directories(here.tree.path("/run/web"));
  LockHolder guest(here.root, place.lock());
  here.put("serial.sock", "");
  SUBCASE("with its lock") {}
  SUBCASE("the lock file removed") {
    fs::remove(place.lock());
  }
  SUBCASE("the directory wiped") {
    fs::remove_all(place.directory());
  }
  CHECK_FALSE(recover(place).value());
  CHECK_EQ(here.has("/run/web"), here.has("/run/web/serial.sock"));
  const auto second = claim(place);
  REQUIRE_FALSE(second.has_value());
  CHECK_EQ(second.error().id, "already-running");
  CHECK_EQ(observe(place, Detail::everything, std::chrono::milliseconds(1)).pid, guest.pid());

  // And it can still be ended, stopped or not.
  ::kill(guest.pid(), SIGSTOP);
  std::vector<Rung> tried;
  const auto rung = powerdown(place, {.agent = 1, .acpi = 1, .quit = 0, .term = 5}, Rung::agent,
                              [&](Rung next, std::chrono::seconds) { tried.push_back(next); });
  REQUIRE(rung.has_value());
  CHECK_EQ(*rung, Rung::term);
  CHECK_EQ(tried, std::vector{Rung::agent, Rung::acpi, Rung::term});
  CHECK_FALSE(here.has("/run/web"));
  CHECK_EQ(powerdown(place, {}, Rung::kill, [](Rung, std::chrono::seconds) {}).error().id,
           "not-running");
}

TEST_CASE("a full /run does not keep a guest from being killed") {
  const RunPlace here;
  const auto place = here.place();
  fs::create_directories(here.tree.path("/run/web"));
  LockHolder guest(here.root, place.lock());
  fs::create_directory(here.tree.path("/run/web/stop"));  // Cannot be replaced by a file.
  const auto rung = powerdown(place, {}, Rung::kill, [](Rung, std::chrono::seconds) {});
  REQUIRE(rung.has_value());
  CHECK_EQ(*rung, Rung::kill);
}

TEST_CASE("of two claims one wins, and the directory is its own") {
  const RunPlace here;
  const auto place = here.place();
  {
    const auto first = claim(place);
    REQUIRE(first.has_value());
    CHECK_EQ(fs::status(place.directory()).permissions(), fs::perms::owner_all);
    const auto second = claim(place);
    REQUIRE_FALSE(second.has_value());
    CHECK_EQ(second.error().id, "already-running");
    CHECK_EQ(second.error().fault, hv::Fault::state);
  }
  CHECK(claim(place).has_value());
}

TEST_CASE("claims and cleanups that race leave nothing and fail nobody") {
  const RunPlace here;
  const auto place = here.place();
  std::vector<pid_t> children(6);
  for (auto& child : children) {
    child = ::fork();
    if (child != 0) continue;
    int wrong = 0;
    for (int i = 0; i < 10; ++i) {
      auto lock = claim(place);
      if (lock && !cleanup(place, *std::move(lock), {})) ++wrong;
      if (!lock && lock.error().id != "already-running") ++wrong;
      if (!recover(place)) ++wrong;
    }
    ::_exit(wrong);
  }
  for (const auto child : children) {
    int status = -1;
    ::waitpid(child, &status, 0);
    CHECK_EQ(status, 0);
  }
  (void)recover(place);
  CHECK_FALSE(here.has("/run/web"));
}

TEST_CASE("a directory that somebody else put in the way is refused") {
  const RunPlace here;
  here.tree.write("/victim/file", "");
  fs::create_directory(here.tree.path("/run"));
  fs::create_directory_symlink(here.tree.path("/victim"), here.tree.path("/run/web"));
  CHECK_EQ(claim(here.place()).error().id, "foreign-directory");
  CHECK(here.has("/victim/file"));
  CHECK_FALSE(here.has("/victim/lock"));
}

TEST_CASE("a stop that was announced is the cause only while it is tried") {
  const RunPlace here;
  const auto place = here.place();
  fs::create_directories(here.tree.path("/run/web"));
  const LastExit crash{.cause = "crashed", .detail = "", .at = 0};
  CHECK_EQ(announced_or(place, crash).cause, "crashed");
  announce_stop(place, "acpi", std::chrono::seconds(60));
  CHECK_EQ(announced_or(place, crash).cause, "stopped");
  CHECK_EQ(announced_or(place, crash).detail, "stopped by hvlaunch (acpi)");
  announce_stop(place, "kill", std::chrono::seconds(60));
  CHECK_EQ(announced_or(place, crash).cause, "killed");
  announce_stop(place, "acpi", std::chrono::seconds(-60));
  CHECK_EQ(announced_or(place, crash).cause, "crashed");
  for (const auto* const forged : {"", "acpi", "acpi x", "kill 99999999999999999999 1"}) {
    here.put("stop", forged);
    CHECK_EQ(announced_or(place, crash).cause, "crashed");
  }
}

TEST_CASE("the log that is remembered is short, however long QEMU's was") {
  const RunPlace here;
  const auto place = here.place();
  here.put("qemu.log", std::string(std::size_t{20} << 20U, 'x') + "\nlast\n");
  REQUIRE(save_state(place, GuestState{}).has_value());
  CHECK(recover(place).value());
  const auto last = load_record(place)->last_exit;
  REQUIRE(last.has_value());
  CHECK_EQ(last->log.back(), "last");
  CHECK_LT(last->log.front().size(), 10000);
}

TEST_CASE("a lock that is held, but by no QEMU, is told as what it is") {
  const RunPlace here;
  const auto place = here.place();
  fs::create_directories(here.tree.path("/run/web"));
  const auto lock = try_lock(here.root, place.lock());
  REQUIRE(lock.has_value());
  REQUIRE(lock->has_value());
  const auto ended = ::fork();
  if (ended == 0) ::_exit(0);
  siginfo_t info{};
  REQUIRE_EQ(::waitid(P_PID, static_cast<id_t>(ended), &info, WEXITED | WNOWAIT), 0);

  std::string state;
  std::string words;
  GuestState guest;
  SUBCASE("another start or cleanup of ours") {
    guest.pid = ::getpid();
    state = "starting";
    words = "another hvlaunch starts 'web'";
  }
  SUBCASE("a QEMU that the kernel still takes apart") {
    guest.pid = ended;
    state = "stopping";
    words = fmt::format("QEMU (process {})", ended);
  }
  REQUIRE(save_state(place, guest).has_value());
  CHECK_EQ(to_string(observe(place, Detail::everything, std::chrono::milliseconds(1)).activity),
           state);
  const auto stopped = powerdown(place, {}, Rung::kill, [](Rung, std::chrono::seconds) {});
  REQUIRE_FALSE(stopped.has_value());
  CHECK_EQ(stopped.error().id, "busy");
  CHECK_NE(stopped.error().message.find(words), std::string::npos);
  ::waitpid(ended, nullptr, 0);
}

TEST_CASE("whoever cleans up is never taken for the guest") {
  const RunPlace here;
  const auto place = here.place();
  fs::create_directories(here.tree.path("/run/web"));
  const auto lock = try_lock(here.root, place.lock());
  REQUIRE(lock.has_value());
  REQUIRE(lock->has_value());
  CHECK_GT((*lock)->get(), lock_number);
  fs::remove(place.lock());
  CHECK_FALSE(find_holder(here.root, place.lock(), lock_number, ::getpid()).has_value());
}
