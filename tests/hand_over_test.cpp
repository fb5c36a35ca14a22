// SPDX-License-Identifier: MIT
#include "launcher/run/hand_over.h"

#include "launcher/run/prepare.h"
#include "tests/fake_pci.h"

#include <doctest/doctest.h>

namespace {

using hv::Journal;
using hv::vfio::Release;
using Modules = std::vector<std::string>;

constexpr auto* console = "/sys/class/vtconsole/vtcon1/bind";
constexpr auto* framebuffers = "/sys/bus/platform/drivers/efi-framebuffer";
const std::string framebuffer = std::string(framebuffers) + "/efi-framebuffer.0";

void add_screen(const PciTree& tree) {
  tree.write("/sys/class/vtconsole/vtcon1/name", "(M) frame buffer device\n");
  tree.write(console, "1\n");
  tree.write(std::string(framebuffers) + "/bind", "");
  tree.write(std::string(framebuffers) + "/unbind", "");
  tree.write("/sys/bus/platform/devices/efi-framebuffer.0/modalias", "");
  tree.write(framebuffer, "");
}

Release of(Release::Part part, std::string name, std::string driver = "") {
  return {.part = part, .name = std::move(name), .driver = std::move(driver)};
}

}  // namespace

TEST_CASE("a screen's parts are found, and only what is in use") {
  const PciTree tree;
  add_screen(tree);
  tree.write("/sys/class/vtconsole/vtcon0/name", "(S) dummy device\n");
  tree.write("/sys/class/vtconsole/vtcon0/bind", "1\n");
  tree.write("/sys/class/vtconsole/vtcon2/name", "(M) frame buffer device\n");
  tree.write("/sys/class/vtconsole/vtcon2/bind", "0\n");
  tree.link("/etc/systemd/system/display-manager.service", "/lib/systemd/system/gdm.service");
  tree.write("/sys/fs/cgroup/system.slice/gdm.service/cgroup.events", "populated 1\nfrozen 0\n");
  const auto stack = hv::vfio::read_display_stack(tree.root(), {.modules = {"none_such"}});
  const std::vector<Release> expected = {
      of(Release::Part::display_manager, "gdm.service"), of(Release::Part::console, "vtcon1"),
      of(Release::Part::framebuffer, "efi-framebuffer.0", "efi-framebuffer")};
  CHECK(hv::vfio::hand_over(stack, {"none_such"}) == expected);

  tree.write("/sys/fs/cgroup/system.slice/gdm.service/cgroup.events", "populated 0\nfrozen 0\n");
  CHECK_EQ(hv::vfio::read_display_stack(tree.root(), {}).display_manager, "");
}

TEST_CASE("a module stays that the host needs") {
  const hv::vfio::PciAddress card{.bus = 1};
  const hv::vfio::PciAddress other{.bus = 2};
  const hv::vfio::DisplayStack stack{
      .modules = {{.name = "top", .loaded = true},
                  {.name = "low", .loaded = true, .users = {"top"}, .functions = {card, other}},
                  {.name = "fixed", .built_in = true},
                  {.name = "absent"}}};
  struct Row {
    Modules modules;
    std::vector<hv::vfio::PciAddress> given;
    const char* refused;  // nullptr: nothing.
  };
  const Row rows[] = {
      {{"top", "low"}, {card, other}, nullptr},
      {{"absent"}, {}, nullptr},
      {{"low"}, {card, other}, "the module 'low' cannot be unloaded: the module 'top' uses it"},
      {{"top", "low"},
       {card},
       "the module 'low' cannot be unloaded: the host's 0000:02:00.0 needs it"},
      {{"fixed"}, {}, "the module 'fixed' cannot be unloaded: it is built into this kernel"}};
  for (const auto& [modules, given, refused] : rows) {
    const auto errors = hv::vfio::judge_modules(stack, modules, given);
    REQUIRE_EQ(errors.size(), refused == nullptr ? 0 : 1);
    if (refused == nullptr) continue;
    CHECK_EQ(errors.front().message, refused);
    CHECK_EQ(errors.front().id, "module-stays");
    CHECK_FALSE(errors.front().hint.empty());
  }
}

TEST_CASE("consoles and framebuffers leave the screen and come back") {
  const PciTree tree;
  add_screen(tree);
  const auto root = tree.root();  // The journal refers to it.
  const FakeKernel kernel(
      tree, {{std::string(framebuffers) + "/unbind",
              [](const PciTree& host) { std::filesystem::remove(host.path(framebuffer)); }},
             {std::string(framebuffers) + "/bind",
              [](const PciTree& host) { host.write(framebuffer, ""); }}});
  const auto stack = hv::vfio::read_display_stack(root, {});
  {
    auto journal = Journal::open(root, "/journal", hv::run::undo);
    REQUIRE(journal);
    for (const auto& step : hv::vfio::hand_over(stack, {})) {
      const auto done = hv::run::release(root, step, *journal);
      REQUIRE_MESSAGE(done, done.error().message);
    }
    CHECK_EQ(tree.read(console), "0");
    CHECK_FALSE(std::filesystem::exists(tree.path(framebuffer)));
    // Once more changes nothing, and needs no other undo.
    const auto entries = journal->text()->entries.size();
    for (const auto& step : hv::vfio::hand_over(stack, {}))
      CHECK(hv::run::release(root, step, *journal));
    CHECK_EQ(journal->text()->entries.size(), entries);
    for (const auto& error : journal->rollback()) FAIL_CHECK(error.message);
  }
  CHECK_EQ(tree.read(console), "1");
  CHECK(std::filesystem::exists(tree.path(framebuffer)));
  // The undo of what never came, or was undone before.
  for (const auto& entry :
       {hv::Undo{.kind = hv::Undo::Kind::bind_framebuffer,
       .path = framebuffers,
       .value = "efi-framebuffer.0"},
        hv::Undo{.kind = hv::Undo::Kind::bind_framebuffer, .path = framebuffers, .value = "gone.0"},
        hv::Undo{.kind = hv::Undo::Kind::write_value,
        .path = "/sys/class/vtconsole/vtcon9/bind",
        .value = "1"}})
    CHECK(hv::run::undo(root, entry));
}

TEST_CASE("a kernel that keeps the console on the screen is told of") {
  const PciTree tree;
  add_screen(tree);
  const auto root = tree.root();  // The journal refers to it.
  const FakeKernel kernel(tree, {{std::string(framebuffers) + "/unbind", [](const PciTree&) {}}});
  auto journal = Journal::open(root, "/journal", hv::run::undo);
  REQUIRE(journal);
  const auto done = hv::run::release(
      root, of(Release::Part::framebuffer, "efi-framebuffer.0", "efi-framebuffer"), *journal);
  REQUIRE_FALSE(done);
  CHECK_EQ(done.error().id, "not-obeyed");
}
