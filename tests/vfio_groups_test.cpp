// SPDX-License-Identifier: MIT
#include "vfio/groups.h"

#include "tests/vfio_hosts.h"

#include <doctest/doctest.h>

using namespace hv::vfio;

namespace {

struct Row {
  std::vector<const char*> wanted;
  Siblings siblings;
  bool force;
  const char* expected;  ///< Of the first one wanted.
};

/// "incomplete-group | +0000:01:00.1 | no-reset": errors, what is taken, warnings.
std::string summary_of(const Verdict& verdict) {
  std::string text;
  for (const auto& error : verdict.errors) text += error.id + " ";
  text += verdict.may_be_passed() ? "yes |" : "|";
  for (const auto& address : verdict.take) text += " " + to_string(address).substr(5);
  text += " |";
  for (const auto& warning : verdict.warnings) text += " " + warning.id;
  return text;
}

void check_rows(const Devices& devices, const std::vector<Row>& rows) {
  for (const auto& [wanted, siblings, force, expected] : rows) {
    Request request{.wanted = {}, .siblings = siblings, .force = force};
    for (const auto* const address : wanted) request.wanted.push_back(pci(address));
    const auto verdicts = judge(devices, request);
    CAPTURE(wanted.front());
    REQUIRE_EQ(verdicts.size(), wanted.size());
    CHECK_EQ(verdicts.front().address, request.wanted.front());
    CHECK_EQ(summary_of(verdicts.front()), expected);
    for (const auto& error : verdicts.front().errors) CHECK_FALSE(error.hint.empty());
  }
}

hv::Error only_error(const Devices& devices, const Request& request) {
  const auto verdicts = judge(devices, request);
  REQUIRE_EQ(verdicts.front().errors.size(), 1);
  return verdicts.front().errors.front();
}

constexpr auto refuse = Siblings::refuse;
constexpr auto bind_siblings = Siblings::bind;

}  // namespace

TEST_CASE("what of a desktop may be passed") {
  check_rows(devices_of("desktop"),
             {
                 {{"04:00.0"}, refuse, false, "yes | |"},
                 {{"02:00.0"}, refuse, false, "function-in-use | |"},
                 {{"02:00.0"}, refuse, true, "yes | | forced"},
                 {{"03:00.0"}, refuse, false, "function-in-use | |"},
                 {{"00:17.0"}, refuse, false, "function-in-use | | no-reset"},
                 {{"00:01.0"}, refuse, false, "is-a-bridge | |"},
                 {{"00:1f.0"}, refuse, false, "is-a-bridge | |"},
                 {{"09:00.0"}, refuse, false, "no-device-here | |"},
                 // The card alone, in part, whole.
                 {{"01:00.0"}, refuse, true, "incomplete-group | | forced"},
                 {{"01:00.1", "01:00.2"}, refuse, false, "incomplete-group | |"},
                 {{"01:00.1", "01:00.0", "01:00.2", "01:00.3"}, refuse, false, "yes | |"},
                 {{"01:00.0", "01:00.1", "01:00.2", "01:00.3"}, refuse, true, "yes | | forced"},
                 {{"01:00.0"}, bind_siblings, true, "yes | 01:00.1 01:00.2 01:00.3 | forced"},
                 // A sibling's screen is as good a reason.
                 {{"01:00.1"}, bind_siblings, false, "function-in-use | 01:00.0 01:00.2 01:00.3 |"},
                 {{"01:00.1"}, bind_siblings, true, "yes | 01:00.0 01:00.2 01:00.3 | forced"},
                 // Siblings without a driver are no obstacle, nor is an ISA bridge without.
                 {{"00:14.0"}, refuse, false, "yes | |"},
                 {{"00:1f.3"}, bind_siblings, false, "yes | 00:1f.4 00:1f.5 |"},
             });
}

