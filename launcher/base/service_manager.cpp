// SPDX-License-Identifier: MIT
#include "launcher/base/service_manager.h"

#include "launcher/base/text.h"
#include "launcher/base/unix_socket.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <cstddef>
#include <cstring>

namespace hv {
namespace {

constexpr int first_given = 3;  // SD_LISTEN_FDS_START of sd_listen_fds(3).
constexpr int out_of_the_way = 10;

struct Address {
  sockaddr_un value{};
  socklen_t size = 0;
};

/// A path, or with a leading '@' a name in the abstract namespace.
Result<Address> address_of(const std::string& socket) {
  Address address{.value = TRY(unix_address(socket))};
  address.size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + socket.size());
  if (socket.starts_with('@')) address.value.sun_path[0] = '\0';
  return address;
}

int number(std::string_view text) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc{} && end == text.data() + text.size() ? value : 0;
}

}  // namespace

Result<> ServiceManager::send(std::string_view lines, int fd) const {
  if (!is_there()) return {};
  auto address = TRY(address_of(socket_));
  const UniqueFd socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!socket) return fail_errno("make a socket");
  std::string text(lines);
  iovec data{.iov_base = text.data(), .iov_len = text.size()};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof fd)> control{};
  msghdr message{};
  message.msg_name = &address.value;
  message.msg_namelen = address.size;
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  if (fd >= 0) {
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    auto* const header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof fd);
    std::memcpy(CMSG_DATA(header), &fd, sizeof fd);
  }
  if (::sendmsg(socket.get(), &message, MSG_NOSIGNAL) < 0)
    return fail_errno("write to the service manager's socket {}", socket_);
  return {};
}

/// It closes the descriptor that comes with BARRIER=1 when it gets to it: all
/// that was sent before has been taken in then.
Result<> ServiceManager::wait_until_taken_in() const {
  if (!is_there()) return {};
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) < 0) return fail_errno("make a pipe");
  const UniqueFd read(ends[0]);
  {
    const UniqueFd write(ends[1]);
    TRY(send("BARRIER=1", write.get()));
  }
  constexpr int patience_ms = 30'000;
  pollfd closed{.fd = read.get(), .events = 0, .revents = 0};
  int result = 0;
  while ((result = ::poll(&closed, 1, patience_ms)) < 0 && errno == EINTR) continue;
  if (result > 0) return {};
  return fail(Fault::timed_out, "no-service-manager",
              "the service manager takes nothing from its socket {}", socket_);
}

Result<> ServiceManager::tell(std::string_view lines) const {
  return send(lines, -1);
}

void ServiceManager::show_status(std::string_view words) const {
  (void)tell(fmt::format("STATUS={}", printable(words)));  // Only for show.
}

void ServiceManager::ask_for(std::chrono::seconds time) const {
  // Without it the unit's own limit counts.
  (void)tell(fmt::format("EXTEND_TIMEOUT_USEC={}", std::chrono::microseconds(time).count()));
}

Result<> ServiceManager::store(std::string_view name, int fd) const {
  TRY(send(fmt::format("FDSTORE=1\nFDNAME={}", name), fd));
  return wait_until_taken_in();
}

Result<> ServiceManager::forget(std::string_view name) const {
  TRY(tell(fmt::format("FDSTOREREMOVE=1\nFDNAME={}", name)));
  return wait_until_taken_in();
}

std::vector<GivenFd> given_descriptors(std::string_view pid, std::string_view count,
                                       std::string_view names) {
  std::vector<GivenFd> given;
  if (number(pid) != ::getpid()) return given;
  const auto each = split(names, ':');
  for (int i = 0; i < number(count) && i < 100; ++i) {
    const UniqueFd low(first_given + i);
    UniqueFd fd(::fcntl(low.get(), F_DUPFD_CLOEXEC, out_of_the_way));
    const auto index = static_cast<std::size_t>(i);
    if (fd) given.push_back({std::string(index < each.size() ? each[index] : ""), std::move(fd)});
  }
  return given;
}

}  // namespace hv
