// SPDX-License-Identifier: MIT
#include "launcher/run/program.h"

#include "launcher/run/process.h"
#include "tests/temp_tree.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>

#include <array>

using namespace hv::run;
using std::chrono::milliseconds;
using namespace std::string_literals;

TEST_CASE("a program gets exactly the environment and descriptors it should") {
  const TempTree tree;
  const auto path = tree.path("/environment");
  REQUIRE(run_program({"cp", "/proc/self/environ", path}, "coreutils").has_value());
  CHECK_EQ(tree.read("/environment"), "LC_ALL=C\0PATH="s + std::string(program_path) + '\0');

  const hv::UniqueFd inheritable(::fcntl(0, F_DUPFD, 50));
  REQUIRE(inheritable);
  REQUIRE(run_program({"sh", "-c", "ls /proc/self/fd > \"$1\"", "sh", tree.path("/fds")}, "dash"));
  CHECK_EQ(tree.read("/fds"), "0\n1\n2\n3\n");  // The last is ls's own.
}

TEST_CASE("how a program failed is said") {
  struct Row {
    std::vector<std::string> argv;
    std::string_view message;
  };
  const Row rows[] = {
      {{"sh", "-c", "echo first; echo last >&2; exit 3"}, "sh ended with status 3: last"},
      {{"sh", "-c", "printf '\\033[2J\\n\\n'; exit 1"}, "sh ended with status 1: \\x1b[2J"},
      {{"false"}, "false ended with status 1"},
      {{"sh", "-c", "kill -9 $$"}, "sh was killed by signal 9 (Killed)"},
  };
  for (const auto& [argv, message] : rows) {
    CAPTURE(argv.back());
    const auto done = run_program(argv, "x");
    REQUIRE_FALSE(done.has_value());
    CHECK_EQ(done.error().message, message);
  }
  const auto missing = run_program({"no-such-program-of-hvlaunch"}, "its-package");
  REQUIRE_FALSE(missing.has_value());
  CHECK_EQ(missing.error().fault, hv::Fault::missing);
  CHECK_EQ(missing.error().id, "no-program");
  CHECK(missing.error().hint.contains("its-package"));
}

TEST_CASE("an editor may have arguments") {
  const TempTree tree;
  const auto path = tree.write("/file", "old");
  CHECK(run_editor("rm  -f", path, "/usr/bin:/bin").has_value());
  CHECK_FALSE(std::filesystem::exists(path));
  CHECK_FALSE(run_editor("false", path, "/usr/bin:/bin").has_value());
  CHECK_EQ(run_editor("no-such-editor", path, "/usr/bin").error().id, "no-program");
}

TEST_CASE("what is left behind gets the descriptor to report on, and keeps no directory busy") {
  const TempTree tree;
  std::array<int, 2> ends{};
  REQUIRE_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
  const hv::UniqueFd read(ends[0]);
  hv::UniqueFd write(::fcntl(ends[1], F_DUPFD_CLOEXEC, 100));
  ::close(ends[1]);
  REQUIRE(leave_behind({"/bin/sh", "-c", "echo $A $(pwd -P) >&3"}, std::move(write), {"A=b"}));
  std::array<char, 64> buffer{};
  const auto count = ::read(read.get(), buffer.data(), buffer.size());
  REQUIRE(count > 0);
  CHECK_EQ(std::string_view(buffer.data(), static_cast<std::size_t>(count)), "b /\n");
  CHECK_FALSE(leave_behind({"/no/such/program"}, hv::UniqueFd(), {}).has_value());
}

namespace {

pid_t child_that(void (*act)()) {
  const auto child = ::fork();
  if (child == 0) {
    act();
    ::_exit(0);
  }
  return child;
}

}  // namespace

TEST_CASE("a child's end is told by status and signal") {
  auto status = Process::adopt(child_that([] { ::_exit(3); })).value();
  CHECK(status.has_ended_within(std::chrono::seconds(10)));
  CHECK_EQ(describe_ending(status.wait().value()), "ended with status 3");

  auto signal = Process::adopt(child_that([] { ::raise(SIGKILL); })).value();
  CHECK_EQ(describe_ending(signal.wait().value()), "was killed by signal 9 (Killed)");
  CHECK_EQ(ending_from(0).signal, 0);
}

TEST_CASE("a child is killed and reaped with its owner, unless released") {
  const auto sleeper = [] { ::pause(); };
  pid_t pid = 0;
  {
    const auto killed = Process::adopt(child_that(sleeper)).value();
    pid = killed.pid();
    CHECK_FALSE(killed.has_ended_within(milliseconds(0)));
  }
  CHECK_EQ(::waitpid(pid, nullptr, WNOHANG), -1);
  {
    auto released = Process::adopt(child_that(sleeper)).value();
    pid = released.pid();
    released.release();
  }
  CHECK_EQ(::waitpid(pid, nullptr, WNOHANG), 0);
  auto again = Process::adopt(pid).value();
  { const auto moved = std::move(again); }
  CHECK_EQ(::waitpid(pid, nullptr, WNOHANG), -1);
}

TEST_CASE("times that are past or immense do no harm") {
  auto process = Process::adopt(child_that([] { ::pause(); })).value();
  CHECK_FALSE(process.has_ended_within(milliseconds(-5)));
  ::kill(process.pid(), SIGKILL);
  CHECK(process.has_ended_within(std::chrono::hours(24 * 365)));
}
