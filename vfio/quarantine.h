// SPDX-License-Identifier: MIT
//
// Functions that no guest may have until the host starts again, or somebody has
// put them right: a driver of theirs hangs, or they answer nothing. Each has a
// file in hvlaunch's runtime directory, which names the boot that it is of.
#pragma once

#include "launcher/base/root.h"
#include "vfio/function.h"

#include <cstdint>

namespace hv::vfio {

struct Quarantined {
  PciAddress address;
  std::string cause;       ///< An error's id: "driver-hangs".
  std::string message;     ///< One line.
  std::int64_t since = 0;  ///< Seconds since 1970.

  friend bool operator==(const Quarantined&, const Quarantined&) = default;
};

/// Where the files are, below the runtime directory.
[[nodiscard]] std::string quarantine_directory(const std::string& runtime);

/// Puts a function there, or leaves it with its first cause.
[[nodiscard]] Result<> quarantine(const Root& root, const std::string& runtime,
                                  const Quarantined& function);

/// Those of this boot.
[[nodiscard]] std::vector<Quarantined> quarantined(const Root& root, const std::string& runtime);

/// Lets the function out. Errors: not-in-quarantine.
[[nodiscard]] Result<> release_quarantined(const Root& root, const std::string& runtime,
                                           const PciAddress& address);

/// device-lost, if the function's configuration reads as all ones, as that of
/// a device does that has left the bus or that no reset has brought back. What
/// cannot be read is not known to be lost.
[[nodiscard]] Result<> require_answers(const Root& root, const PciAddress& address);

/// What is to be done about one.
[[nodiscard]] std::string cure_of_quarantine(const PciAddress& address);

/// Whether the error tells of a function that is to be kept from guests. A
/// driver of VFIO only waits for the program that has the device open.
[[nodiscard]] bool calls_for_quarantine(const Root& root, const PciAddress& address,
                                        const Error& error);

}  // namespace hv::vfio
