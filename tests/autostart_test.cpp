// SPDX-License-Identifier: MIT
#include "launcher/commands/autostart.h"
#include "launcher/base/text.h"
#include "launcher/run/boot_attempts.h"
#include "tests/run_place.h"

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <boost/json.hpp>

#include <algorithm>

using namespace hv;
using namespace hv::plan;

namespace {

std::string names(const std::vector<std::string>& list) {
  return join(list, ",");
}

Startable vm(std::string name, std::string group = "", std::uint64_t priority = 50) {
  return {.vm = std::move(name),
          .path = "p",
          .enabled = true,
          .group = std::move(group),
          .priority = priority};
}

/// "nas@0|web@2500,db@4000"
std::string order(const AutostartPlan& plan) {
  std::string text;
  for (const auto& step : plan.steps) {
    if (!text.empty()) text += '|';
    for (const auto& guest : step)
      text += fmt::format("{}{}@{}", text.empty() || text.ends_with('|') ? "" : ",", guest.vm,
                          guest.delay_ms);
  }
  return text;
}

/// "lab: not-asked"
std::string skipped(const AutostartPlan& plan) {
  std::vector<std::string> all;
  for (const auto& guest : plan.skipped)
    all.push_back(fmt::format("{}: {}", guest.vm, to_string(guest.cause)));
  return join(all, ", ");
}

std::string text_at(const std::vector<UnitFile>& files, std::string_view path) {
  const auto found = std::ranges::find(files, path, &UnitFile::path);
  if (found == files.end()) return "no such file";
  return found->text.empty() ? "-> " + found->target : found->text;
}

const std::vector<Startable> five = {
    vm("nas", "storage", 10),
    vm("db", "apps"),
    vm("web", "apps"),
    vm("one"),
    {.vm = "lab", .path = "p", .enabled = false, .group = "apps", .priority = 1}};
const AutostartSettings settings{.delay_ms = 100, .delay_of_groups_ms = 900, .groups = {"storage"}};

/// A host with profiles, a kernel command line and a place for units.
struct Boot {
  RunPlace at;
  Root root = at.tree.root();

  Boot() {
    kernel("quiet");
    at.tree.write("/proc/sys/kernel/random/boot_id", "boot-1\n");
    std::filesystem::create_directories(at.tree.path("/units"));
  }
  void kernel(std::string_view line) const { at.tree.write("/proc/cmdline", line); }
  void profile(std::string_view name, std::string_view more) const {
    at.tree.write(fmt::format("/etc/vms/{}.json", name),
                  fmt::format(R"({{"name": "{}", "cpus": 1, "memory_mb": 256{}}})", name, more));
  }
  [[nodiscard]] commands::Context context() const {
    return {.root = at.tree.root(),
            .paths = {.profiles = {"/etc/vms", "/var/vms"},
                      .config = "/etc",
                      .state = "/var",
                      .runtime = "/run",
                      .cache = "/cache",
                      .firmware_config = ""},
            .program = "/opt/bin/hvlaunch"};
  }
  [[nodiscard]] std::string generate() const {
    const auto lines = commands::generate_units(context(), at.tree.path("/units"));
    return join(lines, "\n");
  }
  [[nodiscard]] bool made(std::string_view path) const {
    return std::filesystem::is_symlink(at.tree.path(fmt::format("/units/{}", path))) ||
           at.has(fmt::format("/units/{}", path));
  }
};

}  // namespace

