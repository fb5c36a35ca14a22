// SPDX-License-Identifier: MIT
//
// The QEMU that the probe asks: a child with nothing but a QMP socket, held by
// its pidfd and gone when this object is.
#pragma once

#include "launcher/base/error.h"
#include "launcher/base/unique_fd.h"

#include <chrono>
#include <string>
#include <vector>

namespace hv::qemu {

using Deadline = std::chrono::steady_clock::time_point;

class ProbeChild {
 public:
  /// The number under which the child finds the socket it was given.
  static constexpr int socket_number = 3;

  [[nodiscard]] static Result<ProbeChild> start(const std::vector<std::string>& argv,
                                                UniqueFd socket);

  ProbeChild(const ProbeChild&) = delete;
  ProbeChild& operator=(const ProbeChild&) = delete;
  ProbeChild(ProbeChild&&) = default;
  ProbeChild& operator=(ProbeChild&&) = delete;
  ~ProbeChild();  ///< Kills and reaps it.

  /// Waits for its end, kills it at `deadline`, and says in words how it ended.
  [[nodiscard]] std::string reap(Deadline deadline);

  /// The last lines of what it wrote to stderr so far; empty: nothing.
  [[nodiscard]] std::string last_words() const;

 private:
  ProbeChild(UniqueFd pidfd, UniqueFd talk) : pidfd_(std::move(pidfd)), talk_(std::move(talk)) {}

  UniqueFd pidfd_;  ///< Empty: reaped, or moved from.
  UniqueFd talk_;   ///< The reading end of its stderr.
};

}  // namespace hv::qemu
