// SPDX-License-Identifier: MIT
#include "launcher/commands/doctor.h"
#include "launcher/commands/load.h"
#include "launcher/qemu/firmware.h"
#include "launcher/run/program.h"

#include <array>

namespace hv::commands {
namespace {

constexpr std::array<std::string_view, 4> architectures = {"x86_64", "aarch64", "riscv64",
                                                           "loongarch64"};

/// What hvlaunch runs besides QEMU: launcher/run.
constexpr std::array<std::string_view, 4> programs = {"qemu-img", "xorriso", "swtpm", "modprobe"};

void add_firmware(const Context& context, const qemu::Capabilities& capabilities,
                  host::QemuFact& fact) {
  const auto* const machine =
      capabilities.find_machine(fact.architecture == "x86_64" ? "q35" : "virt");
  if (machine == nullptr) return;
  const auto set = qemu::read_firmware(
      context.root,
      qemu::firmware_directories(capabilities.binary, context.variable("XDG_DATA_DIRS"),
                                 context.paths.firmware_config));
  qemu::FirmwareWish wish{.architecture = fact.architecture, .machine = machine->name};
  if (const auto chosen = choose_firmware(set, wish))
    fact.firmware = chosen->file;
  else
    fact.no_firmware = chosen.error().message;
  wish.secure_boot = true;
  if (const auto chosen = choose_firmware(set, wish)) fact.secure_boot = chosen->file;
}

host::QemuFact qemu_fact(const Context& context, std::string_view architecture) {
  host::QemuFact fact{.architecture = std::string(architecture)};
  const auto capabilities = load_capabilities(context, fmt::format("qemu-system-{}", architecture));
  if (!capabilities) {
    fact.installed = capabilities.error().id != "qemu-missing";
    fact.problem = capabilities.error().message;
    fact.cure = capabilities.error().hint;
    return fact;
  }
  fact.installed = true;
  fact.path = capabilities->binary;
  fact.version = capabilities->version;
  fact.kvm = capabilities->kvm;
  add_firmware(context, *capabilities, fact);
  return fact;
}

}  // namespace

host::DoctorFacts load_facts_for_guest(const Context& context) {
  auto facts = host::read_doctor_facts(context.root, context.paths);
  for (const auto name : programs)
    facts.programs[std::string(name)] = run::find_program(name).value_or("");
  return facts;
}

host::DoctorFacts load_doctor_facts(const Context& context) {
  auto facts = load_facts_for_guest(context);
  for (const auto architecture : architectures)
    facts.qemus.push_back(qemu_fact(context, architecture));
  return facts;
}

}  // namespace hv::commands