TEST_CASE("the kernel command line says what starts with the host") {
  struct Row {
    std::string_view line;
    std::string_view said;  ///< off some only also rescue menu
    std::string_view ignored = "";
  };
  const Row rows[] = {
      {"", "0 0   0 1"},
      {"quiet root=/dev/sda1 autostart=off rd.hvlaunch.autostart=off", "0 0   0 1"},
      {"hvlaunch.autostart=off", "1 0   0 1"},
      {"hvlaunch.autostart=web,db", "0 1 web,db  0 1"},
      {"a hvlaunch.autostart=web b\n", "0 1 web  0 1"},
      {"hvlaunch.autostart=\"web,db\"", "0 1 web,db  0 1"},
      {"\"hvlaunch.autostart=web\"", "0 1 web  0 1"},
      {"hvlaunch.autostart=web,,web,", "0 1 web  0 1"},
      {"hvlaunch.autostart=+lab", "0 0  lab 0 1"},
      {"hvlaunch.autostart=+lab,x hvlaunch.autostart=+y", "0 0  lab,x,y 0 1"},
      {"hvlaunch.autostart=web hvlaunch.autostart=+lab", "0 1 web lab 0 1"},
      {"hvlaunch.autostart=web hvlaunch.autostart=off", "1 1 web  0 1"},
      {"hvlaunch.autostart=off hvlaunch.autostart=web", "1 1 web  0 1"},
      {"hvlaunch.rescue", "0 0   1 1"},
      {"hvlaunch.rescue=no", "0 0   0 1"},
      {"hvlaunch.menu=off", "0 0   0 0"},
      {"hvlaunch.menu=off hvlaunch.menu=on", "0 0   0 1"},
      {"hvlaunch.autostart", "0 0   0 1",
       "'hvlaunch.autostart' without a value: name VMs, or say 'off'"},
      {"hvlaunch.autostart=,,", "0 0   0 1",
       "'hvlaunch.autostart' without a value: name VMs, or say 'off'"},
      // A word that is no name restricts as a name does: nobody who wrote it wanted all.
      {"hvlaunch.autostart=../x,web", "0 1 web  0 1", "'../x' cannot be the name of a VM"},
      {"hvlaunch.autostart=\"a b\x1b[2J\"", "0 1   0 1",
       "'a b\\x1b[2J' cannot be the name of a VM"},
      {"hvlaunch.rescue=maybe", "0 0   0 1", "'hvlaunch.rescue=maybe' is neither on nor off"},
      {"hvlaunch.autstart=off", "0 0   0 1", "'hvlaunch.autstart=off' has no meaning"},
      {"hvlaunch.", "0 0   0 1", "'hvlaunch.' has no meaning"},
      {"hvlaunch.autostart=\"web", "0 1 web  0 1"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.line);
    const auto said = parse_kernel_words(row.line);
    CHECK_EQ(fmt::format("{:d} {:d} {} {} {:d} {:d}", said.off, said.some, names(said.only),
                         names(said.also), said.rescue, said.menu),
             row.said);
    CHECK_EQ(join(said.ignored, "; "), row.ignored);
  }
}

