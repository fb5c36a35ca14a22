// SPDX-License-Identifier: MIT
//
// What systemd in a guest says of itself over vsock: the datagrams of sd_notify(3), each on
// a connection of its own (systemd.system-credentials(7), vmm.notify_socket).
#pragma once

#include "launcher/run/place.h"

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace boost::asio {
class io_context;
}

namespace hv::run {

/// Hears one guest, and keeps the last it said in the file `notice`.
class NoticeListener {
 public:
  /// Nothing is heard of others than the guest with address `cid`.
  [[nodiscard]] static Result<NoticeListener> start(boost::asio::io_context& context,
                                                    const Place& place, std::uint64_t cid,
                                                    std::uint32_t port);
  NoticeListener(NoticeListener&&) noexcept;
  NoticeListener& operator=(NoticeListener&&) = delete;
  NoticeListener(const NoticeListener&) = delete;
  NoticeListener& operator=(const NoticeListener&) = delete;
  ~NoticeListener();

 private:
  class Impl;
  explicit NoticeListener(std::shared_ptr<Impl> impl);

  std::shared_ptr<Impl> impl_;
};

/// The lines of what the guest said last; empty: nothing yet.
[[nodiscard]] std::string read_notice(const Place& place);

[[nodiscard]] bool is_ready(std::string_view notice);

/// Of a line STATUS=…; empty: there is none.
[[nodiscard]] std::string status_of(std::string_view notice);

/// `before` with the lines that came: of each name the last, and of those that mean nothing to
/// us none.
[[nodiscard]] std::string merged_notice(std::string_view before, std::string_view came);

}  // namespace hv::run
