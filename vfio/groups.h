// SPDX-License-Identifier: MIT
//
// May these functions go to a guest, and if not, why not. Pure.
//
//   for (const auto& [address, take, errors, warnings] :
//        vfio::judge(devices, {.wanted = {gpu, sound}}).verdicts) …
#pragma once

#include "vfio/function.h"

#include "launcher/base/error.h"

namespace hv::vfio {

/// What becomes of the other members of a function's IOMMU group, which no
/// guest and no host driver may use as long as a guest has the function.
enum class Siblings : std::uint8_t {
  refuse,  ///< Those with a driver are a reason not to.
  bind     ///< They are taken from their drivers, too.
};

struct Request {
  std::vector<PciAddress> wanted;
  Siblings siblings = Siblings::refuse;
  bool force = false;        ///< Take even what the host uses.
  bool handed_over = false;  ///< The host's screen leaves them by itself.
};

struct Verdict {
  PciAddress address;
  std::vector<PciAddress> take{};  ///< Siblings to be taken from their drivers.
  Errors errors{};                 ///< Why it may not be passed: each with its cure.
  Errors warnings{};

  [[nodiscard]] bool may_be_passed() const { return errors.empty(); }
};

/// One verdict for each function wanted, in their order. Errors: no-device-here,
/// is-a-bridge, quarantined, no-iommu, no-interrupt-remapping, firmware-memory, has-vfs,
/// function-in-use, incomplete-group. Warnings: no-reset, forced.
[[nodiscard]] std::vector<Verdict> judge(const Devices& devices, const Request& request);

/// Members of a function's group that the kernel lets nobody share: neither
/// wanted, nor bridges to a bus, nor without a host's driver.
[[nodiscard]] std::vector<const Function*> siblings_in_the_way(
    const Devices& devices, const Function& function, const std::vector<PciAddress>& wanted);

/// "/dev/nvme0n1p2, mounted on /; the default route (eth0)"; empty: nothing.
[[nodiscard]] std::string describe_uses(const Function& function);

}  // namespace hv::vfio
