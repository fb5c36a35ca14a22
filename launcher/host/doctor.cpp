// SPDX-License-Identifier: MIT
//
// The table of checks: to add one, add a row here and its function to
// doctor_checks.h.
#include "launcher/host/doctor.h"

#include "launcher/host/doctor_checks.h"

#include <array>

namespace hv::host {
namespace {

constexpr std::string_view processor = "Processor and KVM";
constexpr std::string_view devices = "Devices for guests";
constexpr std::string_view memory = "Memory";
constexpr std::string_view network = "Network";
constexpr std::string_view programs = "Programs and firmware";
constexpr std::string_view host_system = "System";

constexpr std::array table = {
    Check{"cpu", processor, "virtualization", Need::kvm, checks::cpu},
    Check{"kvm-module", processor, "KVM's module", Need::kvm, checks::kvm_module},
    Check{"kvm", processor, "/dev/kvm", Need::kvm, checks::kvm},
    Check{"nested", processor, "nested guests", Need::nested, checks::nested},

    Check{"iommu", devices, "IOMMU", Need::devices, checks::iommu},
    Check{"interrupt-remapping", devices, "interrupt remapping", Need::devices,
          checks::interrupt_remapping},
    Check{"groups", devices, "IOMMU groups", Need::devices, checks::groups},
    Check{"acs", devices, "isolation (ACS)", Need::devices, checks::acs},
    Check{"quarantine", devices, "out of order", Need::devices, checks::quarantine},
    Check{"vfio-module", devices, "VFIO's module", Need::devices, checks::vfio_module},
    Check{"vfio-access", devices, "/dev/vfio", Need::devices, checks::vfio_access},

    Check{"hugepages", memory, "huge pages", Need::hugepages, checks::huge_pages},
    Check{"hugepages-1g", memory, "1 GiB pages", Need::hugepages, checks::gigantic_pages},
    Check{"memlock", memory, "locked memory", Need::devices, checks::memlock},

    Check{"tun", network, "/dev/net/tun", Need::bridge, checks::tun},
    Check{"bridges", network, "bridges", Need::bridge, checks::bridges},
    Check{"vhost-net", network, "/dev/vhost-net", Need::vhost, checks::vhost_net},

    Check{"qemu", programs, "QEMU", Need::native, checks::qemu},
    Check{"qemu-others", programs, "other architectures", Need::emulation, checks::other_qemus},
    Check{"firmware", programs, "UEFI firmware", Need::uefi, checks::firmware},
    Check{"firmware-others", programs, "other firmware", Need::emulation, checks::other_firmware},
    Check{"qemu-img", programs, "qemu-img", Need::disk, checks::qemu_img},
    Check{"xorriso", programs, "xorriso", Need::seed, checks::xorriso},
    Check{"swtpm", programs, "swtpm", Need::tpm, checks::swtpm},
    Check{"modprobe", programs, "modprobe", Need::devices, checks::modprobe},

    Check{"user", host_system, "you", Need::guest, checks::groups_of_user},
    Check{"directories", host_system, "directories", Need::guest, checks::directories},
    Check{"command-line", host_system, "kernel", Need::guest, checks::command_line},
    Check{"kernel-log", host_system, "kernel's log", Need::guest, checks::kernel_log},
};

}  // namespace

std::string_view to_string(Status status) {
  switch (status) {
    case Status::ok: return "ok";
    case Status::unknown: return "unknown";
    case Status::warn: return "warn";
    case Status::fail: return "fail";
  }
  std::unreachable();
}

Strengths host_needs() {
  Strengths needs;
  for (const auto& check : table) needs[check.need] = Strength::may;
  for (const auto need : {Need::guest, Need::native, Need::kvm}) needs[need] = Strength::must;
  return needs;
}

std::span<const Check> all_checks() {
  return table;
}

std::vector<Checked> examine(const DoctorFacts& facts, const Strengths& needs) {
  std::vector<Checked> all;
  for (const auto& check : table) {
    const auto need = needs.find(check.need);
    if (need == needs.end()) continue;
    auto finding = check.judge(facts);
    if (finding.status == Status::fail && need->second == Strength::may)
      finding.status = Status::warn;
    all.push_back({&check, std::move(finding)});
  }
  return all;
}

std::string size_text(std::uint64_t kib) {
  constexpr std::uint64_t mib = 1024;
  constexpr std::uint64_t gib = mib * 1024;
  if (kib >= gib && kib % gib == 0) return fmt::format("{} GiB", kib / gib);
  if (kib >= 10 * gib)
    return fmt::format("{:.1f} GiB", static_cast<double>(kib) / static_cast<double>(gib));
  if (kib >= mib) return fmt::format("{} MiB", kib / mib);
  return fmt::format("{} KiB", kib);
}

}  // namespace hv::host
