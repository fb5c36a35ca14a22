// SPDX-License-Identifier: MIT
//
// One QEMU monitor for many clients at once. QEMU serves one client a monitor;
// the multiplexer is that client, and speaks plain QMP on a socket of its own
// with any number: each gets the greeting, negotiates for itself, has its own
// ids, and sees every event.
//
//   boost::asio::io_context context;
//   auto multiplexer = qmp::Multiplexer::start(
//       context, {.upstream = "/run/vm/monitor", .listen = "/run/vm/qmp.sock"},
//       {.closed = [](qmp::Error error) { ... }});
//   context.run();
#pragma once

#include "qmp/error.h"

#include <sys/types.h>
#include <boost/json/fwd.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace boost::asio {
class io_context;
}

namespace qmp {

/// What clients may do.
enum class Rights : std::uint8_t {
  all,
  ask,  ///< Commands named query-…, and events. Everything else is refused, unseen by QEMU.
};

struct MultiplexerOptions {
  std::string upstream{};  ///< QEMU's monitor.
  std::string listen{};    ///< A socket there that nobody serves is replaced.
  mode_t mode = 0600;      ///< Of `listen`.
  Rights rights = Rights::all;

  std::chrono::milliseconds timeout{5000};  ///< For QEMU's greeting and negotiation.
  /// A client that lets half of max_queue pile up holds up QEMU's output, for
  /// all, for this long; then it is dropped.
  std::chrono::milliseconds patience{1000};
  std::size_t max_clients = 64;                     ///< Further ones are closed at once.
  std::size_t max_message = std::size_t{4} << 20U;  ///< Of a client, and of QEMU.
  std::size_t max_depth = 64;
  std::size_t max_queue = std::size_t{4} << 20U;  ///< What a client may leave unread.
};

/// All run on the io_context. Any of them may destroy the multiplexer.
struct MultiplexerHandlers {
  /// QEMU takes commands, and those of the clients.
  std::function<void()> ready{};
  std::function<void(std::string_view name, const boost::json::object& message)> event{};
  /// QEMU or its socket is gone, or broke the protocol; so are all clients.
  std::function<void(Error)> closed{};
};

class Multiplexer {
 public:
  /// Connects, and makes the socket: clients that come at once are answered
  /// when QEMU is. All else happens on `context`, which must outlive this.
  [[nodiscard]] static Result<Multiplexer> start(boost::asio::io_context& context,
                                                 const MultiplexerOptions& options,
                                                 MultiplexerHandlers handlers);
  Multiplexer(Multiplexer&&) noexcept;
  Multiplexer& operator=(Multiplexer&&) = delete;
  Multiplexer(const Multiplexer&) = delete;
  Multiplexer& operator=(const Multiplexer&) = delete;
  ~Multiplexer();  ///< Closes every connection and removes the socket.

  [[nodiscard]] std::size_t clients() const;

 private:
  class Hub;
  explicit Multiplexer(std::shared_ptr<Hub> hub);

  std::shared_ptr<Hub> hub_;
};

}  // namespace qmp
