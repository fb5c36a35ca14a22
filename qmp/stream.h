// SPDX-License-Identifier: MIT
//
// Internal: one peer of the multiplexer. Reads messages as they come, unless
// paused; sends at once what the peer has room for, and queues the rest.
#pragma once

#include "qmp/splitter.h"
#include "qmp/wire.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>

#include <deque>
#include <functional>
#include <memory>
#include <span>
#include <vector>

namespace qmp {

class Stream : public std::enable_shared_from_this<Stream> {
 public:
  /// None is called from within send() or resume().
  struct Handlers {
    std::function<void(std::string_view text)> message;
    std::function<void(Error)> end;  ///< The last call.
    std::function<void()> drained;   ///< The queue has fallen below half of what it may hold.
  };

  /// `scratch` is read into; streams of one thread may share it.
  Stream(boost::asio::io_context& context, Limits limits, std::size_t max_queue,
         std::span<char> scratch);

  [[nodiscard]] Result<> start(wire::Fd fd, Handlers handlers);
  /// No handler is called from here on, but for one that is running.
  void close();

  /// Queues at most max_queue bytes beside one message; the peer is ended at more.
  /// Descriptors may go ahead of their bytes, with what was queued before.
  void send(std::string_view bytes, std::vector<wire::Fd> fds = {});
  [[nodiscard]] bool crowded() const { return queue_.size() - sent_ > max_queue_ / 2; }

  void pause() { paused_ = true; }
  void resume();

  /// Descriptors that came and that nobody has taken yet, as QEMU keeps them too.
  [[nodiscard]] std::deque<wire::Fd>& received_fds() { return received_fds_; }

 private:
  void await_input();
  void read();
  void deliver();
  [[nodiscard]] std::size_t transfer(std::string_view bytes);
  void write_queue();
  void end(Error error);  ///< In a turn of its own.
  /// Calls `what` when `event` comes, if this is still open then.
  void await(boost::asio::posix::stream_descriptor::wait_type event, void (Stream::*what)());

  boost::asio::posix::stream_descriptor descriptor_;
  Splitter input_;
  std::size_t max_queue_;
  std::span<char> scratch_;
  Handlers handlers_;
  std::deque<wire::Fd> received_fds_;
  std::string queue_;
  std::size_t sent_ = 0;              ///< Of the queue.
  std::vector<wire::Fd> queued_fds_;  ///< Go with the next byte.
  bool open_ = true;
  bool deaf_ = false;  ///< The peer takes no more.
  bool paused_ = false;
  bool reading_ = false;  ///< Input is awaited.
  bool delivering_ = false;
};

}  // namespace qmp