TEST_CASE("what of other machines may be passed") {
  check_rows(devices_of("two-socket"), {{{"67:00.0"}, refuse, false, "yes | |"},
                                        {{"66:01.1"}, refuse, false, "yes | |"},
                                        {{"66:00.0"}, refuse, true, "has-vfs | | forced"},
                                        {{"18:00.0"}, refuse, true, "firmware-memory | | forced"}});
  check_rows(devices_of("epyc"), {{{"01:00.0"}, refuse, false, "yes | |"},
                                  {{"c7:00.4"}, refuse, false, "yes | | no-reset"},
                                  {{"42:00.0"}, refuse, false, "function-in-use | |"}});
  // An ISA bridge with a driver is in the way: unlike a bridge to a bus.
  check_rows(devices_of("hybrid"),
             {{{"01:00.0"}, refuse, false, "incomplete-group | |"},
              {{"01:00.0", "01:00.1"}, refuse, false, "yes | |"},
              {{"00:02.0"}, refuse, false, "function-in-use | |"},
              {{"00:1f.3"}, bind_siblings, false, "yes | 00:1f.0 00:1f.4 |"}});
  check_rows(devices_of("arm-server"), {{{"0004:03:00.0"}, refuse, false, "yes | |"},
                                        {{"0000:01:00.1"}, refuse, false, "yes | |"},
                                        {{"000d:02:00.0"}, refuse, false, "function-in-use | |"}});
}

TEST_CASE("hosts that cannot pass anything say what to switch on") {
  auto devices = devices_of("epyc");
  devices.interrupt_remapping = false;
  check_rows(devices, {{{"01:00.0"}, refuse, false, "no-interrupt-remapping | |"}});
  devices.unsafe_interrupts = true;
  check_rows(devices, {{{"01:00.0"}, refuse, false, "yes | |"}});

  const TempTree tree;
  make_pci_tree(tree, "root pci0000:00\n  00:03.0 0200 8086:10d3\n  00:04.0 0200 8086:1 group=0\n");
  devices = read_all_devices(tree.root()).value();
  CHECK_EQ(only_error(devices, {.wanted = {pci("00:03.0")}}).message,
           "0000:00:03.0 is in no IOMMU group");
  devices.iommu = false;
  CHECK_EQ(only_error(devices, {.wanted = {pci("00:03.0")}}).message,
           "0000:00:03.0 cannot be passed: this host has no IOMMU");
}

TEST_CASE("an incomplete group names each sibling, and the least that completes it") {
  const auto desktop = devices_of("desktop");
  const auto card = only_error(desktop, {.wanted = {pci("01:00.0")}, .force = true});
  CHECK_EQ(card.message,
           "0000:01:00.0 is in IOMMU group 1 with 0000:01:00.1 (class 0403, snd_hda_intel), "
           "0000:01:00.2 (class 0c03, xhci_hcd), 0000:01:00.3 (class 0c80, nvidia-gpu)");
  CHECK_EQ(card.hint,
           "pass 0000:01:00.1, 0000:01:00.2, 0000:01:00.3 as well, or take them from their "
           "drivers with \"siblings\": \"bind\"");
  const auto sound = only_error(desktop, {.wanted = {pci("01:00.1")}});
  CHECK(sound.message.contains("0000:01:00.0 (class 0300, nouveau: the only display (card0))"));
  CHECK_EQ(sound.hint, "the host needs 0000:01:00.0: use a slot with a group of its own");
  const auto chipset = only_error(devices_of("hybrid"), {.wanted = {pci("00:1f.3")}});
  CHECK_EQ(chipset.hint,
           "pass 0000:00:1f.4 as well, and take the others from their drivers with \"siblings\": "
           "\"bind\"");
}

TEST_CASE("a function in use says what for") {
  const auto error = only_error(devices_of("hybrid"), {.wanted = {pci("00:14.3")}});
  CHECK_EQ(error.message, "the host uses 0000:00:14.3: the default route (wlp0s20f3)");
}
