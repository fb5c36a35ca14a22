// SPDX-License-Identifier: MIT
//
// Whatever the kernel command line says, names stay names, junk stays within
// bounds, and no unit gets a line that is not ours.
#include "launcher/base/text.h"
#include "launcher/plan/autostart.h"
#include "profiles/profile.h"
#include "tests/fuzz/fuzz.h"

#include <algorithm>
#include <set>

using fuzz::require;
using namespace hv;

namespace {

/// As if every name had a profile, some of them without autostart.
std::vector<plan::Startable> profiles_of(const plan::KernelWords& said) {
  std::set<std::string> names(said.only.begin(), said.only.end());
  names.insert(said.also.begin(), said.also.end());
  names.insert({"web", "a-b.c"});
  std::vector<plan::Startable> all;
  for (const auto& name : names)
    all.push_back({.vm = name,
                   .path = "p",
                   .enabled = all.size() % 2 == 0,
                   .group = all.size() % 3 == 0 ? "" : "g",
                   .priority = all.size() % 5});
  return all;
}

void check_names(const std::vector<std::string>& names) {
  require(std::set(names.begin(), names.end()).size() == names.size(), "each name is there once");
  require(std::ranges::all_of(names, profiles::is_vm_name), "a name is one");
}

void check_units(const plan::AutostartPlan& made) {
  static const std::set<std::string_view> keys = {
      "After", "Before",      "Conflicts", "DefaultDependencies", "PartOf",
      "Wants", "Description", "Type",      "TimeoutStartSec",     "ExecStart"};
  for (const auto& file : plan::units_of(made, {.program = "/p", .units = "/u"})) {
    require(fuzz::is_plain(file.path) && !file.path.starts_with('/') &&
                !file.path.contains("/../") && !file.path.starts_with("../"),
            "a unit stays in its directory");
    for (const auto line : split(file.text, '\n')) {
      require(fuzz::is_plain(line), "a unit's line is plain");
      if (!line.empty() && line.front() != '[' && line.front() != '#')
        require(keys.contains(line.substr(0, line.find('='))), "a unit's line is one of ours");
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto text = fuzz::text_of(data, size);
  const auto said = plan::parse_kernel_words(text);
  check_names(said.only);
  check_names(said.also);
  require(said.only.empty() || said.some, "names restrict");
  require(said.ignored.size() <= 16, "what is told of junk is bounded");
  for (const auto& sentence : said.ignored)
    require(fuzz::is_plain(sentence) && sentence.size() < 500, "what is told of junk is plain");

  const auto all = profiles_of(said);
  const auto made = plan::plan_autostart(all, {}, said, {});
  std::size_t starts = 0;
  for (const auto& step : made.steps)
    for (const auto& guest : step) {
      ++starts;
      require(!said.off && !said.rescue, "off is off");
      require(!said.some || said.names(guest.vm), "only those named start");
    }
  require(starts + made.skipped.size() == all.size(), "each guest starts or has a reason");
  check_units(made);

  const auto off = plan::parse_kernel_words(std::string(text) + "\" hvlaunch.autostart=off");
  const auto also_off = plan::parse_kernel_words(std::string(text) + " hvlaunch.autostart=off");
  require(off.off || also_off.off, "the last word counts, whatever came before");
  return 0;
}
