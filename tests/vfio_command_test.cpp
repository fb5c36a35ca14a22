// SPDX-License-Identifier: MIT
//
// `hvlaunch vfio list` and `vfio plan` on the hosts of tests/hosts: the table as
// a reader of 80 columns has it stands in each host's vfio-list.txt.
// HVLAUNCH_ACCEPT=1 rewrites them.
#include "launcher/base/text.h"
#include "launcher/commands/commands.h"
#include "launcher/commands/vfio.h"
#include "tests/golden.h"
#include "tests/vfio_hosts.h"

#include <doctest/doctest.h>
#include <boost/json.hpp>

#include <algorithm>

using namespace hv::commands;
using namespace hv::vfio;

namespace {

const char* const hosts[] = {"arm-server", "desktop", "epyc", "hybrid", "two-socket"};

Names test_names() {
  return Names(slurp(TESTS_DIR "/hosts/pci.ids"));
}

std::vector<const Function*> all_but_bridges(const Devices& devices) {
  std::vector<const Function*> shown;
  for (const auto& function : devices.functions)
    if (!function.is_bus_bridge()) shown.push_back(&function);
  std::ranges::stable_sort(shown, {}, &Function::iommu_group);
  return shown;
}

}  // namespace

TEST_CASE("golden plans of devices: the table of each host") {
  for (const auto* const host : hosts) {
    CAPTURE(host);
    const auto devices = devices_of(host);
    const auto text = device_table(devices, test_names(), all_but_bridges(devices), 80);
    const auto path = fmt::format("{}/hosts/{}/vfio-list.txt", TESTS_DIR, host);
    if (std::getenv("HVLAUNCH_ACCEPT") != nullptr) std::ofstream(path) << text;
    CHECK_EQ(text, slurp(path));
    for (const auto line : hv::split(text, '\n')) CHECK_LE(line.size(), 80);
  }
}

TEST_CASE("devices as JSON say what docs/vfio.md says") {
  const auto devices = devices_of("two-socket");
  const auto value =
      devices_as_json(devices, test_names(), {devices.find(pci("66:00.0"))}).as_object();
  CHECK_EQ(value.at("iommu"), true);
  CHECK_EQ(value.at("interrupt_remapping"), true);
  CHECK_EQ(value.at("iommufd"), false);
  const auto& nic = value.at("devices").as_array().at(0).as_object();
  const auto page = slurp(SOURCE_DIR "/docs/vfio.md");  // Nix builds without docs/.
  for (const auto& member : nic) {
    const std::string name(member.key());
    CAPTURE(name);
    CHECK((page.empty() || page.contains("`" + name + "`")));
  }
  CHECK_EQ(nic.at("address"), "0000:66:00.0");
  CHECK_EQ(nic.at("group"), 61);
  CHECK_EQ(nic.at("name"), "Intel Corporation Ethernet Controller E810-C for QSFP");
  CHECK_EQ(nic.at("path"), "pci0000:65/00.0/00.0");
  CHECK_EQ(nic.at("driver_override"), nullptr);
  CHECK_EQ(nic.at("may_be_passed"), false);
  CHECK_EQ(nic.at("uses").at(0).at("kind"), "route");
  CHECK_EQ(nic.at("errors").at(0).at("id"), "has-vfs");
}

namespace {

/// The errors' ids of a command on a host, "yes" if it went well.
std::string run(const char* host, std::vector<std::string> words) {
  const TempTree tree;
  make_pci_host(tree, host);
  Context context{.root = tree.root(), .json = true};
  const auto* const command = find_command(words);
  REQUIRE(command != nullptr);
  words.erase(words.begin(), words.begin() + 2);
  const auto arguments = parse(*command, words);
  if (!arguments) return arguments.error().id + ": " + arguments.error().message;
  const auto outcome = command->run(context, *arguments);
  if (outcome) return "yes";
  std::string ids;
  for (const auto& error : outcome.error()) ids += error.id + " ";
  return ids;
}

}  // namespace

TEST_CASE("the commands take addresses, and refuse what is none") {
  struct Row {
    std::vector<std::string> words;
    const char* expected;
  };
  const Row rows[] = {
      {{"vfio", "list"}, "yes"},
      {{"vfio", "list", "04:00.0"}, "yes"},
      {{"vfio", "list", "--group", "1", "--group", "8"}, "yes"},
      {{"vfio", "list", "--group", "x"}, "usage "},
      {{"vfio", "list", "04:00"}, "bad-pci-address "},
      {{"vfio", "list", "99:00.0"}, "no-device-here "},
      {{"vfio", "plan"}, "usage: the address of a PCI device is missing"},
      {{"vfio", "plan", "04:00.0"}, "yes"},
      {{"vfio", "plan", "04:00.0", "04:00.0"}, "yes"},
      {{"vfio", "plan", "99:00.0", "02:00.0"}, "no-device-here function-in-use "},
      {{"vfio", "plan", "00:1f.3"}, "incomplete-group "},
      {{"vfio", "plan", "00:1f.3", "--siblings"}, "yes"},
      {{"vfio", "plan", "02:00.0", "--force"}, "yes"},
  };
  for (const auto& [words, expected] : rows) {
    CAPTURE(hv::join(words, " "));
    CHECK_EQ(run("desktop", words), expected);
  }
}

TEST_CASE("commands of two words are found by both") {
  const auto name = [](std::vector<std::string> words) -> std::string_view {
    const auto* const command = find_command(words);
    return command == nullptr ? "" : command->name;
  };
  CHECK_EQ(name({"vfio", "list", "04:00.0"}), "vfio list");
  CHECK_EQ(name({"list", "vfio"}), "list");
  CHECK_EQ(name({"vfio"}), "");
  CHECK_EQ(name({"vfio", "start"}), "");
  CHECK_EQ(name({"vfio list"}), "");
  CHECK_EQ(name({}), "");
}
