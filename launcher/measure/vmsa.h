// SPDX-License-Identifier: MIT
//
// The state in which a vCPU of a SEV-ES or SEV-SNP guest begins: the page
// that the processor keeps it in (AMD64 Architecture Programmer's Manual,
// volume 2, appendix B.4), as QEMU and KVM fill it.
#pragma once

#include "launcher/base/error.h"

#include <cstdint>
#include <string>
#include <string_view>

namespace hv::measure {

/// Where the first vCPU begins: 16 bytes below 4 GiB, as on bare metal.
inline constexpr std::uint32_t reset_vector = 0xfffffff0;

/// Bits of the save area's SEV_FEATURES.
inline constexpr std::uint64_t snp_active = 1U;
inline constexpr std::uint64_t debug_swap = 1U << 5U;

struct VcpuState {
  std::uint32_t start = reset_vector;
  std::uint32_t signature = 0;  ///< CPUID leaf 1, EAX: a vCPU finds it in EDX.
  std::uint64_t features = 0;
  /// Whether the kernel puts registers of the FPU into it, too. It does for
  /// all guests but those of the first interface to SEV-ES.
  bool fpu = true;
};

/// A page.
[[nodiscard]] std::string vmsa_page(const VcpuState& state);

/// The signature of a CPU: "EPYC-Milan", 0x00a00f11. QEMU's versions of a model
/// ("EPYC-Rome-v2") have the same one.
[[nodiscard]] Result<std::uint32_t> signature_of_model(std::string_view model);

/// CPUID leaf 1, EAX, of a CPU by its family, model and stepping as /proc/cpuinfo has them.
[[nodiscard]] std::uint32_t signature_of(std::uint32_t family, std::uint32_t model,
                                         std::uint32_t stepping);

}  // namespace hv::measure
