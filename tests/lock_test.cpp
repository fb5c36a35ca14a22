// SPDX-License-Identifier: MIT
#include "launcher/run/lock.h"

#include "tests/lock_holder.h"
#include "tests/temp_tree.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <filesystem>
#include <thread>
#include <vector>

using namespace hv::run;
using std::chrono::milliseconds;
namespace fs = std::filesystem;

TEST_CASE("of many threads one gets the lock") {
  const TempTree tree;
  const auto root = tree.root();
  std::atomic<int> winners = 0;
  std::atomic<int> losers = 0;
  std::vector<hv::UniqueFd> held(32);
  {
    std::vector<std::jthread> threads;
    for (auto& mine : held)
      threads.emplace_back([&] {
        auto lock = try_lock(root, "/lock");
        if (lock && *lock) mine = **std::move(lock);
        ++(mine ? winners : losers);
      });
  }
  CHECK_EQ(winners, 1);
  CHECK_EQ(losers, 31);
}

TEST_CASE("of many processes one gets the lock, and looking does not take it") {
  const TempTree tree;
  const auto root = tree.root();
  CHECK_FALSE(is_locked(root, "/lock"));
  std::array<int, 2> gate{};
  REQUIRE_EQ(::pipe2(gate.data(), O_CLOEXEC), 0);
  std::array<int, 2> report{};
  REQUIRE_EQ(::pipe2(report.data(), O_CLOEXEC), 0);
  std::vector<pid_t> children(16);
  for (auto& child : children) {
    child = ::fork();
    if (child != 0) continue;
    ::close(gate[1]);
    const auto lock = try_lock(root, "/lock");
    const char result = lock && *lock ? 'w' : 'l';
    (void)!::write(report[1], &result, 1);
    char end = 0;
    (void)!::read(gate[0], &end, 1);  // Holds it until all have tried.
    ::_exit(0);
  }
  std::string results;
  for (std::size_t i = 0; i < children.size(); ++i) {
    char result = 0;
    REQUIRE_EQ(::read(report[0], &result, 1), 1);
    results += result;
  }
  CHECK_EQ(std::ranges::count(results, 'w'), 1);
  for (int i = 0; i < 3; ++i) CHECK(is_locked(root, "/lock"));
  for (const int fd : {gate[0], gate[1], report[0], report[1]}) ::close(fd);
  for (const auto child : children) ::waitpid(child, nullptr, 0);
  CHECK_FALSE(is_locked(root, "/lock"));
  const auto after = try_lock(root, "/lock");
  REQUIRE(after.has_value());
  CHECK(after->has_value());
}

TEST_CASE("a program that inherits the lock holds it until it ends") {
  const TempTree tree;
  const auto root = hv::Root::open().value();
  const auto path = tree.path("/lock");
  LockHolder holder(root, path);
  CHECK(is_locked(root, path));
  CHECK_FALSE(try_lock(root, path).value().has_value());

  SUBCASE("found by a true hint, none, and a forged one") {
    for (const pid_t hint : {holder.pid(), 0, ::getpid(), 1, -5, 999999999}) {
      CAPTURE(hint);
      const auto found = find_holder(root, path, 3, hint);
      REQUIRE(found.has_value());
      CHECK_EQ(found->pid, holder.pid());
    }
    CHECK_FALSE(find_holder(root, path, 4, holder.pid()).has_value());
  }
  SUBCASE("found when the file was removed, and when it was made again") {
    fs::remove(path);
    CHECK_FALSE(is_locked(root, path));
    const auto found = find_holder(root, path, 3, 0);
    REQUIRE(found.has_value());
    CHECK_EQ(found->pid, holder.pid());
    tree.write("/lock", "");
    CHECK_FALSE(find_holder(root, path, 3, holder.pid()).has_value());
  }
  SUBCASE("free when it has ended") {
    holder.end();
    CHECK_FALSE(is_locked(root, path));
    CHECK_FALSE(find_holder(root, path, 3, holder.pid()).has_value());
    CHECK(try_lock(root, path).value().has_value());
  }
}

TEST_CASE("whoever only looks at the lock file is not its holder") {
  const TempTree tree;
  const auto root = hv::Root::open().value();
  const auto path = tree.write("/lock", "");
  const auto looking = root.open_file(path, O_RDONLY).value();
  CHECK_FALSE(find_holder(root, path, looking.get(), ::getpid()).has_value());
  const auto lock = try_lock(root, path).value();
  REQUIRE(lock.has_value());
  CHECK_FALSE(find_holder(root, path, looking.get(), ::getpid()).has_value());
  CHECK_EQ(find_holder(root, path, lock->get(), 0)->pid, ::getpid());
}

TEST_CASE("a wait for the lock ends in time, whatever the parent did to SIGALRM") {
  const TempTree tree;
  const auto root = tree.root();
  const auto held = try_lock(root, "/lock").value();
  sigset_t alarm;
  sigemptyset(&alarm);
  sigaddset(&alarm, SIGALRM);
  sigset_t before;
  SUBCASE("as usual") {}
  SUBCASE("blocked") {
    ::pthread_sigmask(SIG_BLOCK, &alarm, nullptr);
  }
  SUBCASE("ignored") {
    ::signal(SIGALRM, SIG_IGN);
  }
  const auto waited = lock_within(root, "/lock", milliseconds(5));
  REQUIRE_FALSE(waited.has_value());
  CHECK_EQ(waited.error().fault, hv::Fault::timed_out);
  CHECK_EQ(waited.error().id, "still-locked");
  ::pthread_sigmask(SIG_UNBLOCK, &alarm, &before);
  ::signal(SIGALRM, SIG_DFL);
}

TEST_CASE("a wait for the lock ends when it is free, or its file is gone") {
  const TempTree tree;
  const auto root = tree.root();
  CHECK_EQ(lock_within(root, "/lock", milliseconds(5)).error().os_error, ENOENT);
  CHECK_FALSE(fs::exists(tree.path("/lock")));  // Waiting does not make one.
  auto held = *try_lock(root, "/lock").value();
  std::jthread holder;
  SUBCASE("free") {
    holder = std::jthread([&] { const auto gone = std::move(held); });
    CHECK(lock_within(root, "/lock", std::chrono::seconds(20)).has_value());
  }
  SUBCASE("gone") {
    holder = std::jthread([&] {
      fs::remove(tree.path("/lock"));
      const auto gone = std::move(held);
    });
    CHECK_EQ(lock_within(root, "/lock", std::chrono::seconds(20)).error().os_error, ENOENT);
  }
}

TEST_CASE("a symlink in the lock's place is refused") {
  const TempTree tree;
  tree.write("/victim", "");
  fs::create_symlink("/victim", tree.path("/lock"));
  CHECK_EQ(try_lock(tree.root(), "/lock").error().os_error, ELOOP);
}
