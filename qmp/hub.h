// SPDX-License-Identifier: MIT
//
// Internal: the multiplexer's workings. One stream to QEMU, one to each
// client; messages are passed on as they are but for their ids.
#pragma once

#include "qmp/downstream.h"
#include "qmp/envelope.h"
#include "qmp/listen.h"
#include "qmp/multiplexer.h"
#include "qmp/schedule.h"
#include "qmp/stream.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>

namespace qmp {

class Multiplexer::Hub : public std::enable_shared_from_this<Hub> {
 public:
  Hub(boost::asio::io_context& context, MultiplexerOptions options, MultiplexerHandlers handlers);

  [[nodiscard]] Result<> start(wire::Fd upstream);
  void stop();
  [[nodiscard]] std::size_t clients() const { return clients_.size(); }

 private:
  enum class State : std::uint8_t { greeting, negotiating, ready, stopped };

  // QEMU's side: hub_upstream.cpp
  void take_upstream(std::string_view text);
  void take_greeting(const Envelope& message, std::string_view text);
  void take_negotiated(const Envelope& message);
  void take_event(std::string_view name, std::string_view text);
  void take_reply(const Envelope& message);
  void send_upstream();
  void fail_with(Error error);
  [[nodiscard]] Result<> open_listener();

  // The clients' side: hub_downstream.cpp
  void await_client();
  void accept_clients();
  void add_client(wire::Fd fd);
  void drop_client(std::uint64_t key);
  void take_request(std::uint64_t key, std::string_view text);
  void negotiate(Downstream& client, std::string_view text, std::optional<std::string_view> id);
  void forward(std::uint64_t key, Downstream& client, const Envelope& request);
  void deliver(std::uint64_t key, Downstream& client, std::string_view line);
  void hold_up(std::uint64_t key, Downstream& client);
  void release(std::uint64_t key);

  [[nodiscard]] Limits limits() const {
    return {.message = options_.max_message, .depth = options_.max_depth};
  }

  boost::asio::io_context& context_;
  MultiplexerOptions options_;
  MultiplexerHandlers handlers_;
  State state_ = State::greeting;
  boost::asio::steady_timer timer_;  ///< For the handshake, then for accepting again.
  boost::asio::posix::stream_descriptor acceptor_;
  std::unique_ptr<Listener> listener_;  ///< Heard from negotiation on.
  std::array<char, std::size_t{16} << 10U> scratch_{};

  std::shared_ptr<Stream> upstream_;
  std::string greeting_;
  bool oob_ = false;
  std::uint64_t next_id_ = 1;
  Schedule schedule_;

  std::uint64_t next_client_ = 1;
  std::map<std::uint64_t, Downstream> clients_;
  std::set<std::uint64_t> crowded_;  ///< Clients that hold up QEMU's output.
};

}  // namespace qmp
