// SPDX-License-Identifier: MIT
#include "launcher/run/host_ports.h"

#include "launcher/base/unique_fd.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

namespace hv::run {
namespace {

Error refused(const plan::HostPort& port, int error_number) {
  const auto where = fmt::format("{} port {} of {}", port.protocol, port.port, port.address);
  if (error_number == EADDRINUSE)
    return {.fault = Fault::state,
            .id = "port-in-use",
            .message = fmt::format("a program of the host has {} already", where),
            .origin = {.pointer = "/network/forward"},
            .hint = fmt::format("`ss -lnp{} sport = :{}` shows it: end it, or take another port",
                                port.protocol == "tcp" ? "t" : "u", port.port)};
  auto error = errno_error(error_number, "have " + where);
  error.id = "port-refused";
  error.origin.pointer = "/network/forward";
  error.hint = error_number == EACCES ? "ports below 1024 are root's: take a higher one, or lower "
                                        "net.ipv4.ip_unprivileged_port_start"
                                      : "take an address of this host: `ip -4 address` shows them";
  return error;
}

Result<> require_free(const plan::HostPort& port) {
  const bool tcp = port.protocol == "tcp";
  const UniqueFd fd(::socket(AF_INET, (tcp ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC, 0));
  if (!fd) return fail_errno("make a socket");
  // As QEMU does: connections of an earlier run, which the kernel remembers, do not count.
  const int on = 1;
  if (tcp) (void)::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port.port));
  if (::inet_pton(AF_INET, port.address.c_str(), &address.sin_addr) != 1)
    return std::unexpected(refused(port, EINVAL));
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) < 0)
    return std::unexpected(refused(port, errno));
  return {};
}

}  // namespace

Result<> require_free(const std::vector<plan::HostPort>& ports) {
  for (const auto& port : ports) TRY(require_free(port));
  return {};
}

}  // namespace hv::run
