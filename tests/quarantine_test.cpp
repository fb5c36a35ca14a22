// SPDX-License-Identifier: MIT
#include "vfio/quarantine.h"

#include "launcher/run/quarantine.h"
#include "tests/fake_pci.h"
#include "tests/vfio_hosts.h"
#include "vfio/bind.h"
#include "vfio/groups.h"

#include <doctest/doctest.h>
#include <sys/stat.h>

#include <chrono>

using namespace hv::vfio;
using hv::run::or_quarantine;

namespace {

constexpr PciAddress address{.bus = 1};
constexpr auto* boot_file = "/proc/sys/kernel/random/boot_id";
const hv::Paths paths{.profiles = {},
                      .config = {},
                      .state = {},
                      .runtime = "/run/hvlaunch",
                      .cache = {},
                      .firmware_config = {}};

/// An attribute that nobody reads: a write that does not fit waits for ever.
class FullPipe {
 public:
  explicit FullPipe(const std::string& path) {
    std::filesystem::remove(path);
    REQUIRE_EQ(::mkfifo(path.c_str(), 0600), 0);
    fd_ = hv::UniqueFd(::open(path.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC));
    REQUIRE(fd_);
    const std::string page(4096, 'x');
    while (::write(fd_.get(), page.data(), page.size()) > 0) continue;
  }

 private:
  hv::UniqueFd fd_;
};

std::vector<Quarantined> now_in(const TempTree& tree) {
  return quarantined(tree.root(), paths.runtime);
}

}  // namespace

TEST_CASE("a function whose driver hangs is kept from guests until the next boot") {
  const PciTree tree;
  tree.write(boot_file, "one\n");
  const auto root = tree.root();
  const FullPipe hangs(tree.path(PciTree::driver_file("e1000e", "unbind")));
  const auto bound =
      or_quarantine(root, paths, address,
                    hv::vfio::bind(root, address, "vfio-pci", std::chrono::milliseconds(30)));
  REQUIRE_FALSE(bound.has_value());
  CHECK_EQ(bound.error().id, "driver-hangs");
  CHECK(bound.error().hint.contains("hvlaunch vfio clear 0000:01:00.0"));
  const auto all = now_in(tree);
  REQUIRE_EQ(all.size(), 1);
  CHECK_EQ(all.front().address, address);
  CHECK_EQ(all.front().cause, "driver-hangs");
  CHECK(all.front().message.starts_with("the driver 'e1000e' of 0000:01:00.0 hangs"));
  CHECK_GT(all.front().since, 0);

  // Under the lock that the driver has: reading it would hang as well.
  const FullPipe locked(tree.path(PciTree::device("/driver_override")));
  const auto devices = read_devices(root, {{.address = address}}, all).value();
  const auto verdict = judge(devices, {.wanted = {address}}).front();
  REQUIRE_FALSE(verdict.errors.empty());
  CHECK_EQ(verdict.errors.front().id, "quarantined");
  CHECK(verdict.errors.front().message.contains("is out of order: the driver 'e1000e'"));
  CHECK(verdict.errors.front().hint.contains("start the host again"));

  tree.write(boot_file, "two\n");
  CHECK(now_in(tree).empty());
}

TEST_CASE("a function that gave way to a cause of another kind is in no quarantine") {
  const PciTree tree;
  tree.write(boot_file, "one\n");
  const auto root = tree.root();
  const hv::Error refused{.fault = hv::Fault::failed, .id = "not-obeyed", .message = "no"};
  CHECK_FALSE(or_quarantine(root, paths, address, std::unexpected(refused)).has_value());
  // Who has a vfio driver's device open is ended, and the driver goes on.
  tree.set_driver("vfio-pci");
  const hv::Error hangs{.fault = hv::Fault::timed_out, .id = "driver-hangs", .message = "no"};
  CHECK_FALSE(or_quarantine(root, paths, address, std::unexpected(hangs)).has_value());
  CHECK(or_quarantine(root, paths, address, {}).has_value());
  CHECK(now_in(tree).empty());
}

