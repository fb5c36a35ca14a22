// SPDX-License-Identifier: MIT
#include "qmp/connection.h"

#include <boost/json/parse.hpp>

#include <sys/socket.h>
#include <algorithm>

namespace qmp {
namespace {

namespace asio = boost::asio;
namespace json = boost::json;

constexpr std::size_t chunk_bytes = std::size_t{16} << 10U;

/// A piece of hostile text, short and printable enough for a message.
std::string excerpt(std::string_view text) {
  std::string result;
  for (const char c : text.substr(0, 40)) result += c >= ' ' && c <= '~' ? c : '.';
  return text.size() > 40 ? result + "..." : result;
}

}  // namespace

Result<std::unique_ptr<Connection>> Connection::open(wire::Fd fd, Limits limits, Sink sink) try {
  return std::make_unique<Connection>(std::move(fd), limits, std::move(sink));
} catch (const boost::system::system_error& error) {
  return wire::fail_system("watch the QMP socket", error.code().value());
}

Connection::Connection(wire::Fd fd, Limits limits, Sink sink)
    : context_(1),
      descriptor_(context_),
      input_(limits),
      limits_(limits),
      sink_(std::move(sink)),
      chunk_(chunk_bytes) {
  descriptor_.assign(fd.get());
  (void)fd.release();  // The descriptor's from here on.
}

std::unexpected<Error> Connection::give_up(Error error) {
  given_up_ = error.message;
  // The peer, and whoever else waits for the monitor, need not wait for our destructor.
  ::shutdown(fd(), SHUT_RDWR);
  return std::unexpected(std::move(error));
}

Result<> Connection::usable() const {
  if (given_up_.empty()) return {};
  return fail(Error::Kind::closed, "the connection was given up: " + given_up_);
}

/// Waits until there is something to read or, if asked, room to write.
Result<> Connection::wait(bool for_room, Clock::time_point deadline) {
  bool ready = false;
  const auto note = [&ready](const boost::system::error_code& error) { ready |= !error; };
  descriptor_.async_wait(asio::posix::stream_descriptor::wait_read, note);
  if (for_room) descriptor_.async_wait(asio::posix::stream_descriptor::wait_write, note);
  context_.restart();
  // Asio counts as run an event that woke none of our handlers: room to write, say.
  while (!ready && context_.run_one_until(deadline) > 0) {
  }
  boost::system::error_code ignored;  // Nothing left to cancel is no failure.
  (void)descriptor_.cancel(ignored);
  context_.restart();
  context_.poll();
  if (!ready) return fail(Error::Kind::timed_out, "the deadline passed");
  return {};
}

Result<> Connection::take_input() {
  const auto got = wire::receive(fd(), chunk_);  // Descriptors nobody asked for are closed here.
  switch (got.flow) {
    case wire::Flow::would_block: return {};
    case wire::Flow::closed:
      return give_up({.kind = Error::Kind::closed, .message = "the peer closed the connection"});
    case wire::Flow::failed: return give_up(wire::fail_system("receive", got.os_error).error());
    case wire::Flow::done: break;
  }
  input_.push({chunk_.data(), got.count});
  return deliver();
}

Result<> Connection::deliver() {
  for (;;) {
    const auto next = input_.next();
    if (!next) return give_up(next.error());
    const auto& text = *next;
    if (!text) return {};
    json::parse_options options;
    options.max_depth = limits_.depth;
    boost::system::error_code error;
    auto message = json::parse(*text, error, {}, options);
    if (error || !message.is_object())
      return give_up({.kind = Error::Kind::malformed,
                      .message = "the peer sent no JSON object: '" + excerpt(*text) + "'"});
    sink_(std::move(message.get_object()));
  }
}

Result<> Connection::receive(Clock::time_point deadline) {
  if (auto ok = usable(); !ok) return ok;
  if (auto ready = wait(false, deadline); !ready) return ready;
  return take_input();
}

/// Sends and takes from `bytes` what the peer has room for, until all is sent.
Result<> Connection::flush(std::string_view& bytes, std::span<const int> fds,
                           Clock::time_point deadline) {
  while (!bytes.empty()) {
    const auto sent = wire::send(fd(), bytes, fds);
    if (sent.flow == wire::Flow::done) {
      bytes.remove_prefix(sent.count);
      fds = {};  // They went with the first byte.
      continue;
    }
    if (sent.flow == wire::Flow::failed)
      return give_up(wire::fail_system("send", sent.os_error).error());
    // What a dying peer said last is still there to read; the end follows it.
    const bool for_room = sent.flow == wire::Flow::would_block;
    if (auto ready = wait(for_room, deadline); !ready) return ready;
    if (auto taken = take_input(); !taken) return taken;
  }
  return {};
}

Result<> Connection::send(std::string_view lines, std::span<const int> fds,
                          Clock::time_point deadline) {
  if (auto ok = usable(); !ok) return ok;
  std::string_view earlier = unsent_;
  const auto flushed = flush(earlier, {}, deadline);
  unsent_.erase(0, unsent_.size() - earlier.size());
  if (!flushed) return flushed;

  auto rest = lines;
  auto sent = flush(rest, fds, deadline);
  const bool inside_line =
      rest.size() < lines.size() && lines[lines.size() - rest.size() - 1] != '\n';
  if (!sent && inside_line) unsent_ = rest.substr(0, rest.find('\n') + 1);
  return sent;
}

}  // namespace qmp
