// SPDX-License-Identifier: MIT
#include "vfio/mdev.h"

#include "launcher/run/prepare.h"
#include "tests/fake_pci.h"

#include <doctest/doctest.h>

using hv::Journal;
namespace fs = std::filesystem;

namespace {

const hv::vfio::Mdev wanted{
    .parent = "mtty", .type = "mtty-2", .uuid = "83b8f4f2-509f-382f-3c1e-e6bfe0fa1001"};
constexpr auto* create = "/sys/class/mdev_bus/mtty/mdev_supported_types/mtty-2/create";
constexpr auto* device = "/sys/bus/mdev/devices/83b8f4f2-509f-382f-3c1e-e6bfe0fa1001";

class Parent : public PciTree {
 public:
  Parent() {
    for (const auto* const type : {"mtty-1", "mtty-2"}) {
      const auto directory = std::string("/sys/class/mdev_bus/mtty/mdev_supported_types/") + type;
      write(directory + "/create", "");
      write(directory + "/name", "Serial ports\n");
      write(directory + "/available_instances",
            type == std::string_view("mtty-1") ? "0\n" : "24\n");
    }
  }
};

void appear(const PciTree& tree) {
  tree.write(std::string(device) + "/remove", "");
  fs::create_directories(tree.path("/sys/kernel/iommu_groups/9"));
  tree.link(std::string(device) + "/iommu_group", "../../../../kernel/iommu_groups/9");
  tree.write("/dev/vfio/9", "");
}

}  // namespace

TEST_CASE("the types that a parent makes are read") {
  const Parent tree;
  const auto types = hv::vfio::read_mdev_types(tree.root(), "mtty");
  REQUIRE(types.has_value());
  CHECK_EQ(*types, std::vector<hv::vfio::MdevType>{{"mtty-1", "Serial ports", 0},
                                                   {"mtty-2", "Serial ports", 24}});
}

TEST_CASE("a mediated device is made, and removed by the journal") {
  const Parent tree;
  const auto root = tree.root();
  const FakeKernel kernel(tree, {{create, appear}});
  auto journal = Journal::open(root, "/journal", hv::run::undo).value();
  REQUIRE(hv::vfio::make_mdev(root, wanted, journal).has_value());
  CHECK_EQ(tree.read(create), wanted.uuid);
  CHECK_EQ(tree.read(std::string(device) + "/remove"), "");
  CHECK(journal.rollback().empty());
  CHECK_EQ(tree.read(std::string(device) + "/remove"), "1");
}

TEST_CASE("a crash before a mediated device was made undoes nothing") {
  const Parent tree;
  const auto root = tree.root();
  auto journal = Journal::open(root, "/journal", hv::run::undo).value();
  REQUIRE(journal
              .record({.kind = hv::Undo::Kind::write_value,
                       .path = std::string(device) + "/remove",
                       .value = "1"})
              .has_value());
  CHECK(journal.rollback().empty());
}

TEST_CASE("a mediated device that cannot be made is refused, and says what can") {
  struct Row {
    hv::vfio::Mdev mdev;
    const char* id;
    const char* hint;
  };
  const Row rows[] = {
      {{"0000:00:02.0", "mtty-2", wanted.uuid}, "no-mdev-parent", "these do: mtty"},
      {{"../x", "mtty-2", wanted.uuid}, "no-mdev-parent", "these do: mtty"},
      {{"mtty", "mtty-3", wanted.uuid}, "no-mdev-type", "it makes mtty-1, mtty-2"},
      {{"mtty", "../mtty-2", wanted.uuid}, "no-mdev-type", "it makes mtty-1, mtty-2"},
      {{"mtty", "mtty-1", wanted.uuid}, "no-mdev-instance", "end a guest"},
      {{"mtty", "mtty-2", "taken"}, "mdev-exists", "it is not this VM's"},
      {wanted, "not-obeyed", "`modprobe vfio_mdev`"},
  };
  for (const auto& [mdev, id, hint] : rows) {
    CAPTURE(id);
    const Parent tree;
    const auto root = tree.root();
    tree.write("/sys/bus/mdev/devices/taken/remove", "");
    const FakeKernel kernel(tree);
    auto journal = Journal::open(root, "/journal", hv::run::undo).value();
    const auto made = hv::vfio::make_mdev(root, mdev, journal);
    REQUIRE_FALSE(made.has_value());
    CHECK_EQ(made.error().id, id);
    CHECK(made.error().hint.starts_with(hint));
    CHECK(journal.rollback().empty());
    CHECK_EQ(tree.read("/sys/bus/mdev/devices/taken/remove"), "");
  }
}
