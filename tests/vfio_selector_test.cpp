// SPDX-License-Identifier: MIT
#include "vfio/selector.h"

#include "tests/vfio_hosts.h"

#include <doctest/doctest.h>

using namespace hv::vfio;

namespace {

constexpr PciId rtx_4090{.vendor = 0x10de, .device = 0x2684};
constexpr PciId optane{.vendor = 0x8086, .device = 0x0b60};

struct Row {
  Selector selector;
  const char* chosen;  ///< Or the error's id and message.
  const char* hint = "";
};

void check_rows(const char* host, const std::vector<Row>& rows) {
  const TempTree tree;
  make_pci_host(tree, host);
  for (const auto& [selector, chosen, hint] : rows) {
    CAPTURE(describe(selector));
    // The same answer whether all functions were read or what the selector could mean.
    for (const auto& devices :
         {read_all_devices(tree.root()).value(), read_devices(tree.root(), {selector}).value()}) {
      const auto found = choose(selector, devices);
      if (found) {
        CHECK_EQ(to_string((*found)->address), chosen);
        CHECK_EQ(std::string(hint), "");
      } else {
        CHECK_EQ(found.error().id + ": " + found.error().message, chosen);
        CHECK_EQ(found.error().hint, hint);
      }
    }
  }
}

}  // namespace

TEST_CASE("ids of vendor and device") {
  CHECK_EQ(parse_pci_id("10de:2684").value(), rtx_4090);
  CHECK_EQ(parse_pci_id("10DE:2684").value(), rtx_4090);
  CHECK_EQ(to_string(optane), "8086:0b60");
  for (const auto* const text : {"", "10de", "10de:", "10de:268", "10de:26844", "10de-2684",
                                 "0x10:2684", "10de:268g", "-0de:2684", " 10de:2684"}) {
    CAPTURE(text);
    const auto id = parse_pci_id(text);
    REQUIRE_FALSE(id);
    CHECK_EQ(id.error().id, "bad-pci-id");
  }
}

TEST_CASE("where a function is plugged in does not depend on bus numbers") {
  const auto devices = devices_of("epyc");
  CHECK_EQ(path_of(*devices.find(pci("c6:00.0"))), "pci0000:c0/05.1/00.0/00.0");
  CHECK_EQ(path_of(*devices.find(pci("00:18.3"))), "pci0000:00/18.3");
}

TEST_CASE("a selector names one function of a server, or the error says what is near") {
  check_rows(
      "two-socket",
      {
          {{.address = pci("66:00.0")}, "0000:66:00.0"},
          {{.address = pci("66:00.0"), .id = PciId{0x8086, 0x1592}}, "0000:66:00.0"},
          {{.class_prefix = 0x0104, .class_digits = 4}, "0000:18:00.0"},
          {{.class_prefix = 0x010400, .class_digits = 6}, "0000:18:00.0"},
          {{.class_prefix = 0x03, .class_digits = 2}, "0000:02:00.0"},
          {{.slot = "22"}, "0000:67:00.0"},
          {{.id = optane, .slot = "21"}, "0000:19:00.0"},
          {{.serial = "PHAX0002"}, "0000:67:00.0"},
          {{.path = "pci0000:65/02.0/00.0"}, "0000:67:00.0"},
          {{.id = optane},
           "ambiguous-device: 2 devices are 8086:0b60: 0000:19:00.0 (8086:0b60, slot 21), "
           "0000:67:00.0 (8086:0b60, slot 22)",
           "say which as well: \"slot\": \"21\" or \"serial\": \"PHAX0001\" or \"path\": "
           "\"pci0000:17/02.0/00.0\" or \"address\": \"0000:19:00.0\""},
          // Both ports of a card have its slot and serial.
          {{.slot = "3"},
           "ambiguous-device: 2 devices are in slot 3: 0000:66:00.0 (8086:1592, slot 3), "
           "0000:66:00.1 (8086:1592, slot 3)",
           "say which as well: \"path\": \"pci0000:65/00.0/00.0\" or \"address\": "
           "\"0000:66:00.0\""},
          {{.address = pci("66:00.4")},
           "no-device-here: this host has no PCI device 0000:66:00.4",
           "there is 0000:66:00.0 (8086:1592, slot 3), 0000:66:00.1 (8086:1592, slot 3)"},
          {{.address = pci("99:00.0")},
           "no-device-here: this host has no PCI device 0000:99:00.0",
           "`hvlaunch vfio list` shows what there is"},
          // Another device has come to this address.
          {{.address = pci("18:00.0"), .id = optane, .slot = "22"},
           "no-device-here: 0000:18:00.0 is 1000:0016 here, not 8086:0b60 in slot 22",
           "8086:0b60 is there: 0000:19:00.0 (8086:0b60, slot 21), 0000:67:00.0 (8086:0b60, slot "
           "22)"},
          {{.id = PciId{0x1000, 0x0001}},
           "no-device-here: this host has no PCI device 1000:0001",
           "there is 0000:18:00.0 (1000:0016, slot 1)"},
          {{.id = optane, .serial = "PHAX0009"},
           "no-device-here: this host has no PCI device 8086:0b60 with serial 'PHAX0009'",
           "8086:0b60 is there: 0000:19:00.0 (8086:0b60, slot 21), 0000:67:00.0 (8086:0b60, slot "
           "22)"},
          {{.class_prefix = 0x0180, .class_digits = 4},
           "no-device-here: this host has no PCI device of class 0180",
           "there is 0000:18:00.0 (1000:0016, slot 1), 0000:19:00.0 (8086:0b60, slot 21), "
           "0000:67:00.0 (8086:0b60, slot 22)"},
          {{.path = "pci0000:65/09.0"},
           "no-device-here: this host has no PCI device at path pci0000:65/09.0",
           "`hvlaunch vfio list` shows what there is"},
      });
}

TEST_CASE("two equal graphics cards are told apart by their slots") {
  check_rows("epyc", {{{.id = rtx_4090, .slot = "6"}, "0000:41:00.0"},
                      {{.id = rtx_4090, .path = "pci0000:00/01.1/00.0"}, "0000:01:00.0"}});
}
