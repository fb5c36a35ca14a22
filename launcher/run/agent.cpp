// SPDX-License-Identifier: MIT
#include "launcher/run/agent.h"

#include "launcher/base/unix_socket.h"
#include "launcher/run/monitor.h"
#include "qmp/read.h"

#include <sys/socket.h>
#include <boost/json.hpp>

#include <algorithm>
#include <array>

namespace hv::run {

namespace json = boost::json;

bool agent_listens(qmp::Client& client, qmp::Deadline deadline) {
  const auto reply = client.execute("query-chardev", {}, deadline);
  const auto* const chardevs = reply ? reply->if_array() : nullptr;
  return chardevs != nullptr && std::ranges::any_of(*chardevs, [](const json::value& chardev) {
           return qmp::string_at(chardev, "label") == "agent" &&
                  qmp::bool_at(chardev, "frontend-open") == true;
         });
}

Result<UniqueFd> tell_agent(const Place& place, std::string_view name,
                            const json::object& arguments) {
  // Others may wait there already.
  auto fd = TRY(connect_unix(place.file("agent.sock"), std::chrono::seconds(1)),
                "connecting to the guest agent");
  json::object request = {{"execute", name}};
  if (!arguments.empty()) request["arguments"] = arguments;
  const auto line = json::serialize(request) + "\n";
  if (::send(fd.get(), line.data(), line.size(), MSG_NOSIGNAL) < 0)
    return fail_errno("write to the guest agent");
  return fd;
}

Result<> tell_console_size(const Place& place, std::string_view tty, unsigned rows,
                           unsigned columns) {
  constexpr std::chrono::milliseconds patience{200};
  auto monitor = TRY(connect_monitor(place, patience));
  if (!agent_listens(monitor, patience)) return {};
  json::array arguments = {"-F",   fmt::format("/dev/{}", tty), "rows", std::to_string(rows),
                           "cols", std::to_string(columns)};
  const auto agent =
      TRY(tell_agent(place, "guest-exec", {{"path", "stty"}, {"arg", std::move(arguments)}}));
  std::array<char, 256> answer{};  // That there is one will do: the request has arrived.
  if (::recv(agent.get(), answer.data(), answer.size(), 0) < 0)
    return fail_errno("read from the guest agent");
  return {};
}

}  // namespace hv::run