TEST_CASE("a function that reads as all ones is lost; a virtual function's ids alone are not") {
  struct Row {
    const char* what;
    std::string config;
    bool answers;
  };
  const std::string ones(64, '\xff');
  const Row rows[] = {
      {"no such file", "", true},
      {"cut short", ones.substr(1), true},
      {"a virtual function", std::string(4, '\xff') + std::string(60, '\0'), true},
      {"all ones", ones, false},
      {"all of a root's view", ones + std::string(192, '\xff'), false},
  };
  for (const auto& [what, config, answers] : rows) {
    CAPTURE(what);
    const PciTree tree;
    if (!config.empty()) tree.write(PciTree::device("/config"), config);
    const auto found = require_answers(tree.root(), address);
    CHECK_EQ(found.has_value(), answers);
    if (!answers) CHECK_EQ(found.error().id, "device-lost");
  }
}

TEST_CASE("a function that comes back from a guest without an answer is put in quarantine") {
  const PciTree tree;
  tree.write(boot_file, "one\n");
  tree.write(PciTree::device("/config"), std::string(64, '\xff'));
  const auto root = tree.root();
  const auto before = to_string(read_binding(root, address).value());
  const auto give_back = hv::run::undo_for(paths);
  CHECK(give_back(
            root,
            {.kind = hv::Undo::Kind::return_function, .path = to_string(address), .value = before})
            .has_value());
  REQUIRE_EQ(now_in(tree).size(), 1);
  CHECK_EQ(now_in(tree).front().cause, "device-lost");
}

TEST_CASE("the first cause stays, and who is let out may go to guests again") {
  const TempTree tree;
  tree.write(boot_file, "one\n");
  const auto root = tree.root();
  const auto& runtime = paths.runtime;
  const Quarantined first{address, "driver-hangs", "it\nhangs", 7};
  REQUIRE(quarantine(root, runtime, first).has_value());
  REQUIRE(quarantine(root, runtime, {address, "device-lost", "later", 8}).has_value());
  REQUIRE_EQ(now_in(tree).size(), 1);
  CHECK_EQ(now_in(tree).front().cause, "driver-hangs");
  CHECK_EQ(now_in(tree).front().since, 7);
  CHECK_FALSE(now_in(tree).front().message.contains('\n'));

  CHECK_EQ(release_quarantined(root, runtime, {.bus = 2}).error().id, "not-in-quarantine");
  REQUIRE(release_quarantined(root, runtime, address).has_value());
  CHECK(now_in(tree).empty());
  CHECK_FALSE(root.exists(quarantine_directory(runtime)));
}

TEST_CASE("files that nobody of ours has written put nothing in quarantine") {
  const TempTree tree;
  tree.write(boot_file, "one\n");
  const auto put = [&](const char* name, std::string_view text) {
    tree.write(std::string("/run/hvlaunch/.quarantine/") + name, text);
  };
  put("0000:01:00.0", "one\nx\ndriver-hangs\nwhy\n");
  put("0000:01:00.1", "one\n7\n");
  put("0000:01:00.2", "");
  put("note", "one\n7\ndriver-hangs\nwhy\n");
  CHECK(now_in(tree).empty());
  put("0000:01:00.3", "one\n7\ndriver-hangs\nwhy\n");
  CHECK_EQ(now_in(tree).size(), 1);
}

TEST_CASE("a sibling that is out of order keeps its whole group from guests") {
  const TempTree tree;
  make_pci_host(tree, "desktop");
  const auto devices =
      read_all_devices(tree.root(), {{pci("00:1f.4"), "driver-crashed", "the kernel crashed", 7}})
          .value();
  const auto verdict =
      judge(devices, {.wanted = {pci("00:1f.3")}, .siblings = Siblings::bind}).front();
  REQUIRE_EQ(verdict.errors.size(), 1);
  CHECK_EQ(verdict.errors.front().id, "quarantined");
  CHECK(verdict.errors.front().message.contains("0000:00:1f.4"));
}
