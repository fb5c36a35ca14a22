// SPDX-License-Identifier: MIT
//
// What this host's CPU, kernel and KVM can give guests beyond running them. Read
// only for guests that ask for such features, and by `caps --export`.
#pragma once

#include "launcher/base/error.h"
#include "launcher/base/root.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hv::host {

/// A module's parameter, as the kernel shows it in /sys/module.
struct ModuleParameter {
  std::string module;  ///< "kvm_amd".
  std::string name;
  std::optional<std::string> value;  ///< nullopt: there, but it cannot be read.
};

/// Types of guests, by their bits in KVM_CAP_VM_TYPES (Documentation/virt/kvm/api.rst).
enum class VmType : std::uint8_t { ordinary, sw_protected, sev, sev_es, snp, tdx };

/// AMD's memory encryption, as CPUID leaf 8000001F has it.
struct Encryption {
  std::uint32_t features = 0;  ///< EAX: bit 1 SEV, 3 SEV-ES, 4 SEV-SNP.
  std::uint32_t cbitpos = 0;
  std::uint32_t reduced_phys_bits = 0;
  std::uint32_t guests = 0;        ///< Encrypted ones that can run at once.
  std::uint32_t min_sev_asid = 0;  ///< Below it, ASIDs are for SEV-ES and SEV-SNP.
};

struct CpuFacts {
  std::string kernel;        ///< Its release.
  std::string vendor;        ///< "AuthenticAMD"; empty where the kernel names none.
  std::string model;         ///< In words, for people.
  std::uint32_t family = 0;  ///< This and the next two: x86's numbers for it.
  std::uint32_t model_number = 0;
  std::uint32_t stepping = 0;
  std::vector<std::string> flags;  ///< As /proc/cpuinfo has them, sorted: the kernel's names.
  std::vector<ModuleParameter> parameters;  ///< Of kvm and the modules beside it.
  std::uint64_t vm_types = 0;               ///< Bit n: VmType n.
  std::uint64_t sev_features = 0;           ///< That KVM lets SNP guests have (VMSA_FEATURES).
  bool guest_memfd = false;
  bool private_memory = false;  ///< Memory attributes, for ordinary VM types.
  Encryption encryption;
  bool sev_device = false;  ///< /dev/sev, the way to AMD's security processor.

  [[nodiscard]] bool has_flag(std::string_view flag) const;
  [[nodiscard]] bool can_make(VmType type) const;
  /// nullptr: the module is not loaded, or has no such parameter.
  [[nodiscard]] const ModuleParameter* find(std::string_view module, std::string_view name) const;
  /// Whether a switch is on: "Y" or "1"; a number other than 0.
  [[nodiscard]] bool is_on(std::string_view module, std::string_view name) const;
};

/// From /proc, /sys, /dev/kvm and the CPU itself. What is not there stays at its default.
[[nodiscard]] CpuFacts read_cpu_facts(const Root& root);

}  // namespace hv::host