TEST_CASE("junk on the kernel command line is told of within bounds") {
  std::string line = "hvlaunch.autostart=";
  for (int i = 0; i < 10'000; ++i) line += "?,";
  line += " hvlaunch." + std::string(60'000, 'x');
  const auto said = parse_kernel_words(line);
  CHECK_EQ(said.ignored.size(), 16);
  for (const auto& sentence : parse_kernel_words("hvlaunch." + std::string(60'000, 'x')).ignored)
    CHECK_LT(sentence.size(), 200);
}

TEST_CASE("guests start by group and priority, and the kernel command line chooses") {
  struct Row {
    std::string_view line;
    std::string_view order;
    std::string_view skipped;
    std::string_view notes = "";
  };
  const Row rows[] = {
      {"", "nas@0|db@900,web@1000|one@900", "lab: not-asked"},
      {"hvlaunch.autostart=off", "",
       "nas: kernel-command-line, db: kernel-command-line, web: kernel-command-line, one: "
       "kernel-command-line, lab: not-asked"},
      {"hvlaunch.autostart=web,nas", "nas@0|web@900",
       "db: kernel-command-line, one: kernel-command-line, lab: not-asked"},
      {"hvlaunch.autostart=lab", "lab@0",
       "nas: kernel-command-line, db: kernel-command-line, web: kernel-command-line, one: "
       "kernel-command-line"},
      {"hvlaunch.autostart=+lab", "nas@0|lab@900|db@100,web@200|one@900", ""},
      {"hvlaunch.autostart=+lab,gone", "nas@0|lab@900|db@100,web@200|one@900", "",
       "there is no VM 'gone', of which the kernel command line speaks"},
      {"hvlaunch.autostart=gone", "",
       "nas: kernel-command-line, db: kernel-command-line, web: kernel-command-line, one: "
       "kernel-command-line, lab: not-asked",
       "there is no VM 'gone', of which the kernel command line speaks"},
      {"hvlaunch.rescue hvlaunch.autostart=+lab", "",
       "nas: kernel-command-line, db: kernel-command-line, web: kernel-command-line, one: "
       "kernel-command-line, lab: kernel-command-line"},
      {"hvlaunch.menu=off", "nas@0|db@900,web@1000|one@900", "lab: not-asked"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.line);
    const auto plan = plan_autostart(five, settings, parse_kernel_words(row.line), {});
    CHECK_EQ(order(plan), row.order);
    CHECK_EQ(skipped(plan), row.skipped);
    CHECK_EQ(join(plan.notes, "; "), row.notes);
  }
}

TEST_CASE("groups start as config.json orders them, then by name, then guests of none") {
  const std::vector<Startable> guests = {vm("a"), vm("b", "zoo"), vm("c", "apps"), vm("d", "net"),
                                         vm("e", "net", 1)};
  const AutostartSettings no_delay{
      .delay_ms = 0, .delay_of_groups_ms = 0, .groups = {"net", "gone"}};
  CHECK_EQ(order(plan_autostart(guests, no_delay, {}, {})), "e@0|d@0|c@0|b@0|a@0");
}

TEST_CASE("a guest that took the host down twice running is not started a third time") {
  const auto once = plan_autostart(five, settings, {}, {{"db", 1}});
  CHECK_EQ(order(once), "nas@0|db@900,web@1000|one@900");
  const auto twice = plan_autostart(five, settings, {}, {{"db", 2}});
  CHECK_EQ(order(twice), "nas@0|web@900|one@900");
  CHECK_EQ(skipped(twice), "db: boot-loop, lab: not-asked");
  // Not even if it is named: the words may be in a boot loader's configuration.
  const auto named =
      plan_autostart(five, settings, parse_kernel_words("hvlaunch.autostart=db"), {{"db", 2}});
  CHECK_EQ(order(named), "");
  CHECK_NE(twice.skipped[0].why.find("hvlaunch autostart reset db"), std::string::npos);
}

TEST_CASE("units order the guests and start them through hvlaunch.target") {
  const auto plan = plan_autostart({vm("nas", "storage"), vm("my-db", "apps"), vm("web.1", "apps")},
                                   settings, {}, {});
  const auto files = units_of(plan, {.program = "/opt/my \"vm\"%$/hvlaunch", .units = "/lib/u"});
  CHECK_EQ(files.size(), 2 + 1 + 3 * 3);
  CHECK_EQ(text_at(files, "multi-user.target.wants/hvlaunch.target"), "-> /lib/u/hvlaunch.target");
  CHECK_EQ(text_at(files, "hvlaunch.target.wants/hvlaunch@my-db.service"),
           "-> /lib/u/hvlaunch@.service");
  const std::string head = "# Made by hvlaunch-generator; `hvlaunch autostart list` says why.\n";
  CHECK_EQ(text_at(files, "hvlaunch@nas.service.d/50-autostart.conf"),
           head + "[Unit]\nAfter=hvlaunch-autostart-nas.service\nBefore=hvlaunch-step-1.target\n");
  CHECK_EQ(text_at(files, "hvlaunch@web.1.service.d/50-autostart.conf"),
           head + "[Unit]\nAfter=hvlaunch-autostart-web.1.service\nAfter=hvlaunch-step-1.target\n");
  CHECK_EQ(text_at(files, "hvlaunch-autostart-web.1.service"), head + R"([Unit]
Description=Autostart of the VM web.1
After=hvlaunch-step-1.target

[Service]
Type=oneshot
TimeoutStartSec=31000ms
ExecStart="/opt/my \"vm\"%%$$/hvlaunch" autostart begin --delay-ms 1000 web.1
)");
  CHECK_EQ(text_at(files, "hvlaunch.target.d/50-autostart.conf"),
           head +
               "[Unit]\nWants=hvlaunch-step-1.target\nWants=hvlaunch-autostart-nas.service\n"
               "Wants=hvlaunch-autostart-my-db.service\n"
               "Wants=hvlaunch-autostart-web.1.service\n");
  CHECK(units_of({}, {.program = "p", .units = "u"}).empty());
  const auto user = units_of(plan, {.program = "/p", .units = "/u", .user = true});
  CHECK_EQ(text_at(user, "default.target.wants/hvlaunch.target"), "-> /u/hvlaunch.target");
  CHECK_NE(text_at(user, "hvlaunch-autostart-nas.service").find("\"/p\" --user autostart"),
           std::string::npos);
}

TEST_CASE("a start that has come to no end counts once a boot") {
  using namespace hv::run;
  std::optional<BootAttempt> attempt;
  CHECK_EQ(downs_of(attempt, "1"), 0);
  attempt = with_start(attempt, "1");
  attempt = with_start(attempt, "1");
  CHECK_EQ(downs_of(attempt, "1"), 0);  // It may still come up.
  CHECK_EQ(downs_of(attempt, "2"), 1);
  attempt = with_start(attempt, "2");
  CHECK_EQ(downs_of(attempt, "2"), 1);
  CHECK_EQ(downs_of(attempt, "3"), 2);
  CHECK_EQ(parse_attempt(to_string(*attempt)), attempt);
  for (const auto* const damage :
       {"", "1", "x y", "0 boot", "1 ", "-1 boot", "1 a b", "99999999999 b"}) {
    CAPTURE(damage);
    CHECK_FALSE(parse_attempt(damage).has_value());
  }
}

TEST_CASE("the note of a start is on disk, and goes with the start's end") {
  const Boot boot;
  const auto context = boot.context();
  const run::Place place{context.root, context.paths, "web"};
  REQUIRE(run::begin_attempt(place));
  CHECK_EQ(boot.at.tree.read("/var/records/web.start"), "1 boot-1");
  boot.at.tree.write("/proc/sys/kernel/random/boot_id", "boot-2\n");
  REQUIRE(run::begin_attempt(place));
  CHECK_EQ(run::load_attempt(place), run::BootAttempt{.boot = "boot-2", .times = 2});
  CHECK(run::end_attempt(place));
  CHECK(run::end_attempt(place));
  CHECK_FALSE(run::load_attempt(place).has_value());
}

TEST_CASE("the generator makes units of profiles, and skips what is wrong with a word") {
  const Boot boot;
  boot.profile("web", R"(, "autostart": true)");
  boot.profile("idle", "");
  boot.profile("loop", R"(, "autostart": true)");
  boot.profile("wrong", R"(, "autostart": true, "cpus": 0)");
  boot.profile("harmless", R"(, "cpus": 0)");  // Wrong, but it asks for nothing.
  boot.at.tree.write("/etc/vms/other.json", R"({"name": "web", "cpus": 1, "autostart": true})");
  boot.at.tree.write("/etc/vms/no name.json", "{}");
  boot.at.tree.write("/var/vms/web.json", "not read: /etc/vms has one");
  boot.at.tree.write("/var/records/loop.start", "2 boot-0");
  boot.at.tree.write("/var/records/web.start", "nonsense");
  const auto said = boot.generate();
  CAPTURE(said);
  CHECK(boot.made("hvlaunch.target.wants/hvlaunch@web.service"));
  for (const auto* const vm : {"idle", "loop", "wrong", "harmless", "other"})
    CHECK_FALSE(boot.made(fmt::format("hvlaunch.target.wants/hvlaunch@{}.service", vm)));
  for (const auto* const part :
       {"'loop' does not start: the host went down 2 times",
        "'wrong' does not start: its profile is wrong: /etc/vms/wrong.json:1:",
        "'other' does not start", "no name.json cannot be the profile"})
    CHECK_NE(said.find(part), std::string::npos);
  CHECK_EQ(said.find("harmless"), std::string::npos);
}

TEST_CASE("nothing that stands in a profile directory holds up the boot") {
  const Boot boot;
  boot.profile("web", R"(, "autostart": true)");
  for (int i = 0; i < 20; ++i) boot.profile(fmt::format("bad{}", i), R"(, "autostart": 1)");
  ::mkfifo(boot.at.tree.path("/etc/vms/fifo.json").c_str(), 0644);
  std::filesystem::create_directory(boot.at.tree.path("/etc/vms/folder.json"));
  std::filesystem::create_symlink("/nowhere", boot.at.tree.path("/etc/vms/link.json"));
  boot.at.tree.write("/etc/vms/huge.json", std::string(2 << 20, ' '));
  boot.at.tree.write("/var/vms", "a file, where a directory should be");
  boot.at.tree.write("/etc/config.json", R"({"features": {"boot_autostart_delay_ms": "soon"}})");
  boot.at.tree.write("/var/records", "a file");
  const auto said = boot.generate();
  CAPTURE(said);
  CHECK(boot.made("hvlaunch.target.wants/hvlaunch@web.service"));
  CHECK_EQ(std::ranges::count(said, '\n'), 5);
  CHECK_NE(said.find("boot_autostart_delay_ms of config.json is not a number"), std::string::npos);
  CHECK_NE(said.find("/var/vms"), std::string::npos);
  CHECK_NE(said.find("more: `hvlaunch autostart list` shows them"), std::string::npos);

  const auto plan = commands::load_autostart(boot.context(), commands::Asked::all);
  CHECK_EQ(plan.skipped.size(), 24);
  for (const auto& guest : plan.skipped) CHECK_EQ(guest.cause, NotStarted::wrong);
}

TEST_CASE("a directory that takes no units is told of") {
  const Boot boot;
  boot.profile("web", R"(, "autostart": true)");
  const auto lines = commands::generate_units(boot.context(), boot.at.tree.path("/absent"));
  REQUIRE_EQ(lines.size(), 1);
  CHECK(lines[0].starts_with("open "));
}

TEST_CASE("autostart list shows order and reasons") {
  const Boot boot;
  boot.profile("nas", R"(, "autostart": true, "autostart_group": "storage")");
  boot.profile("web", R"(, "autostart": true)");
  boot.profile("lab", "");
  boot.profile("odd", R"(, "autostart": 1)");
  boot.kernel("hvlaunch.autostart=+lab,gone");
  const auto plan = commands::load_autostart(boot.context(), commands::Asked::all);
  CHECK_EQ(commands::autostart_text(plan), R"(STEP  VM   GROUP    PRIORITY  DELAY  BECAUSE OF
1     nas  storage  50        0 s    its profile
2     lab           50        2.5 s  the kernel command line
2     web           50        4 s    its profile

not started:
  odd: its profile is wrong
    /etc/vms/odd.json:1:59: error: /autostart: expected true or false, found 1 [wrong-type]

ignored:
  there is no VM 'gone', of which the kernel command line speaks
)");
  const auto json = boost::json::serialize(commands::autostart_json(plan));
  CHECK_NE(
      json.find(R"({"vm":"lab","profile":"/etc/vms/lab.json","group":"","priority":50,)"
                R"("delay_ms":2500,"after":["nas"],"because":"kernel-command-line","step":2})"),
      std::string::npos);
  CHECK_NE(json.find(R"("because":"wrong-profile","why":"its profile is wrong","errors":[{"id":)"),
           std::string::npos);
  boot.kernel("hvlaunch.rescue");
  const auto none = commands::load_autostart(boot.context(), commands::Asked::all);
  CHECK(commands::autostart_text(none).starts_with("no guest starts with this host\n"));
}
