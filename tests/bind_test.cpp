// SPDX-License-Identifier: MIT
#include "vfio/bind.h"

#include "launcher/run/prepare.h"
#include "tests/fake_pci.h"

#include <doctest/doctest.h>

#include <sys/resource.h>
#include <sys/stat.h>

using hv::Fault;
using hv::vfio::Binding;
using hv::vfio::PciAddress;
namespace fs = std::filesystem;

namespace {

constexpr PciAddress address{.bus = 1};
constexpr std::chrono::seconds patience{5};

enum class Who : bool { reader, writer };

/// An attribute on which one waits for ever, as for a driver that hangs.
class Hanging {
 public:
  explicit Hanging(const std::string& path, Who who = Who::writer) {
    fs::remove(path);
    REQUIRE_EQ(::mkfifo(path.c_str(), 0600), 0);
    fd_ = hv::UniqueFd(::open(path.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC));
    REQUIRE(fd_);
    const std::string page(4096, 'x');
    while (who == Who::writer && ::write(fd_.get(), page.data(), page.size()) > 0) continue;
  }

 private:
  hv::UniqueFd fd_;
};

std::string text_of(const PciTree& tree) {
  return to_string(hv::vfio::read_binding(tree.root(), address).value());
}

}  // namespace

TEST_CASE("a binding is one line, and reads back as it was") {
  const Binding rows[] = {{"e1000e", "", "on"},
                          {"", "", ""},
                          {"", "vfio-pci", "auto"},
                          {"two words", "a\tb%\x7f=", "on"}};
  for (const auto& row : rows) {
    const auto text = to_string(row);
    CAPTURE(text);
    CHECK_EQ(text.find_first_of("\t\n"), std::string::npos);
    const auto back = hv::vfio::parse_binding(text);
    REQUIRE(back.has_value());
    CHECK_EQ(*back, row);
  }
  CHECK_EQ(to_string(rows[0]), "driver=e1000e override= power=on");
  for (const auto* const bad :
       {"", "driver=x", "driver=x override=y", "driver=x override=%4 power=", "x override= power=",
        "driver=x override=%zz power=", "driver=x override= power=on more"}) {
    CAPTURE(bad);
    CHECK_EQ(hv::vfio::parse_binding(bad).error().id, "damaged-journal");
  }
}

TEST_CASE("what a function is bound to is read, '(null)' as none") {
  const PciTree tree;
  const auto root = tree.root();
  CHECK_EQ(hv::vfio::read_binding(root, address).value(), Binding{"e1000e", "", "on"});
  tree.set_driver("");
  tree.write(PciTree::device("/driver_override"), "vfio-pci\n");
  fs::remove_all(tree.path(PciTree::device("/power")));
  CHECK_EQ(hv::vfio::read_binding(root, address).value(), Binding{"", "vfio-pci", ""});
  tree.remove_device();
  const auto gone = hv::vfio::read_binding(root, address);
  CHECK_EQ(gone.error().id, "no-device-here");
  CHECK_EQ(gone.error().fault, Fault::missing);
}

TEST_CASE("a function is bound by override, unbind and probe, in that order, never by new_id") {
  const PciTree tree;
  const FakeKernel kernel(tree);
  REQUIRE(hv::vfio::bind(tree.root(), address, "vfio-pci", patience).has_value());
  CHECK_EQ(tree.driver(), "vfio-pci");
  CHECK_EQ(tree.override_text(), "vfio-pci");
  CHECK_EQ(tree.read(PciTree::driver_file("e1000e", "unbind")), "0000:01:00.0");
  CHECK_EQ(tree.read("/sys/bus/pci/drivers_probe"), "0000:01:00.0");
  CHECK_EQ(kernel.writes(),
           "devices/0000:01:00.0/driver_override\ndrivers/e1000e/unbind\ndrivers_probe\n");
}

TEST_CASE("a function that is bound as wanted is not touched") {
  const PciTree tree;
  tree.set_driver("vfio-pci");
  const FakeKernel kernel(tree);
  REQUIRE(hv::vfio::bind(tree.root(), address, "vfio-pci", patience).has_value());
  CHECK_EQ(kernel.writes(), "");
}

TEST_CASE("binding and returning leave every function as it was") {
  const Binding rows[] = {{"e1000e", "", "on"},         {"", "", "on"},
                          {"e1000e", "e1000e", "auto"}, {"", "vfio-pci", "auto"},
                          {"e1000e", "vfio-pci", "on"}, {"e1000e", "odd name", "on"}};
  for (const auto& row : rows) {
    const PciTree tree;
    const auto root = tree.root();
    tree.set_driver(row.driver);
    tree.write(PciTree::device("/driver_override"),
               row.driver_override.empty() ? "(null)\n" : row.driver_override + "\n");
    tree.write(PciTree::device("/power/control"), row.power_control + "\n");
    const auto before = text_of(tree);
    CAPTURE(before);
    {
      const FakeKernel kernel(tree);
      REQUIRE(hv::vfio::bind(root, address, "vfio-pci", patience).has_value());
    }
    REQUIRE_EQ(tree.driver(), "vfio-pci");
    tree.write(PciTree::device("/power/control"), "other\n");
    // The way of `recover`, and twice, as after a crash.
    for (const auto expected_writes : {true, false}) {
      const FakeKernel kernel(tree);
      REQUIRE(hv::run::undo(root, {.kind = hv::Undo::Kind::return_function,
                                   .path = "0000:01:00.0",
                                   .value = before})
                  .has_value());
      CHECK_EQ(text_of(tree), before);
      CHECK_EQ(kernel.writes().empty(), !expected_writes);
      CHECK_EQ(tree.read("/sys/bus/pci/drivers_probe"), "0000:01:00.0");  // Of bind() alone.
    }
  }
}

