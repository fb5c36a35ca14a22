// SPDX-License-Identifier: MIT
#include "qmp/wire.h"

#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <system_error>

namespace qmp::wire {
namespace {

constexpr std::string_view busy_hint =
    "a monitor serves one client at a time: another client may hold it";

// The union gives the control buffer the alignment that CMSG_FIRSTHDR needs.
union Control {
  cmsghdr header;
  std::array<char, CMSG_SPACE(sizeof(int) * max_fds)> bytes;
};

Transfer outcome_of(ssize_t count) {
  if (count >= 0) return {.count = static_cast<std::size_t>(count)};
  switch (errno) {
    case EAGAIN: return {.flow = Flow::would_block};
    case EPIPE:
    case ECONNRESET: return {.flow = Flow::closed};
    default: return {.flow = Flow::failed, .os_error = errno};
  }
}

std::vector<Fd> take_fds(msghdr& message) {
  std::vector<Fd> fds;
  for (auto* part = CMSG_FIRSTHDR(&message); part != nullptr; part = CMSG_NXTHDR(&message, part)) {
    if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
    const auto bytes = part->cmsg_len - CMSG_LEN(0);
    for (std::size_t at = 0; at + sizeof(int) <= bytes; at += sizeof(int)) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(part) + at, sizeof fd);
      fds.emplace_back(fd);
    }
  }
  return fds;
}

}  // namespace

Fd::~Fd() {
  if (fd_ >= 0) ::close(fd_);
}

std::unexpected<Error> fail_system(const std::string& doing, int error_number) {
  return std::unexpected(
      Error{.kind = Error::Kind::system,
            .message = doing + ": " + std::generic_category().message(error_number),
            .os_error = error_number});
}

Result<sockaddr_un> address_of(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof address.sun_path)
    return fail(Error::Kind::system,
                "socket path '" + path + "' is not of 1 to " +
                    std::to_string(sizeof address.sun_path - 1) + " bytes",
                "use a shorter directory");
  path.copy(address.sun_path, path.size());
  return address;
}

Result<Fd> stream_socket() {
  Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd) return fail_system("make a socket", errno);
  return fd;
}

Result<Fd> connect_unix(const std::string& path, Clock::time_point deadline) {
  const auto address = address_of(path);
  if (!address) return std::unexpected(address.error());
  auto fd = stream_socket();
  if (!fd) return fd;

  // A listener with a full queue cannot be awaited by poll(2): only a blocking
  // connect(2) waits for it, and that keeps to the time limit for sending.
  const auto left = std::max(std::chrono::ceil<std::chrono::microseconds>(deadline - Clock::now()),
                             std::chrono::microseconds(1));
  const timeval limit{.tv_sec = left.count() / 1'000'000, .tv_usec = left.count() % 1'000'000};
  if (::setsockopt(fd->get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit) < 0)
    return fail_system("set a time limit on " + path, errno);

  int result = 0;
  do result = ::connect(fd->get(), reinterpret_cast<const sockaddr*>(&*address), sizeof *address);
  while (result < 0 && errno == EINTR);
  if (result < 0 && errno == EAGAIN)
    return fail(Error::Kind::timed_out, "connect to " + path + ": too many clients are waiting",
                std::string(busy_hint));
  if (result < 0) return fail_system("connect to " + path, errno);
  return fd;
}

Transfer receive(int fd, std::span<char> into) {
  Control control;
  iovec data{.iov_base = into.data(), .iov_len = into.size()};
  msghdr message{};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = control.bytes.data();
  message.msg_controllen = control.bytes.size();
  ssize_t count = 0;
  do count = ::recvmsg(fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  while (count < 0 && errno == EINTR);
  auto transfer = outcome_of(count);
  if (transfer.flow != Flow::done) return transfer;
  if (message.msg_controllen > 0) transfer.fds = take_fds(message);
  if (count == 0) transfer.flow = Flow::closed;
  return transfer;
}

Transfer send(int fd, std::string_view bytes, std::span<const int> fds) {
  Control control{};
  iovec data{.iov_base = const_cast<char*>(bytes.data()), .iov_len = bytes.size()};
  msghdr message{};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  if (!fds.empty()) {
    fds = fds.first(std::min(fds.size(), max_fds));
    message.msg_control = control.bytes.data();
    message.msg_controllen = CMSG_SPACE(fds.size_bytes());
    auto* const part = CMSG_FIRSTHDR(&message);
    part->cmsg_level = SOL_SOCKET;
    part->cmsg_type = SCM_RIGHTS;
    part->cmsg_len = CMSG_LEN(fds.size_bytes());
    std::memcpy(CMSG_DATA(part), fds.data(), fds.size_bytes());
  }
  ssize_t count = 0;
  do count = ::sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
  while (count < 0 && errno == EINTR);
  return outcome_of(count);
}

}  // namespace qmp::wire
