// SPDX-License-Identifier: MIT
#include "launcher/base/text.h"
#include "launcher/host/doctor_checks.h"

#include <algorithm>

namespace hv::host::checks {
namespace {

struct Architecture {
  std::string_view name;
  Package qemu;
  Package firmware;
};

constexpr Architecture architectures[] = {
    {"x86_64", {"qemu-system-x86", "qemu"}, {"ovmf", "qemu"}},
    {"aarch64", {"qemu-system-arm", "qemu"}, {"qemu-efi-aarch64", "qemu"}},
    {"riscv64", {"qemu-system-misc", "qemu"}, {"qemu-efi-riscv64", "qemu"}},
    {"loongarch64", {"qemu-system-misc", "qemu"}, {"qemu-efi-loongarch64", "qemu"}},
};

const Architecture* find_architecture(std::string_view name) {
  const auto* const found = std::ranges::find(architectures, name, &Architecture::name);
  return found == std::end(architectures) ? nullptr : found;
}

Finding program(const DoctorFacts& facts, std::string_view name, const Package& package,
                std::string_view purpose) {
  const auto found = facts.programs.find(name);
  if (found != facts.programs.end() && !found->second.empty()) return {.found = found->second};
  return {Status::fail, fmt::format("{} is not installed: {}", name, purpose),
          install(facts.distribution, package)};
}

std::string install_qemu(const DoctorFacts& facts, const QemuFact& qemu) {
  const auto* const known = find_architecture(qemu.architecture);
  if (qemu.installed || known == nullptr) return qemu.cure;
  return install(facts.distribution, known->qemu);
}

}  // namespace

Finding qemu(const DoctorFacts& facts) {
  const auto* const native = facts.find_qemu(facts.host.architecture);
  if (native == nullptr)
    return {Status::fail, fmt::format("hvlaunch has no guests for {}", facts.host.architecture),
            "run it on another host"};
  if (!native->problem.empty())
    return {Status::fail, native->problem, install_qemu(facts, *native)};
  return {.found = fmt::format("{} {}", native->path, native->version)};
}

Finding other_qemus(const DoctorFacts& facts) {
  std::vector<std::string> there;
  std::vector<std::string> absent;
  for (const auto& qemu : facts.qemus) {
    if (qemu.architecture == facts.host.architecture) continue;
    if (qemu.installed && !qemu.problem.empty())
      return {Status::warn, qemu.problem, install_qemu(facts, qemu)};
    auto& list = qemu.installed ? there : absent;
    list.push_back(qemu.installed
                       ? fmt::format("{} {}", qemu.architecture, split(qemu.version, ' ').front())
                       : qemu.architecture);
  }
  if (there.empty()) return {.found = "none; not installed: " + join(absent, ", ")};
  return {.found =
              join(there, ", ") + (absent.empty() ? "" : "; not installed: " + join(absent, ", "))};
}

Finding firmware(const DoctorFacts& facts) {
  const auto* const native = facts.find_qemu(facts.host.architecture);
  if (native == nullptr || !native->problem.empty())
    return {Status::unknown, "without QEMU it cannot be chosen"};
  const auto* const known = find_architecture(native->architecture);
  if (native->firmware.empty() && known != nullptr)
    return {Status::fail, native->no_firmware, install(facts.distribution, known->firmware)};
  const bool secure_boot_usual = native->architecture == "x86_64";
  if (secure_boot_usual && native->secure_boot.empty() && known != nullptr)
    return {Status::warn, fmt::format("{}, but none with Secure Boot", native->firmware),
            install(facts.distribution, known->firmware)};
  return {.found = fmt::format("{}{}", native->firmware,
                               native->secure_boot.empty() ? "" : "; also with Secure Boot")};
}

Finding other_firmware(const DoctorFacts& facts) {
  std::vector<std::string> there;
  std::vector<std::string> absent;
  for (const auto& qemu : facts.qemus)
    if (qemu.architecture != facts.host.architecture && qemu.problem.empty())
      (qemu.firmware.empty() ? absent : there).push_back(qemu.architecture);
  if (there.empty() && absent.empty()) return {.found = "no other QEMU needs any"};
  auto text = there.empty() ? "none" : join(there, ", ");
  if (!absent.empty())
    text += fmt::format("; not for {}, whose guests boot a kernel directly", join(absent, ", "));
  return {.found = std::move(text)};
}

Finding qemu_img(const DoctorFacts& facts) {
  return program(facts, "qemu-img", {"qemu-utils", "qemu"}, "it makes disk images");
}

Finding xorriso(const DoctorFacts& facts) {
  return program(facts, "xorriso", {"xorriso", "libisoburn"}, "it makes cloud-init seeds");
}

Finding swtpm(const DoctorFacts& facts) {
  return program(facts, "swtpm", {"swtpm", "swtpm"}, "it is the TPM of guests that have one");
}

Finding modprobe(const DoctorFacts& facts) {
  return program(facts, "modprobe", {"kmod", "kmod"}, "it loads VFIO's modules");
}

}  // namespace hv::host::checks
