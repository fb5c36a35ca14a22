// SPDX-License-Identifier: MIT
//
// hvlaunch's own short visits to a guest's control monitor.
#pragma once

#include "launcher/base/error.h"
#include "launcher/run/place.h"
#include "qmp/client.h"
#include "qmp/commands.h"

#include <chrono>

namespace hv::run {

/// QMP's error as one of ours; QEMU's own words stay.
[[nodiscard]] Error error_of(const qmp::Error& error, std::string_view doing);

/// How long QEMU may take until its monitor answers. Long, since it takes and
/// clears all huge pages first; that it has died is noticed at once.
inline constexpr std::chrono::minutes start_patience{5};

/// Connects, or says that the guest is not running, or does not answer.
[[nodiscard]] Result<qmp::Client> connect_monitor(
    const Place& place, std::chrono::milliseconds timeout = std::chrono::seconds(5));

/// One command, with its error as one of ours.
template <qmp::Command C>
[[nodiscard]] Result<typename C::Reply> ask(qmp::Client& client, const C& command) {
  auto reply = client.call(command);
  if (!reply) return std::unexpected(error_of(reply.error(), C::name));
  return *std::move(reply);
}

/// Why there is no QEMU to talk to: `'web' is not running`, or not yet, or on its way out.
[[nodiscard]] Error not_running(const Place& place);

}  // namespace hv::run
