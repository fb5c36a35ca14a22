// SPDX-License-Identifier: MIT
//
// Internal: UNIX stream sockets with descriptors beside the bytes (SCM_RIGHTS).
// Nothing here blocks, but for connect_unix() up to its deadline.
#pragma once

#include "qmp/error.h"

#include <sys/un.h>

#include <chrono>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace qmp::wire {

using Clock = std::chrono::steady_clock;

class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  ~Fd();

  [[nodiscard]] int get() const { return fd_; }
  [[nodiscard]] int release() { return std::exchange(fd_, -1); }
  [[nodiscard]] explicit operator bool() const { return fd_ >= 0; }

 private:
  int fd_ = -1;
};

/// The error of a system call: what was tried, and the text for `error_number`.
[[nodiscard]] std::unexpected<Error> fail_system(const std::string& doing, int error_number);

[[nodiscard]] Result<sockaddr_un> address_of(const std::string& path);
[[nodiscard]] Result<Fd> stream_socket();
[[nodiscard]] Result<Fd> connect_unix(const std::string& path, Clock::time_point deadline);

enum class Flow : std::uint8_t { done, would_block, closed, failed };

/// What one recvmsg(2) or sendmsg(2) did.
struct Transfer {
  Flow flow = Flow::done;
  std::size_t count = 0;
  int os_error = 0;       ///< With Flow::failed.
  std::vector<Fd> fds{};  ///< Received beside the bytes.
};

/// QEMU takes no more descriptors than this with one message.
inline constexpr std::size_t max_fds = 16;

[[nodiscard]] Transfer receive(int fd, std::span<char> into);
[[nodiscard]] Transfer send(int fd, std::string_view bytes, std::span<const int> fds = {});

}  // namespace qmp::wire
