// SPDX-License-Identifier: MIT
#include "launcher/run/hand_bound.h"

#include "launcher/run/lock.h"
#include "tests/fake_pci.h"
#include "vfio/bind.h"

#include <doctest/doctest.h>

using hv::vfio::PciAddress;
namespace fs = std::filesystem;

namespace {

constexpr PciAddress address{.bus = 1};
const hv::Paths paths{.profiles = {},
                      .config = {},
                      .state = {},
                      .runtime = "/run/hvlaunch",
                      .cache = {},
                      .firmware_config = {}};
constexpr auto* journal = "/run/hvlaunch/.vfio/0000:01:00.0";

std::string text_of(const PciTree& tree) {
  return to_string(hv::vfio::read_binding(tree.root(), address).value());
}

}  // namespace

TEST_CASE("what is bound by hand stays bound until it is unbound, and is then as before") {
  const PciTree tree;
  const auto root = tree.root();
  const auto before = text_of(tree);
  {
    const FakeKernel kernel(tree);
    REQUIRE(hv::run::bind_by_hand(root, paths, {{.address = address, .driver = "vfio-pci"}})
                .has_value());
  }
  CHECK_EQ(tree.driver(), "vfio-pci");
  CHECK_EQ(hv::run::bound_by_hand(root, paths), std::vector{address});
  const auto text = tree.read(journal);
  {
    // Again: what is remembered is still the binding before the first time.
    const FakeKernel kernel(tree);
    REQUIRE(hv::run::bind_by_hand(root, paths, {{.address = address, .driver = "vfio-pci"}})
                .has_value());
    CHECK_EQ(tree.read(journal), text);
  }
  const FakeKernel kernel(tree);
  CHECK(hv::run::return_by_hand(root, paths, address).empty());
  CHECK_EQ(text_of(tree), before);
  CHECK(hv::run::bound_by_hand(root, paths).empty());
  CHECK_FALSE(fs::exists(tree.path("/run/hvlaunch/.vfio")));
  const auto twice = hv::run::return_by_hand(root, paths, address);
  REQUIRE_EQ(twice.size(), 1);
  CHECK_EQ(twice.front().id, "not-bound-by-hand");
}

TEST_CASE("a binding by hand that fails leaves everything as it was") {
  const PciTree tree;
  const auto root = tree.root();
  const auto before = text_of(tree);
  const FakeKernel kernel(tree, {{"drivers_probe", [](const PciTree&) {}}});
  const auto bound =
      hv::run::bind_by_hand(root, paths, {{.address = address, .driver = "vfio-pci"}});
  REQUIRE_FALSE(bound.has_value());
  CHECK_EQ(bound.error().id, "not-obeyed");
  CHECK_EQ(text_of(tree), before);
  CHECK_FALSE(fs::exists(tree.path("/run/hvlaunch/.vfio")));
}

TEST_CASE("one of several that fails gives the others back") {
  const PciTree tree;
  const auto root = tree.root();
  const auto before = text_of(tree);
  const FakeKernel kernel(tree);
  const auto bound = hv::run::bind_by_hand(
      root, paths,
      {{.address = address, .driver = "vfio-pci"}, {.address = {.bus = 2}, .driver = "vfio-pci"}});
  REQUIRE_FALSE(bound.has_value());
  CHECK_EQ(bound.error().id, "no-device-here");
  CHECK_EQ(text_of(tree), before);
  CHECK(hv::run::bound_by_hand(root, paths).empty());
}

TEST_CASE("what a running guest has is not taken from under it") {
  const PciTree tree;
  const auto root = tree.root();
  tree.set_driver("vfio-pci");
  tree.write(journal, "boot\t\nreturn-function\tdriver=e1000e override= power=on\t0000:01:00.0\n");
  tree.write("/run/hvlaunch/web/journal",
             "boot\t\nreturn-function\tdriver=vfio-pci override=vfio-pci power=on\t0000:01:00.0\n");
  CHECK_EQ(hv::run::guest_with(root, paths, address), std::nullopt);  // It has ended.
  const auto lock = hv::run::try_lock(root, "/run/hvlaunch/web/lock").value();
  REQUIRE(lock.has_value());
  CHECK_EQ(hv::run::guest_with(root, paths, address), "web");
  CHECK_EQ(hv::run::guest_with(root, paths, {.bus = 2}), std::nullopt);
  const auto refused = hv::run::return_by_hand(root, paths, address);
  REQUIRE_EQ(refused.size(), 1);
  CHECK_EQ(refused.front().id, "function-in-use");
  CHECK(refused.front().hint.contains("hvlaunch stop web"));
  CHECK_EQ(tree.driver(), "vfio-pci");
  CHECK(fs::exists(tree.path(journal)));
}

TEST_CASE("modprobe is not run for what the kernel has, nor for what is no name") {
  const PciTree tree;
  for (const auto* const driver : {"vfio-pci", "-vfio", "../vfio", "vfio b", "e1000f", ""})
    CHECK(hv::run::load_driver(tree.root(), driver).has_value());
}
