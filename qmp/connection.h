// SPDX-License-Identifier: MIT
//
// Internal: one stream of JSON objects, both ways, blocking with deadlines.
// While it waits to write it reads too: a peer that waits for us to read
// before it reads cannot lock us up.
#pragma once

#include "qmp/splitter.h"
#include "qmp/wire.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/json/object.hpp>

#include <functional>
#include <memory>
#include <vector>

namespace qmp {

class Connection {
 public:
  using Clock = wire::Clock;
  using Sink = std::function<void(boost::json::object)>;

  /// Takes `fd`; each object that comes in goes to `sink`.
  [[nodiscard]] static Result<std::unique_ptr<Connection>> open(wire::Fd fd, Limits limits,
                                                                Sink sink);
  Connection(wire::Fd fd, Limits limits, Sink sink);  ///< Throws as Asio does; use open().

  /// Sends whole lines. What the peer has not begun to take by the deadline is
  /// withdrawn, line by line; the rest of a line goes out before the next send.
  [[nodiscard]] Result<> send(std::string_view lines, std::span<const int> fds,
                              Clock::time_point deadline);

  /// Waits for bytes, and hands what came to the sink.
  [[nodiscard]] Result<> receive(Clock::time_point deadline);

  [[nodiscard]] int fd() { return descriptor_.native_handle(); }

 private:
  [[nodiscard]] Result<> flush(std::string_view& bytes, std::span<const int> fds,
                               Clock::time_point deadline);
  [[nodiscard]] Result<> wait(bool for_room, Clock::time_point deadline);
  [[nodiscard]] Result<> take_input();
  [[nodiscard]] Result<> deliver();
  [[nodiscard]] Result<> usable() const;
  /// Makes the error final: after it the stream has no known state.
  std::unexpected<Error> give_up(Error error);

  boost::asio::io_context context_;
  boost::asio::posix::stream_descriptor descriptor_;
  Splitter input_;
  Limits limits_;
  Sink sink_;
  std::string unsent_;
  std::vector<char> chunk_;
  std::string given_up_;
};

}  // namespace qmp
