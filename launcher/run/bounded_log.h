// SPDX-License-Identifier: MIT
#pragma once

#include "launcher/run/place.h"

#include <boost/asio/posix/stream_descriptor.hpp>

#include <array>

namespace hv::run {

/// Keeps qemu.log short while QEMU goes on writing to it: a guest can make QEMU
/// warn without end, and /run is memory. Lives no longer than the context runs.
class BoundedLog {
 public:
  static constexpr std::size_t longest = std::size_t{1} << 20U;
  static constexpr std::size_t kept = std::size_t{64} << 10U;  ///< When it got too long.

  BoundedLog(boost::asio::io_context& context, const Place& place);
  BoundedLog(const BoundedLog&) = delete;
  BoundedLog& operator=(const BoundedLog&) = delete;
  ~BoundedLog() = default;

 private:
  void await_change();

  const Place& place_;
  boost::asio::posix::stream_descriptor changes_;
  std::array<char, 4096> events_{};
};

/// Cuts the log to its last `BoundedLog::kept` bytes if it is too long.
[[nodiscard]] Result<> shorten_log(const Place& place);

}  // namespace hv::run
