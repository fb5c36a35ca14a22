// SPDX-License-Identifier: MIT
//
// What a processor says of a confidential guest at its start, computed without
// one: the owner compares it with an attestation report.
#pragma once

#include "launcher/measure/digest.h"
#include "launcher/measure/image.h"
#include "launcher/measure/vmsa.h"

#include <optional>

namespace hv::measure {

/// Of a kernel that is started directly. QEMU gives them to the firmware, which
/// compares them with what it is given to start.
struct KernelHashes {
  Sha256 kernel;
  Sha256 initrd;        ///< Without one, of nothing.
  Sha256 command_line;  ///< With the NUL at its end.
};

struct Vcpus {
  std::uint64_t count = 1;
  VcpuState state{};  ///< Of the first; the others differ in where they begin.
};

/// What starts.
struct Launch {
  const Image& image;
  std::optional<KernelHashes> kernel{};  ///< If they are measured.
  Vcpus vcpus{};                         ///< Of SEV-ES and SEV-SNP.
  /// Of SEV-SNP: the digest after the image's pages, if it is known already.
  std::optional<Sha384> image_digest{};
};

/// The launch digest of a SEV guest: GCTX.LD of "Secure Encrypted
/// Virtualization API" (AMD 55766).
[[nodiscard]] Result<Sha256> sev_digest(const Launch& launch);
[[nodiscard]] Result<Sha256> sev_es_digest(const Launch& launch);

/// MEASUREMENT of a SEV-SNP guest's report: "SEV Secure Nested Paging
/// Firmware ABI Specification" (AMD 56860), 8.17.
[[nodiscard]] Result<Sha384> snp_digest(const Launch& launch);

/// MRTD of a TDX guest's report: "Intel TDX Module Base Architecture
/// Specification", TDH.MEM.PAGE.ADD and TDH.MR.EXTEND.
[[nodiscard]] Result<Sha384> tdx_digest(const Image& image);

/// The table that QEMU makes of the hashes, as it lies in the guest's memory.
[[nodiscard]] std::string hashes_table(const KernelHashes& hashes);

}  // namespace hv::measure
