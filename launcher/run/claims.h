// SPDX-License-Identifier: MIT
//
// What running guests have for themselves: devices, CPUs, MAC and vsock
// addresses, ports of the host. Each
// says it in its directory before it takes anything; it counts for as long as
// the guest's lock is held, so a crash leaves no claim behind.
#pragma once

#include "launcher/plan/plan.h"
#include "launcher/run/lock.h"
#include "launcher/run/place.h"

namespace hv::run {

/// The claims of all guests that run or are being started, but `place.vm`'s.
[[nodiscard]] std::vector<plan::Claims> claims_of_others(const Place& place);

/// What this guest has, or had when it crashed.
[[nodiscard]] plan::Claims claims_of(const Place& place);

/// PCI functions whose virtual functions the journal of any guest has made.
[[nodiscard]] std::vector<vfio::PciAddress> cards_with_made_vfs(const Place& place);

/// Held by one start at a time, while it claims or makes virtual functions.
[[nodiscard]] Result<Turn> take_turn(const Place& place);

/// Writes the claims down, unless another guest has some of it (id "claimed").
/// Guests that start at the same moment take turns here.
[[nodiscard]] Result<> take_claims(const Place& place, const plan::Claims& claims);

/// What two claims both have: "0000:01:00.0", "CPU 4-5", "MAC address 52:54:…". Empty: nothing.
[[nodiscard]] std::string in_common(const plan::Claims& one, const plan::Claims& other);

/// As the file holds them, a line each: "function 0000:01:00.0".
[[nodiscard]] std::string to_text(const plan::Claims& claims);
/// Lines that make no sense are left out.
[[nodiscard]] plan::Claims parse_claims(std::string_view text, std::string guest);

}  // namespace hv::run
