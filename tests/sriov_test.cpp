// SPDX-License-Identifier: MIT
#include "vfio/sriov.h"

#include "launcher/run/prepare.h"
#include "tests/fake_pci.h"

#include <doctest/doctest.h>

using hv::Journal;
using hv::vfio::PciAddress;
using hv::vfio::VirtualFunction;
namespace fs = std::filesystem;

namespace {

constexpr PciAddress card{.bus = 1};
constexpr PciAddress vf0{.bus = 1, .device = 16};
constexpr PciAddress vf1{.bus = 1, .device = 16, .function = 1};
constexpr auto* numvfs = "devices/0000:01:00.0/sriov_numvfs";

/// A card that can have four virtual functions and has none.
class Card : public PciTree {
 public:
  Card() {
    write(device("/sriov_totalvfs"), "4\n");
    write(device("/sriov_numvfs"), "0\n");
    write(device("/sriov_drivers_autoprobe"), "1\n");
    write(device("/net/eth7/address"), "");
  }
};

void set_vfs(const PciTree& tree, int count) {
  for (int i = 0; i < 4; ++i) {
    const auto name = "0000:01:10." + std::to_string(i);
    const auto link = PciTree::device("/virtfn" + std::to_string(i));
    fs::remove(tree.path(link));
    fs::remove_all(tree.path("/sys/bus/pci/devices/" + name));
    if (i >= count) continue;
    fs::create_directories(tree.path("/sys/bus/pci/devices/" + name));
    tree.link(link, "../" + name);
  }
}

void set_vf_driver(const PciTree& tree, const PciAddress& vf, const std::string& driver) {
  const auto link = "/sys/bus/pci/devices/" + to_string(vf) + "/driver";
  fs::remove(tree.path(link));
  if (!driver.empty()) tree.link(link, "../../drivers/" + driver);
}

FakeKernel::Whims makes(int count) {
  return {{numvfs, [count](const PciTree& tree) {
             // The host's drivers are kept off while they are made.
             tree.write("/autoprobe", tree.read(PciTree::device("/sriov_drivers_autoprobe")));
             set_vfs(tree, count);
           }}};
}

}  // namespace

TEST_CASE("a physical function is read with its virtual ones, by index") {
  const Card tree;
  set_vfs(tree, 2);
  set_vf_driver(tree, vf1, "iavf");
  const auto physical = hv::vfio::read_physical_function(tree.root(), card);
  REQUIRE(physical.has_value());
  CHECK_EQ(physical->vfs_total, 4);
  CHECK(physical->drivers_autoprobe);
  CHECK_EQ(physical->network_interface, "eth7");
  CHECK_EQ(physical->vfs, std::vector<VirtualFunction>{{0, vf0, ""}, {1, vf1, "iavf"}});
  const PciTree plain;
  CHECK_EQ(hv::vfio::read_physical_function(plain.root(), card).error().id, "no-sriov");
  CHECK_EQ(hv::vfio::read_physical_function(plain.root(), vf0).error().id, "no-device-here");
}

TEST_CASE("where virtual functions will be follows from offset and stride") {
  struct Row {
    PciAddress card;
    std::uint64_t offset, stride, index;
    std::optional<PciAddress> address;
  };
  const Row rows[] = {
      {{.bus = 6}, 128, 2, 0, PciAddress{.bus = 6, .device = 16}},
      {{.bus = 6}, 128, 2, 1, PciAddress{.bus = 6, .device = 16, .function = 2}},
      {{.bus = 6, .function = 1}, 128, 2, 3, PciAddress{.bus = 6, .device = 16, .function = 7}},
      // Beyond the bus's 256 functions comes the next one.
      {{.domain = 2, .bus = 6}, 256, 1, 9, PciAddress{2, 7, 1, 1}},
      {{.bus = 255, .device = 31, .function = 7}, 1, 1, 0, std::nullopt},
      {{.bus = 6}, 0, 2, 0, std::nullopt},
      {{.bus = 6}, 128, 0, 0, PciAddress{.bus = 6, .device = 16}},
      {{.bus = 6}, 128, 0, 1, std::nullopt},
  };
  for (const auto& [address, offset, stride, index, expected] : rows) {
    CAPTURE(to_string(address));
    CAPTURE(index);
    CHECK_EQ(hv::vfio::vf_address({.address = address, .offset = offset, .stride = stride}, index),
             expected);
  }
}

TEST_CASE("virtual functions are made without drivers, and destroyed by the journal") {
  const Card tree;
  const auto root = tree.root();
  {
    const FakeKernel kernel(tree, makes(3));
    auto journal = Journal::open(root, "/journal", hv::run::undo).value();
    REQUIRE(hv::vfio::make_vfs(root, card, 3, journal).has_value());
    CHECK_EQ(tree.read("/autoprobe"), "0");
    CHECK_EQ(tree.read(PciTree::device("/sriov_drivers_autoprobe")), "1");
    CHECK_EQ(tree.read(PciTree::device("/sriov_numvfs")), "3");
    journal.keep();
  }
  const FakeKernel kernel(tree, makes(0));
  auto journal = Journal::open(root, "/journal", hv::run::undo).value();
  CHECK(journal.rollback().empty());
  CHECK_EQ(tree.read(PciTree::device("/sriov_numvfs")), "0");
  CHECK(hv::vfio::read_physical_function(root, card).value().vfs.empty());
  CHECK_FALSE(fs::exists(tree.path("/journal")));
}

