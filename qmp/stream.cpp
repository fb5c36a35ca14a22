// SPDX-License-Identifier: MIT
#include "qmp/stream.h"

#include <boost/asio/post.hpp>

#include <utility>

namespace qmp {

using Descriptor = boost::asio::posix::stream_descriptor;

Stream::Stream(boost::asio::io_context& context, Limits limits, std::size_t max_queue,
               std::span<char> scratch)
    : descriptor_(context), input_(limits), max_queue_(max_queue), scratch_(scratch) {}

Result<> Stream::start(wire::Fd fd, Handlers handlers) {
  boost::system::error_code error;
  (void)descriptor_.assign(fd.get(), error);
  if (error) return wire::fail_system("watch a socket", error.value());
  (void)fd.release();  // The descriptor's from here on.
  handlers_ = std::move(handlers);
  await_input();
  return {};
}

void Stream::close() {
  open_ = false;
  boost::system::error_code ignored;  // The kernel has let go of it all the same.
  (void)descriptor_.close(ignored);
  received_fds_.clear();
}

void Stream::end(Error error) {
  if (!std::exchange(open_, false)) return;
  boost::asio::post(descriptor_.get_executor(),
                    [self = shared_from_this(), error = std::move(error)]() mutable {
                      if (self->descriptor_.is_open()) self->handlers_.end(std::move(error));
                    });
}

void Stream::await(Descriptor::wait_type event, void (Stream::*what)()) {
  descriptor_.async_wait(event,
                         [weak = weak_from_this(), what](const boost::system::error_code& error) {
                           const auto self = weak.lock();
                           if (self != nullptr && self->open_ && !error) (*self.*what)();
                         });
}

void Stream::await_input() {
  if (std::exchange(reading_, true)) return;
  await(Descriptor::wait_read, &Stream::read);
}

void Stream::read() {
  reading_ = false;
  if (paused_) return;
  auto got = wire::receive(descriptor_.native_handle(), scratch_);
  for (auto& fd : got.fds) received_fds_.push_back(std::move(fd));
  while (received_fds_.size() > wire::max_fds) received_fds_.pop_front();
  switch (got.flow) {
    case wire::Flow::would_block: return await_input();
    case wire::Flow::closed:
      return end({.kind = Error::Kind::closed, .message = "the peer closed the connection"});
    case wire::Flow::failed: return end(wire::fail_system("receive", got.os_error).error());
    case wire::Flow::done: break;
  }
  input_.push({scratch_.data(), got.count});
  deliver();
}

void Stream::deliver() {
  delivering_ = true;
  while (open_ && !paused_) {
    const auto next = input_.next();
    if (!next) {
      end(next.error());
    } else if (const auto& text = *next) {
      handlers_.message(*text);
    } else {
      await_input();
      break;
    }
  }
  delivering_ = false;
}

void Stream::resume() {
  if (!std::exchange(paused_, false) || delivering_) return;
  // In a turn of its own, for whoever resumes is in the midst of another's.
  boost::asio::post(descriptor_.get_executor(), [weak = weak_from_this()] {
    const auto self = weak.lock();
    if (self != nullptr && self->open_ && !self->paused_ && !self->delivering_) self->deliver();
  });
}

void Stream::send(std::string_view bytes, std::vector<wire::Fd> fds) {
  if (!open_ || deaf_) return;
  for (auto& fd : fds) queued_fds_.push_back(std::move(fd));
  const auto waiting = queue_.size() - sent_;
  if (waiting == 0) {
    const auto count = transfer(bytes);
    if (deaf_ || count == bytes.size()) return;
    queue_ = bytes.substr(count);
    return await(Descriptor::wait_write, &Stream::write_queue);
  }
  if (waiting + bytes.size() > max_queue_)
    return end({.kind = Error::Kind::closed, .message = "the peer does not read what it is sent"});
  if (sent_ > waiting) queue_.erase(0, std::exchange(sent_, 0));
  queue_.append(bytes);
}

/// How many of the bytes went out.
std::size_t Stream::transfer(std::string_view bytes) {
  std::vector<int> fds;
  fds.reserve(queued_fds_.size());
  for (const auto& fd : queued_fds_) fds.push_back(fd.get());
  const auto sent = wire::send(descriptor_.native_handle(), bytes, fds);
  if (sent.flow == wire::Flow::would_block) return 0;
  queued_fds_.clear();
  // What a dying peer said last may still be unread; its end follows that.
  deaf_ = sent.flow != wire::Flow::done;
  return sent.count;
}

void Stream::write_queue() {
  const bool was_crowded = crowded();
  sent_ += transfer(std::string_view(queue_).substr(sent_));
  if (deaf_ || sent_ == queue_.size()) {
    queue_ = {};
    sent_ = 0;
  } else {
    await(Descriptor::wait_write, &Stream::write_queue);
  }
  if (was_crowded && !crowded()) handlers_.drained();
}

}  // namespace qmp
