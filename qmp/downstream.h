// SPDX-License-Identifier: MIT
//
// Internal: one client of the multiplexer: what it has negotiated, and what it
// still waits for.
#pragma once

#include "qmp/stream.h"

#include <boost/asio/steady_timer.hpp>

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace qmp {

class Downstream {
 public:
  Downstream(boost::asio::io_context& context, std::shared_ptr<Stream> stream)
      : stream_(std::move(stream)), patience_(context) {}

  /// Until then a client may only negotiate.
  bool negotiated = false;
  bool oob = false;

  [[nodiscard]] Stream& stream() { return *stream_; }
  [[nodiscard]] boost::asio::steady_timer& patience() { return patience_; }

  /// Expects the reply to what goes upstream as `upstream_id`.
  void expect(std::uint64_t upstream_id, std::optional<std::string_view> id, bool in_band);

  /// Answers with `members` ("\"return\": {}") in its turn: after the replies
  /// to what the client sent before.
  void answer(std::string_view members, std::optional<std::string_view> id);
  void refuse(std::string_view error_class, std::string_view description,
              std::optional<std::string_view> id);

  struct Expected {
    std::uint64_t upstream_id = 0;
    std::optional<std::string> id;  ///< The client's own, as it wrote it.
    bool in_band = true;
    std::string ready{};  ///< An answer of our own that waits for its turn.
  };
  /// Takes what was expected under that id, if anything was.
  [[nodiscard]] std::optional<Expected> take(std::uint64_t upstream_id);

  /// Sends the answers whose turn has come, and lets the client go on.
  void advance();

 private:
  void limit();

  std::shared_ptr<Stream> stream_;
  boost::asio::steady_timer patience_;
  std::deque<Expected> expected_;
};

}  // namespace qmp