TEST_CASE("a crash after any write of bind() is taken back") {
  for (const auto* const last : {"", "override", "unbind"}) {
    CAPTURE(last);
    const PciTree tree;
    const auto before = text_of(tree);
    if (*last != '\0') tree.write(PciTree::device("/driver_override"), "vfio-pci\n");
    if (last == std::string_view("unbind")) tree.set_driver("");
    const FakeKernel kernel(tree);
    REQUIRE(hv::vfio::return_function(tree.root(), address, before, patience).has_value());
    CHECK_EQ(text_of(tree), before);
  }
}

TEST_CASE("a sibling is left without a driver, and returned") {
  const PciTree tree;
  const auto root = tree.root();
  const auto before = text_of(tree);
  {
    const FakeKernel kernel(tree);
    REQUIRE(hv::vfio::unbind(root, address, patience).has_value());
    CHECK_EQ(kernel.writes(), "drivers/e1000e/unbind\n");
    REQUIRE(hv::vfio::unbind(root, address, patience).has_value());
  }
  CHECK_EQ(tree.driver(), "");
  const FakeKernel kernel(tree);
  REQUIRE(hv::vfio::return_function(root, address, before, patience).has_value());
  CHECK_EQ(kernel.writes(), "drivers/e1000e/bind\n");
  CHECK_EQ(text_of(tree), before);
}

TEST_CASE("what the kernel does not obey is an error with cause and cure") {
  struct Row {
    const char* attribute;
    std::function<void(const PciTree&)> whim;
    const char* id;
    const char* message;
  };
  const auto nothing = [](const PciTree&) {};
  const auto vanish = [](const PciTree& tree) { tree.remove_device(); };
  const Row rows[] = {
      {"drivers_probe", nothing, "not-obeyed", "the driver 'vfio-pci' did not take 0000:01:00.0"},
      {"drivers_probe", [](const PciTree& tree) { tree.set_driver("e1000e"); }, "not-obeyed",
       "0000:01:00.0 has the driver 'e1000e' instead of 'vfio-pci'"},
      {"drivers_probe",
       [](const PciTree& tree) {
         tree.set_driver("vfio-pci");
         fs::remove(tree.path("/dev/vfio/7"));
       },
       "not-obeyed", "0000:01:00.0 has the driver 'vfio-pci', but there is no /dev/vfio/7"},
      {"drivers/e1000e/unbind", nothing, "not-obeyed",
       "0000:01:00.0 has the driver 'e1000e' after it was taken from 'e1000e'"},
      {"drivers/e1000e/unbind", vanish, "no-device-here",
       "the PCI function 0000:01:00.0 is not there"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.message);
    const PciTree tree;
    const auto root = tree.root();
    const auto before = text_of(tree);
    {
      const FakeKernel kernel(tree, {{row.attribute, row.whim}});
      const auto bound = hv::vfio::bind(root, address, "vfio-pci", patience);
      REQUIRE_FALSE(bound.has_value());
      CHECK_EQ(bound.error().id, row.id);
      CHECK_EQ(bound.error().message, row.message);
      CHECK_FALSE(bound.error().hint.empty());
    }
    const FakeKernel kernel(tree);
    REQUIRE(hv::vfio::return_function(root, address, before, patience).has_value());
    if (fs::exists(tree.path(PciTree::device("")))) CHECK_EQ(text_of(tree), before);
  }
}

TEST_CASE("what cannot be bound is refused before anything is written") {
  struct Row {
    const char* driver;
    const char* without;  ///< Removed from the tree.
    const char* id;
  };
  const auto by_address = std::string("/sys/bus/pci/devices/").append(PciTree::address);
  const auto group = PciTree::device("/iommu_group");
  const Row rows[] = {{"mlx5_vfio_pci", "", "no-vfio-driver"},
                      {"", "", "no-vfio-driver"},
                      {"e1000e", "", "no-vfio-driver"},
                      {"../vfio-pci", "", "no-vfio-driver"},
                      {"../../devices", "", "no-vfio-driver"},
                      {"vfio-pci", group.c_str(), "no-iommu"},
                      {"vfio-pci", by_address.c_str(), "no-device-here"}};
  for (const auto& row : rows) {
    CAPTURE(row.driver);
    CAPTURE(row.without);
    const PciTree tree;
    if (*row.without != '\0') fs::remove(tree.path(row.without));
    const auto bound = hv::vfio::bind(tree.root(), address, row.driver, patience);
    REQUIRE_FALSE(bound.has_value());
    CHECK_EQ(bound.error().id, row.id);
    CHECK_EQ(bound.error().fault, Fault::missing);
    CHECK_FALSE(bound.error().hint.empty());
    CHECK_EQ(tree.driver(), "e1000e");
    CHECK_EQ(tree.override_text(), "");
  }
}

