// SPDX-License-Identifier: MIT
//
// The other end of a QMP socket, played by a test.
#pragma once

#include <boost/json/parse.hpp>

#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <array>
#include <functional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

namespace qmp_test {

inline constexpr std::string_view greeting =
    R"({"QMP": {"version": {"qemu": {"micro": 2, "minor": 1, "major": 9}, "package": "test"},)"
    R"( "capabilities": ["oob"]}})"
    "\r\n";

/// One end; owns its descriptor. Reads fail after two seconds, so that a bug
/// ends a test rather than hang it.
class End {
 public:
  explicit End(int fd) : fd_(fd) {
    const timeval limit{.tv_sec = 2, .tv_usec = 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    ::setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  }
  End(End&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  End& operator=(End&&) = delete;
  ~End() { close(); }

  void close() {
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));
  }
  [[nodiscard]] int fd() const { return fd_; }
  [[nodiscard]] int release() { return std::exchange(fd_, -1); }

  /// False once the other end is gone.
  bool write(std::string_view text) {
    while (!text.empty()) {
      const auto count = ::send(fd_, text.data(), text.size(), MSG_NOSIGNAL);
      if (count <= 0) return false;
      text.remove_prefix(static_cast<std::size_t>(count));
    }
    return true;
  }

  bool write_with_fd(std::string_view text, int fd) {
    std::array<char, CMSG_SPACE(sizeof(int))> control{};
    iovec data{.iov_base = const_cast<char*>(text.data()), .iov_len = text.size()};
    msghdr message{};
    message.msg_iov = &data;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    auto* const part = CMSG_FIRSTHDR(&message);
    part->cmsg_level = SOL_SOCKET;
    part->cmsg_type = SCM_RIGHTS;
    part->cmsg_len = CMSG_LEN(sizeof fd);
    *reinterpret_cast<int*>(CMSG_DATA(part)) = fd;
    return ::sendmsg(fd_, &message, MSG_NOSIGNAL) == static_cast<ssize_t>(text.size());
  }

  /// The next line without its end; empty at the end of the stream, or after
  /// two seconds. Descriptors that come with it are left in `fds`.
  std::string line() {
    for (;;) {
      if (const auto end = unread_.find('\n'); end != std::string::npos) {
        auto result = unread_.substr(0, end);
        unread_.erase(0, end + 1);
        if (result.ends_with('\r')) result.pop_back();
        return result;
      }
      if (!fill()) return "";
    }
  }

  boost::json::value message() {
    boost::system::error_code error;
    return boost::json::parse(line(), error);
  }

  std::vector<int> fds;

 private:
  bool fill() {
    std::array<char, 65536> buffer;
    std::array<char, CMSG_SPACE(sizeof(int) * 16)> control{};
    iovec data{.iov_base = buffer.data(), .iov_len = buffer.size()};
    msghdr message{};
    message.msg_iov = &data;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    const auto count = ::recvmsg(fd_, &message, MSG_CMSG_CLOEXEC);
    if (count <= 0) return false;
    unread_.append(buffer.data(), static_cast<std::size_t>(count));
    if (const auto* const part = CMSG_FIRSTHDR(&message))
      for (std::size_t i = 0; i < (part->cmsg_len - CMSG_LEN(0)) / sizeof(int); ++i)
        fds.push_back(reinterpret_cast<const int*>(CMSG_DATA(part))[i]);
    return true;
  }

  int fd_;
  std::string unread_;
};

struct Pair {
  End ours;
  End theirs;
};

inline Pair make_pair() {
  std::array<int, 2> fds{-1, -1};
  (void)::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds.data());  // -1 fails what follows.
  return {End(fds[0]), End(fds[1])};
}

/// Greets, answers qmp_capabilities, then does what the script says.
inline void serve(End& end, const std::function<void(End&)>& script) {
  end.write(greeting);
  const auto request = end.message();
  if (!request.is_object()) return;
  end.write(R"({"return": {}, "id": )" + std::to_string(request.at("id").to_number<int>()) +
            "}\r\n");
  script(end);
}

/// A peer in a thread of its own.
class Peer {
 public:
  explicit Peer(std::function<void(End&)> script)
      : pair_(make_pair()), thread_([this, script = std::move(script)] {
          script(pair_.theirs);
          pair_.theirs.close();
        }) {}

  [[nodiscard]] int fd() { return pair_.ours.release(); }

 private:
  Pair pair_;
  std::jthread thread_;
};

}  // namespace qmp_test
