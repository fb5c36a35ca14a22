// SPDX-License-Identifier: MIT
#include "launcher/base/unix_socket.h"

#include <sys/socket.h>

namespace hv {

Result<sockaddr_un> unix_address(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path)
    return std::unexpected(
        with_hint({.fault = Fault::missing,
                   .id = "path-too-long",
                   .message = fmt::format("{} is too long for a socket: at most {} bytes", path,
                                          sizeof address.sun_path - 1)},
                  "use a shorter name, or a shorter XDG_RUNTIME_DIR"));
  path.copy(address.sun_path, path.size());
  return address;
}

Result<UniqueFd> connect_unix(const std::string& path, std::chrono::seconds patience) {
  const auto address = TRY(unix_address(path));
  const timeval limit{.tv_sec = patience.count(), .tv_usec = 0};
  UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd || ::setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit) < 0 ||
      ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) < 0 ||
      ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) < 0)
    return fail_errno("connect to {}", path);
  return fd;
}

}  // namespace hv
