// SPDX-License-Identifier: MIT
#include "launcher/commands/cli.h"
#include "launcher/commands/output.h"

#include <doctest/doctest.h>

#include <array>

using namespace hv::commands;
using Words = std::vector<std::string>;

namespace {

constexpr std::array options = {Option{"set", "FIELD=VALUE", "change a field"},
                                Option{"force", "", "do not ask"}};

Command command(Operands operands) {
  return {.name = "edit",
          .group = Group::profiles,
          .summary = "change a profile",
          .operands = operands,
          .usage = "<vm>",
          .options = options,
          .description = "",
          .examples = {},
          .run = nullptr};
}

}  // namespace

TEST_CASE("words become options and operands") {
  const auto parsed = parse(command(Operands::vm_and_words),
                            {"web", "--set", "a=1", "more", "--set=b=2=3", "--force", "--json"});
  REQUIRE(parsed.has_value());
  CHECK_EQ(parsed->operands, Words{"web", "more"});
  CHECK_EQ(parsed->vm(), "web");
  CHECK_EQ(parsed->values("set"), Words{"a=1", "b=2=3"});
  CHECK_EQ(parsed->value("set"), "b=2=3");
  CHECK_EQ(parsed->value("other", "fallback"), "fallback");
  CHECK(parsed->has("force"));
  CHECK(parsed->has("json"));
  CHECK_FALSE(parsed->has("user"));
}

TEST_CASE("operands may look odd") {
  CHECK_EQ(parse(command(Operands::vm), {"-"})->operands, Words{"-"});
  CHECK_EQ(parse(command(Operands::vm_and_words), {"web", "--", "--force"})->operands,
           Words{"web", "--force"});
  CHECK_EQ(parse(command(Operands::vms), {})->operands, Words{});
  CHECK_EQ(parse(command(Operands::vm), {""})->operands, Words{""});
  CHECK(parse(command(Operands::vm), {"--help"})->has("help"));  // Without the VM.
}

TEST_CASE("a wrong command line is refused with what would be right") {
  struct Row {
    Operands operands;
    Words words;
    std::string_view message;
  };
  const Row rows[] = {
      {Operands::vm, {}, "the name of a VM is missing"},
      {Operands::vm, {"a", "b"}, "'b' is one word too many"},
      {Operands::none, {"a"}, "'a' is one word too many"},
      {Operands::two_vms, {"a"}, "two names are needed"},
      {Operands::word, {"a", "b"}, "'b' is one word too many"},
      {Operands::vm, {"web", "--froce"}, "no option '--froce'; did you mean --force?"},
      {Operands::vm, {"web", "--jsno"}, "no option '--jsno'; did you mean --json?"},
      {Operands::vm, {"web", "--migrate-now"}, "no option '--migrate-now'"},
      {Operands::vms, {"--operand", "x"}, "no option '--operand'"},
      {Operands::vm, {"web", "--set"}, ""},
      {Operands::vm, {"web", "--force=yes"}, ""},
      {Operands::vm, {"web", "--forc"}, "no option '--forc'; did you mean --force?"},
  };
  for (const auto& [operands, words, message] : rows) {
    CAPTURE(words.empty() ? "" : words.back());
    const auto parsed = parse(command(operands), words);
    REQUIRE_FALSE(parsed.has_value());
    CHECK_EQ(parsed.error().fault, hv::Fault::usage);
    CHECK_EQ(parsed.error().id, "usage");
    CHECK(parsed.error().hint.contains("hvlaunch edit --help"));
    if (!message.empty()) CHECK_EQ(parsed.error().message, message);
  }
}

TEST_CASE("every command has help, with its options") {
  REQUIRE_FALSE(all_commands().empty());
  const auto all = overview();
  for (const auto& each : all_commands()) {
    CAPTURE(each.name);
    const auto help = help_of(each);
    CHECK(all.contains(each.name));
    for (const auto& option : each.options) CHECK(help.contains("--" + std::string(option.name)));
    CHECK(help.contains("--json"));
    CHECK((each.run != nullptr));
    CHECK_FALSE(each.summary.ends_with('.'));
  }
}

TEST_CASE("durations, sizes and tables as people read them") {
  using std::chrono::seconds;
  CHECK_EQ(duration(seconds(0)), "0 s");
  CHECK_EQ(duration(seconds(59)), "59 s");
  CHECK_EQ(duration(seconds(60)), "1 min 0 s");
  CHECK_EQ(duration(seconds(3599)), "59 min 59 s");
  CHECK_EQ(duration(seconds(3660)), "1 h 1 min");
  CHECK_EQ(duration(seconds(90000)), "1 d 1 h");
  CHECK_EQ(size_of_kib(0), "0 MiB");
  CHECK_EQ(size_of_kib(1023 * 1024), "1023 MiB");
  CHECK_EQ(size_of_kib(1536 * 1024), "1.5 GiB");
  CHECK_EQ(table({{"NAME", "STATE"}, {"a", "running"}, {"longer", ""}}),
           "NAME    STATE\na       running\nlonger\n");
  CHECK_EQ(table({}), "");
}
