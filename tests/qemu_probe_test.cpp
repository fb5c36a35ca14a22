// SPDX-License-Identifier: MIT
//
// Asks every QEMU that is installed. HVLAUNCH_REQUIRE=1, as in CI, makes a
// missing one a failure.
#include "launcher/qemu/capabilities.h"
#include "launcher/qemu/firmware.h"

#include "tests/temp_tree.h"

#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>

namespace {

struct Target {
  const char* name;
  const char* machine;  // By alias.
  const char* console;  // A type that every guest of ours needs.
  const char* cpu;
};

constexpr Target targets[] = {
    {"x86_64", "q35", "isa-serial", "qemu64"},
    {"aarch64", "virt", "pl011", "cortex-a57"},
    {"riscv64", "virt", "serial-mm", "rv64"},
    {"loongarch64", "virt", "serial-mm", "la464"},
};

std::string variable(const char* name) {
  const char* const value = std::getenv(name);
  return value != nullptr ? value : "";
}

hv::Result<std::string> find_qemu(std::string_view target) {
  return hv::qemu::find_binary(fmt::format("qemu-system-{}", target), variable("PATH"));
}

}  // namespace

int main(int argc, char** argv) {
  constexpr int skipped = 77;  // As ctest understands it.
  const auto is_there = [](const Target& target) { return find_qemu(target.name).has_value(); };
  if (variable("HVLAUNCH_REQUIRE") != "1" && std::ranges::none_of(targets, is_there))
    return skipped;
  return doctest::Context(argc, argv).run();
}

TEST_CASE("a real QEMU can be asked, and answers from the cache as from itself") {
  for (const auto& [name, machine, console, cpu] : targets) {
    CAPTURE(name);
    const auto binary = find_qemu(name);
    if (!binary) {
      MESSAGE("skipped: " << hv::describe(binary.error()));
      CHECK_NE(variable("HVLAUNCH_REQUIRE"), "1");
      continue;
    }
    const TempTree tree;
    const auto found = hv::qemu::capabilities_of(tree.root(), *binary, "/cache");
    REQUIRE_MESSAGE(found.has_value(), hv::describe(found.error()));
    CHECK_EQ(found->target, name);
    CHECK(found->has_command("query-cpus-fast"));
    CHECK(found->has_type(console));
    CHECK(found->has_cpu_model(cpu));
    CHECK(found->has_option("sandbox.spawn"));
    CHECK(found->has_property("virtio-blk-pci", "drive"));
    CHECK_FALSE(found->has_property("virtio-blk-pci", "no-such-property"));
    const auto* const type = found->find_machine(machine);
    REQUIRE(type != nullptr);
    CHECK_GE(type->max_cpus, 4);
    CHECK(found->has_property(type->name + "-machine", "memory-backend"));

    const auto cached = hv::qemu::capabilities_of(tree.root(), *binary, "/cache");
    REQUIRE(cached.has_value());
    CHECK_EQ(to_json(*cached), to_json(*found));
  }
}

TEST_CASE("the firmware that is installed is found for the newest machine") {
  const auto root = hv::Root::open("/");
  REQUIRE(root.has_value());
  const auto binary = find_qemu("x86_64");
  if (!binary || !root->exists("/usr/share/OVMF/OVMF_CODE_4M.fd")) {
    MESSAGE("skipped: qemu-system-x86 and ovmf are not installed");
    CHECK_NE(variable("HVLAUNCH_REQUIRE"), "1");
    return;
  }
  const auto found = hv::qemu::probe(*binary);
  REQUIRE(found.has_value());
  const auto set = hv::qemu::read_firmware(*root, hv::qemu::firmware_directories(*binary, "", ""));
  const auto chosen = hv::qemu::choose_firmware(
      set, {.architecture = "x86_64", .machine = found->find_machine("q35")->name});
  REQUIRE_MESSAGE(chosen.has_value(), hv::describe(chosen.error()));
  CHECK(root->exists(chosen->code));
  CHECK(root->exists(chosen->vars_template));
}
