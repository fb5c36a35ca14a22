// SPDX-License-Identifier: MIT
//
// One serial console for many viewers, with what it printed before they came.
// QEMU serves one client of the console's socket; the hub is that client.
#pragma once

#include "launcher/base/error.h"
#include "launcher/run/place.h"

#include <memory>

namespace boost::asio {
class io_context;
}

namespace hv::run {

/// How much of the console's past is kept, in bytes: a boot fits well.
constexpr std::size_t console_history = std::size_t{256} << 10U;

class ConsoleHub {
 public:
  /// Attaches to the guest's console and serves it on `console.sock`. What is
  /// printed is kept in `console.log`, of at most twice console_history with
  /// `console.log.1`, so that it survives this process.
  [[nodiscard]] static Result<ConsoleHub> start(boost::asio::io_context& context,
                                                const Place& place);
  ConsoleHub(ConsoleHub&&) noexcept;
  ConsoleHub& operator=(ConsoleHub&&) = delete;
  ConsoleHub(const ConsoleHub&) = delete;
  ConsoleHub& operator=(const ConsoleHub&) = delete;
  ~ConsoleHub();

 private:
  class Impl;
  explicit ConsoleHub(std::shared_ptr<Impl> impl);

  std::shared_ptr<Impl> impl_;
};

/// What the console printed so far, as far as it is kept.
[[nodiscard]] std::string console_past(const Place& place);

}  // namespace hv::run
