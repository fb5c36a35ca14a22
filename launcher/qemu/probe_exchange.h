// SPDX-License-Identifier: MIT
//
// A pipelined QMP conversation for the probe: all requests in one write, then
// all replies.
#pragma once

#include "launcher/base/error.h"
#include "launcher/base/unique_fd.h"
#include "launcher/qemu/probe_child.h"

#include <boost/json.hpp>

#include <expected>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace hv::qemu {

struct ProbeRequest {
  std::string_view command;
  boost::json::object arguments{};
};

/// What QEMU returned, or its words for why not.
using ProbeReply = std::expected<boost::json::value, std::string>;

class ProbeExchange {
 public:
  ProbeExchange(UniqueFd socket, Deadline deadline)
      : socket_(std::move(socket)), deadline_(deadline) {}

  /// One reply for each request, in their order. The first call negotiates
  /// too. Errors: "qmp-closed", "qmp-garbage", "qmp-timeout".
  [[nodiscard]] Result<std::vector<ProbeReply>> execute_all(std::span<const ProbeRequest> requests);

 private:
  [[nodiscard]] Result<> transfer(std::string_view& unsent);
  [[nodiscard]] Result<> receive();
  [[nodiscard]] Result<> take(std::string_view line, std::uint64_t expected,
                              std::vector<ProbeReply>& replies);

  UniqueFd socket_;
  Deadline deadline_;
  std::string input_;
  std::size_t received_ = 0;
  std::uint64_t next_id_ = 0;
  bool greeted_ = false;
};

}  // namespace hv::qemu
