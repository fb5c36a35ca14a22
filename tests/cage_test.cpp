// SPDX-License-Identifier: MIT
//
// What a plan lets QEMU reach; that it reaches nothing else is shown with a
// real process by tests/integration/test_cage.py.
#include "launcher/plan/cage.h"

#include "launcher/plan/machine.h"
#include "launcher/run/cage.h"
#include "launcher/run/system_calls.h"
#include "tests/temp_tree.h"

#include <doctest/doctest.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>

using hv::plan::Access;
using hv::plan::Cage;
using hv::plan::Machine;

namespace {

Machine machine_with(const std::string& accelerator) {
  Machine machine;
  machine.profile.name.value = "web";
  machine.profile.network.mode.value = hv::profiles::NetworkMode::none;
  machine.accelerator.value = accelerator;
  machine.display.value = hv::profiles::DisplayKind::none;
  machine.paths.runtime = "/run/hvlaunch";
  return machine;
}

std::vector<std::string> granted(const Cage& cage) {
  std::vector<std::string> all;
  for (const auto& grant : cage.grants) all.push_back(describe(grant));
  return all;
}

}  // namespace

TEST_CASE("a cage holds what the machine needs, and nothing else") {
  auto machine = machine_with("kvm");
  CHECK_EQ(granted(cage_of(machine)), std::vector<std::string>{"use /dev/kvm"});
  CHECK_FALSE(cage_of(machine).makes_code);
  CHECK_FALSE(cage_of(machine).connects);

  machine = machine_with("tcg");
  machine.kernel = "/boot/vmlinuz";
  machine.disk = "/srv/web.qcow2";
  machine.disk_base = "/srv/debian.qcow2";
  machine.iso = "/srv/cd.iso";
  machine.flash.emplace();
  machine.flash->value.code = "/fw/code.fd";
  machine.flash->value.vars = "/srv/vars.fd";
  CHECK_EQ(granted(cage_of(machine)),
           std::vector<std::string>{"read /boot/vmlinuz"});  // Images come as descriptors.
  CHECK(cage_of(machine).makes_code);
}

TEST_CASE("the system's guests have users of their own, and keep them") {
  auto machine = machine_with("tcg");
  CHECK_EQ(cage_of(machine).user, 0);
  machine.paths.system = true;
  const auto user = cage_of(machine).user;
  CHECK_EQ(user, hv::plan::user_of("web"));
  CHECK_GE(user, 0x70000000);
  CHECK_LE(user, 0x7fffffff);
  CHECK_NE(user, hv::plan::user_of("web2"));
  machine.profile.confinement.value = hv::profiles::Confinement::off;
  CHECK_EQ(cage_of(machine).user, 0);
}

TEST_CASE("devices of the host are granted one by one") {
  auto machine = machine_with("kvm");
  auto& passed = machine.passed.emplace_back();
  passed.address = hv::vfio::parse_pci_address("0000:65:00.0").value();
  passed.rom = "/srv/gpu.rom";
  auto all = granted(cage_of(machine));
  CHECK_EQ(all, std::vector<std::string>{"use /dev/kvm", "use /dev/vfio/vfio",
                                         "use the VFIO device of /sys/bus/pci/devices/0000:65:00.0",
                                         "read /srv/gpu.rom"});
  machine.iommufd = true;
  all = granted(cage_of(machine));
  CHECK_EQ(std::ranges::count(all, "use /dev/iommu"), 1);
}

TEST_CASE("sockets of its own are for networks and displays") {
  auto machine = machine_with("tcg");
  machine.profile.network.mode.value = hv::profiles::NetworkMode::user;
  CHECK(cage_of(machine).internet);
  CHECK_FALSE(cage_of(machine).unix_sockets);

  machine = machine_with("tcg");
  machine.display.value = hv::profiles::DisplayKind::vnc;
  CHECK_EQ(granted(cage_of(machine)),
           std::vector<std::string>{"make sockets in /run/hvlaunch/web/display"});
  CHECK_FALSE(cage_of(machine).connects);
}

TEST_CASE("what extra arguments name is granted, for nobody reads them") {
  auto machine = machine_with("tcg");
  hv::profiles::ExtraArguments extra;
  extra.reason.value = "a second disk";
  extra.arguments.resize(2);
  extra.arguments[0].value = "-drive";
  extra.arguments[1].value = "if=virtio,file=/srv/more.img,format=raw";
  machine.profile.extra_arguments.push_back(extra);
  CHECK_EQ(granted(cage_of(machine)), std::vector<std::string>{"use /srv/more.img"});
}

TEST_CASE("few system calls reach the kernel") {
  Cage cage;
  CHECK_LE(hv::run::count_system_calls(cage), 100);
  cage.makes_code = cage.internet = cage.connects = true;
  CHECK_LE(hv::run::count_system_calls(cage), 115);
}

TEST_CASE("memory that is written and executed is for TCG alone") {
  const auto may = [](const Cage& cage) {
    const auto child = ::fork();
    if (child == 0) {
      ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
      if (!hv::run::limit_system_calls(cage)) ::_exit(2);
      constexpr int written_and_executed = PROT_READ | PROT_WRITE | PROT_EXEC;
      auto* const page =
          ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
      const bool mapped = ::mmap(nullptr, 4096, written_and_executed, MAP_PRIVATE | MAP_ANONYMOUS,
                                 -1, 0) != MAP_FAILED;
      const bool changed = ::mprotect(page, 4096, PROT_READ | PROT_EXEC) == 0;
      ::_exit(page == MAP_FAILED ? 3 : mapped && changed ? 1 : mapped || changed ? 4 : 0);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    return WEXITSTATUS(status);
  };
  CHECK_EQ(may({}), 0);
  CHECK_EQ(may({.makes_code = true}), 1);
}

TEST_CASE("a cage of what is not there can be made") {
  const TempTree tree;
  const auto root = tree.root();
  const Cage cage{.grants = {{.path = "/nowhere", .access = Access::write}}};
  CHECK(hv::run::ReadyCage::make(root, cage, "/no/qemu").has_value());
}
