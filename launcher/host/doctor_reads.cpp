// SPDX-License-Identifier: MIT
#include "launcher/host/doctor_reads.h"

#include "launcher/base/text.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>

namespace hv::host {
namespace {

constexpr std::array<std::string_view, 6> wanted_modules = {"kvm",      "kvm_intel", "kvm_amd",
                                                            "vfio_pci", "vhost_net", "tun"};

/// Whether depmod's list names the module's file, which may have either sign
/// ("vfio-pci.ko.xz") and stands behind a slash.
bool lists(std::string_view list, std::string name) {
  const auto has = [&] { return list.contains(fmt::format("/{}.ko", name)); };
  if (has()) return true;
  std::ranges::replace(name, '_', '-');
  return has();
}

/// Where the running kernel's modules are; empty: nowhere that is shown here.
std::string module_directory(const Root& root, const std::string& release) {
  for (const auto* const prefix :
       {"/lib/modules", "/usr/lib/modules", "/run/booted-system/kernel-modules/lib/modules"})
    if (auto path = fmt::format("{}/{}", prefix, release);
        !release.empty() && root.exists(path + "/modules.dep"))
      return path;
  return {};
}

struct Complaint {
  std::string_view about;
  std::string_view word;
};

/// What the kernel's own messages hold when virtualization is off or broken:
/// arch/x86/kvm, drivers/iommu/{intel,amd}.
constexpr std::array complaints = {
    Complaint{"kvm", "disabled by"},
    Complaint{"kvm", "no hardware support"},
    Complaint{"x86/cpu", "VMX"},
    Complaint{"DMAR", "[Firmware Bug]"},
    Complaint{"DMAR", "Failed"},
    Complaint{"DMAR", "BIOS"},
    Complaint{"AMD-Vi", "[Firmware Bug]"},
    Complaint{"AMD-Vi", "Failed"},
    Complaint{"AMD-Vi", "Disabling"},
    Complaint{"arm-smmu", "failed"},
    Complaint{"vfio", "unsafe interrupts"},
};

bool is_complaint(std::string_view line) {
  return std::ranges::any_of(complaints, [&](const Complaint& complaint) {
    return line.contains(complaint.about) && line.contains(complaint.word);
  });
}

/// A record is "6,339,5140900,-;text", then lines of its dictionary
/// (Documentation/ABI/testing/dev-kmsg).
void note(std::string_view record, std::vector<std::string>& lines) {
  const auto line = record.substr(0, record.find('\n'));
  const auto text = line.substr(line.find(';') + 1);
  constexpr std::size_t enough = 5;
  if (is_complaint(text) && lines.size() < enough) lines.emplace_back(text);
}

}  // namespace

std::map<std::string, ModuleState, std::less<>> read_modules(const Root& root,
                                                             const std::string& release) {
  std::map<std::string, ModuleState, std::less<>> modules;
  std::optional<std::string> built_in;
  std::optional<std::string> loadable;
  const auto directory = module_directory(root, release);
  for (const auto name : wanted_modules) {
    auto& state = modules[std::string(name)];
    if (root.exists(fmt::format("/sys/module/{}", name))) {
      state = ModuleState::loaded;
    } else if (!directory.empty()) {
      if (!built_in) {
        built_in = root.read(directory + "/modules.builtin").value_or("");
        loadable = root.read(directory + "/modules.dep").value_or("");
      }
      state = lists(*built_in, std::string(name))   ? ModuleState::loaded
              : lists(*loadable, std::string(name)) ? ModuleState::available
                                                    : ModuleState::absent;
    }
  }
  return modules;
}

KernelLog read_kernel_log(const Root& root) {
  KernelLog log;
  const auto file = root.open_file("/dev/kmsg", O_RDONLY | O_NONBLOCK);
  if (!file) return log;
  log.readable = true;
  // One record a read; more than any ring buffer holds is somebody's joke.
  std::array<char, 8192> buffer;
  for (int record = 0; record < 100'000; ++record) {
    const auto count = ::read(file->get(), buffer.data(), buffer.size());
    if (count < 0 && (errno == EPIPE || errno == EINTR)) continue;  // Overwritten meanwhile.
    if (count <= 0) break;
    note({buffer.data(), static_cast<std::size_t>(count)}, log.complaints);
  }
  return log;
}

}  // namespace hv::host