TEST_CASE("a driver that hangs is named, and hangs nobody else") {
  const PciTree tree;
  const auto root = tree.root();
  const auto before = text_of(tree);
  const Hanging hanging(tree.path(PciTree::driver_file("e1000e", "unbind")));
  const auto bound = hv::vfio::bind(root, address, "vfio-pci", std::chrono::milliseconds(30));
  REQUIRE_FALSE(bound.has_value());
  CHECK_EQ(bound.error().id, "driver-hangs");
  CHECK_EQ(bound.error().fault, Fault::timed_out);
  CHECK(bound.error().message.starts_with("the driver 'e1000e' of 0000:01:00.0 hangs"));
  CHECK(bound.error().hint.contains("dmesg"));

  // The lock of the device is held now: even looking waits.
  const Hanging locked(tree.path(PciTree::device("/driver_override")), Who::reader);
  const auto returned =
      hv::vfio::return_function(root, address, before, std::chrono::milliseconds(30));
  REQUIRE_FALSE(returned.has_value());
  CHECK_EQ(returned.error().id, "driver-hangs");
}

TEST_CASE("a kernel that crashes in a driver kills the helper, not hvlaunch") {
  const PciTree tree;
  // A write beyond the limit is a signal that ends the process.
  rlimit before{};
  rlimit core{};
  ::getrlimit(RLIMIT_FSIZE, &before);
  ::getrlimit(RLIMIT_CORE, &core);
  const rlimit none{.rlim_cur = 0, .rlim_max = before.rlim_max};
  const rlimit no_core{.rlim_cur = 0, .rlim_max = core.rlim_max};
  ::setrlimit(RLIMIT_CORE, &no_core);
  ::setrlimit(RLIMIT_FSIZE, &none);
  const auto bound = hv::vfio::bind(tree.root(), address, "vfio-pci", patience);
  ::setrlimit(RLIMIT_FSIZE, &before);
  ::setrlimit(RLIMIT_CORE, &core);
  REQUIRE_FALSE(bound.has_value());
  CHECK_EQ(bound.error().id, "driver-crashed");
  CHECK_EQ(tree.driver(), "e1000e");
}

TEST_CASE("a function that a guest still has open is not hidden as a fault of the driver") {
  const PciTree tree;
  tree.set_driver("vfio-pci");
  const Hanging hanging(tree.path(PciTree::driver_file("vfio-pci", "unbind")));
  const auto returned = hv::vfio::return_function(
      tree.root(), address, "driver=e1000e override= power=on", std::chrono::milliseconds(30));
  REQUIRE_FALSE(returned.has_value());
  CHECK_EQ(returned.error().id, "driver-hangs");
  CHECK(returned.error().hint.contains("fuser"));
}

TEST_CASE("a driver that is gone leaves the function ready for it, and says how") {
  const PciTree tree;
  const auto root = tree.root();
  const auto before = text_of(tree);
  {
    const FakeKernel kernel(tree);
    REQUIRE(hv::vfio::bind(root, address, "vfio-pci", patience).has_value());
  }
  fs::remove_all(tree.path("/sys/bus/pci/drivers/e1000e"));
  {
    const FakeKernel kernel(tree);
    const auto returned = hv::vfio::return_function(root, address, before, patience);
    REQUIRE_FALSE(returned.has_value());
    CHECK_EQ(returned.error().id, "driver-gone");
    CHECK(returned.error().hint.starts_with("`modprobe e1000e`"));
  }
  CHECK_EQ(tree.driver(), "");
  CHECK_EQ(tree.override_text(), "");
  tree.add_driver("e1000e");
  const FakeKernel kernel(tree);
  REQUIRE(hv::vfio::return_function(root, address, before, patience).has_value());
  CHECK_EQ(text_of(tree), before);
}

TEST_CASE("a function that vanished needs nothing back") {
  const PciTree tree;
  const auto before = text_of(tree);
  tree.remove_device();
  CHECK(hv::vfio::return_function(tree.root(), address, before).has_value());
  CHECK_EQ(hv::vfio::return_function(tree.root(), address, "rubbish").error().id,
           "damaged-journal");
}

TEST_CASE("by iommufd the function's own node must be there") {
  const PciTree tree;
  tree.set_driver("vfio-pci");
  tree.write(PciTree::device("/vfio-dev/vfio3/dev"), "511:3\n");
  const auto missing = hv::vfio::bind(tree.root(), address, "vfio-pci", patience);
  REQUIRE_FALSE(missing.has_value());
  CHECK(missing.error().message.ends_with("there is no /dev/vfio/devices/vfio3"));
  tree.write("/dev/vfio/devices/vfio3", "");
  fs::remove(tree.path("/dev/vfio/7"));  // A kernel without groups.
  CHECK(hv::vfio::bind(tree.root(), address, "vfio-pci", patience).has_value());
}