TEST_CASE("virtual functions that were there are neither changed nor destroyed") {
  const Card tree;
  const auto root = tree.root();
  set_vfs(tree, 2);
  const FakeKernel kernel(tree, makes(4));
  auto journal = Journal::open(root, "/journal", hv::run::undo).value();
  REQUIRE(hv::vfio::make_vfs(root, card, 4, journal).has_value());
  CHECK(journal.rollback().empty());
  CHECK_EQ(kernel.writes(), "");
}

TEST_CASE("virtual functions that somebody uses outlive the guest that had them made") {
  for (const auto* const driver : {"vfio-pci", "iavf"}) {
    const Card tree;
    set_vfs(tree, 2);
    set_vf_driver(tree, vf1, driver);
    const FakeKernel kernel(tree, makes(0));
    CHECK(hv::vfio::remove_vfs(tree.root(), card).has_value());
    CHECK_EQ(kernel.writes(), "");
    set_vf_driver(tree, vf1, "");
    CHECK(hv::vfio::remove_vfs(tree.root(), card).has_value());
    CHECK_EQ(kernel.writes(), std::string(numvfs) + "\n");
    CHECK(hv::vfio::remove_vfs(tree.root(), card).has_value());
  }
}

TEST_CASE("virtual functions that cannot be had leave the card as it was") {
  struct Row {
    std::uint64_t count;
    int made;
    const char* id;
  };
  for (const auto& [count, made, id] : {Row{5, 0, "too-many-vfs"}, Row{2, 0, "not-obeyed"}}) {
    CAPTURE(id);
    const Card tree;
    const auto root = tree.root();
    const FakeKernel kernel(tree, makes(made));
    auto journal = Journal::open(root, "/journal", hv::run::undo).value();
    const auto refused = hv::vfio::make_vfs(root, card, count, journal);
    REQUIRE_FALSE(refused.has_value());
    CHECK_EQ(refused.error().id, id);
    CHECK(journal.rollback().empty());
    const auto autoprobe = tree.read(PciTree::device("/sriov_drivers_autoprobe"));
    CHECK_EQ(autoprobe.substr(0, 1), "1");
  }
}

TEST_CASE("a MAC address and a VLAN are set through the card's own interface") {
  using Words = std::vector<std::string>;
  const hv::vfio::PhysicalFunction physical{.address = card, .network_interface = "eth7"};
  const auto words = [&](const hv::vfio::VfNetwork& network) {
    return hv::vfio::vf_network_command(physical, 1, network).value();
  };
  const Words begin = {"ip", "link", "set", "dev", "eth7", "vf", "1"};
  const auto with = [&](const Words& more) {
    auto all = begin;
    all.insert(all.end(), more.begin(), more.end());
    return all;
  };
  CHECK_EQ(words({}), Words{});
  CHECK_EQ(words({.mac = "52:54:00:00:00:01"}), with({"mac", "52:54:00:00:00:01"}));
  CHECK_EQ(words({.mac = "52:54:00:00:00:01", .vlan = 7}),
           with({"mac", "52:54:00:00:00:01", "vlan", "7"}));
  CHECK_EQ(words({.vlan = 0}), with({"vlan", "0"}));
  const hv::vfio::PhysicalFunction disk{.address = card};
  CHECK(hv::vfio::vf_network_command(disk, 1, {}).has_value());
  CHECK_EQ(hv::vfio::vf_network_command(disk, 1, {.vlan = 7}).error().id, "no-vf-network");
}

TEST_CASE("the first free virtual function is chosen, one without a driver before others") {
  struct Row {
    std::vector<std::string> drivers;
    std::vector<PciAddress> claimed;
    int chosen;  ///< -1: none.
  };
  const Row rows[] = {{{"", ""}, {}, 0},           {{"", ""}, {vf0}, 1},
                      {{"iavf", ""}, {}, 1},       {{"iavf", "iavf"}, {}, 0},
                      {{"vfio-pci", ""}, {}, 1},   {{"vfio-pci", "iavf"}, {vf1}, -1},
                      {{"mlx5_vfio_pci"}, {}, -1}, {{}, {}, -1}};
  for (const auto& [drivers, claimed, chosen] : rows) {
    hv::vfio::PhysicalFunction physical{.address = card};
    for (std::size_t i = 0; i < drivers.size(); ++i)
      physical.vfs.push_back({i, i == 0 ? vf0 : vf1, drivers[i]});
    CAPTURE(drivers.size());
    const auto vf = hv::vfio::choose_vf(physical, claimed);
    if (chosen >= 0) {
      REQUIRE(vf.has_value());
      CHECK_EQ((*vf)->index, chosen);
    } else {
      REQUIRE_FALSE(vf.has_value());
      CHECK_EQ(vf.error().id, "no-free-vf");
    }
  }
}
