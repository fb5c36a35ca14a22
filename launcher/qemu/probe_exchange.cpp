// SPDX-License-Identifier: MIT
#include "launcher/qemu/probe_exchange.h"

#include "launcher/qemu/json_read.h"

#include <poll.h>
#include <sys/socket.h>

#include <array>

namespace hv::qemu {
namespace {

namespace json = boost::json;

/// The largest honest conversation is 0.3 MB.
constexpr std::size_t most_bytes = std::size_t{16} << 20U;

std::unexpected<Error> closed() {
  return fail(Fault::missing, "qmp-closed", "QMP was closed before all was answered");
}

std::unexpected<Error> garbage(std::string_view line) {
  constexpr std::size_t shown = 60;
  return fail(Fault::missing, "qmp-garbage", "'{}' is not QMP", line.substr(0, shown));
}

std::string line_of(const ProbeRequest& request, std::uint64_t id) {
  json::object object{{"execute", request.command}, {"id", id}};
  if (!request.arguments.empty()) object["arguments"] = request.arguments;
  return json::serialize(object) + "\n";
}

}  // namespace

Result<std::vector<ProbeReply>> ProbeExchange::execute_all(std::span<const ProbeRequest> requests) {
  std::string output;
  if (!greeted_) output = "{\"execute\":\"qmp_capabilities\"}\n";
  const auto first = next_id_;
  for (const auto& request : requests) output += line_of(request, next_id_++);

  std::string_view unsent = output;
  std::vector<ProbeReply> replies;
  std::size_t searched = 0;
  while (replies.size() < requests.size()) {
    const auto end = input_.find('\n', searched);
    if (end == std::string::npos) {
      searched = input_.size();
      TRY(transfer(unsent));
      continue;
    }
    TRY(take(std::string_view(input_).substr(0, end), first + replies.size(), replies));
    input_.erase(0, end + 1);
    searched = 0;
  }
  return replies;
}

Result<> ProbeExchange::transfer(std::string_view& unsent) {
  pollfd ready{.fd = socket_.get(), .events = POLLIN, .revents = 0};
  if (!unsent.empty()) ready.events |= POLLOUT;
  const int count = ::poll(&ready, 1, milliseconds_until(deadline_));
  if (count < 0 && errno == EINTR) return {};
  if (count < 0) return fail_errno("wait for QMP");
  if (count == 0) return fail(Fault::timed_out, "qmp-timeout", "QMP did not answer in time");
  if ((ready.revents & POLLOUT) != 0) {
    const auto sent =
        ::send(socket_.get(), unsent.data(), unsent.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent > 0) unsent.remove_prefix(static_cast<std::size_t>(sent));
    // A peer that has gone may still have left words for us to read.
    if (sent < 0 && errno != EAGAIN && errno != EINTR) unsent = {};
  }
  if ((ready.revents & (POLLIN | POLLHUP | POLLERR)) != 0) return receive();
  return {};
}

Result<> ProbeExchange::receive() {
  std::array<char, 65536> buffer;
  const auto count = ::recv(socket_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
  if (count < 0 && (errno == EAGAIN || errno == EINTR)) return {};
  if (count <= 0) return closed();  // Also ECONNRESET: QEMU 11.1 ends that way.
  received_ += static_cast<std::size_t>(count);
  if (received_ > most_bytes)
    return fail(Fault::missing, "qmp-garbage", "QMP sent more than {} bytes", most_bytes);
  input_.append(buffer.data(), static_cast<std::size_t>(count));
  return {};
}

/// Adds the reply if the line is one; it must be that to request `expected`.
Result<> ProbeExchange::take(std::string_view line, std::uint64_t expected,
                             std::vector<ProbeReply>& replies) {
  json::error_code error;
  json::value message = json::parse(line, error);
  auto* const object = error ? nullptr : message.if_object();
  if (object == nullptr) return garbage(line);
  if (!greeted_) {
    if (!object->contains("QMP")) return garbage(line);
    greeted_ = true;
    return {};
  }
  if (object->contains("event") || !object->contains("id")) return {};
  // QEMU answers in order, out-of-band execution aside.
  if (number_in(&message, "id") != expected) return garbage(line);
  if (const auto* const failure = object->if_contains("error")) {
    replies.emplace_back(std::unexpect,
                         text_in(failure, "desc").value_or("an error without a description"));
    return {};
  }
  auto* const returned = object->if_contains("return");
  if (returned == nullptr) return garbage(line);
  replies.emplace_back(std::move(*returned));
  return {};
}

}  // namespace hv::qemu
