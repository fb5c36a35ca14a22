// SPDX-License-Identifier: MIT
//
// UNIX sockets that are named by a path.
#pragma once

#include "launcher/base/error.h"
#include "launcher/base/unique_fd.h"

#include <sys/un.h>

#include <chrono>
#include <string>

namespace hv {

/// "path-too-long" if it does not fit: the kernel takes 107 bytes.
[[nodiscard]] Result<sockaddr_un> unix_address(const std::string& path);

/// A stream socket that is connected to the server at `path`. No connecting,
/// sending or receiving waits longer than `patience`; 0: as long as it takes.
[[nodiscard]] Result<UniqueFd> connect_unix(const std::string& path,
                                            std::chrono::seconds patience = {});

}  // namespace hv
