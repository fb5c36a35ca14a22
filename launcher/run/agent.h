// SPDX-License-Identifier: MIT
//
// The guest agent (qemu-ga), as far as hvlaunch speaks with it: requests that
// need no answer.
#pragma once

#include "launcher/base/error.h"
#include "launcher/base/unique_fd.h"
#include "launcher/run/place.h"
#include "qmp/client.h"

#include <string_view>

namespace hv::run {

/// Whether the guest has opened the agent's port: only then somebody listens.
/// What is written there before waits for whoever opens it later.
[[nodiscard]] bool agent_listens(qmp::Client& client, qmp::Deadline deadline);

/// Sends one request of QEMU's qga/qapi-schema.json. Keep the connection until
/// the guest has acted: QEMU drops what it has not passed on when it closes.
[[nodiscard]] Result<UniqueFd> tell_agent(const Place& place, std::string_view name,
                                          const boost::json::object& arguments = {});

/// Tells the guest's console how large the terminal is: a serial line carries
/// no size. Does nothing if no agent listens.
[[nodiscard]] Result<> tell_console_size(const Place& place, std::string_view tty, unsigned rows,
                                         unsigned columns);

}  // namespace hv::run
