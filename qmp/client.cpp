// SPDX-License-Identifier: MIT
#include "qmp/client.h"

#include "qmp/connection.h"
#include "qmp/read.h"

#include <boost/json/serialize.hpp>

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <deque>

namespace qmp {
namespace {

namespace json = boost::json;

using Replies = std::vector<std::optional<Result<json::value>>>;

struct Line {
  std::string_view verb;  ///< "execute" or "exec-oob".
  std::string_view name;
  const json::object& arguments;
};

std::string text_of(const Line& line, std::uint64_t id) {
  auto text = "{\"" + std::string(line.verb) + "\":" + json::serialize(line.name);
  if (!line.arguments.empty()) text += ",\"arguments\":" + json::serialize(line.arguments);
  return text + ",\"id\":" + std::to_string(id) + "}\n";
}

Result<json::value> result_of(json::object& reply) {
  if (auto* const result = reply.if_contains("return")) return std::move(*result);
  const auto* const error = reply.if_contains("error");
  if (error == nullptr)
    return fail(Error::Kind::malformed, "a reply has neither 'return' nor 'error'");
  return std::unexpected(Error{.kind = Error::Kind::refused,
                               .message = string_at(*error, "desc").value_or("unspecified error"),
                               .error_class = string_at(*error, "class").value_or("")});
}

std::chrono::microseconds timestamp_of(const json::object& event) {
  constexpr std::uint64_t year_5138 = 100'000'000'000;  // What is later would overflow in the end.
  const auto* const stamp = event.if_contains("timestamp");
  if (stamp == nullptr) return {};
  const auto seconds = uint_at(*stamp, "seconds").value_or(0);
  const auto microseconds = uint_at(*stamp, "microseconds").value_or(0);
  if (seconds > year_5138 || microseconds > 999'999) return {};
  return std::chrono::seconds(seconds) + std::chrono::microseconds(microseconds);
}

ServerInfo server_of(const json::value& greeting) {
  ServerInfo info;
  if (const auto* const version = member_at(greeting, "version")) {
    info.package = string_at(*version, "package").value_or("");
    if (const auto* const qemu = member_at(*version, "qemu")) {
      info.major = static_cast<unsigned>(uint_at(*qemu, "major").value_or(0));
      info.minor = static_cast<unsigned>(uint_at(*qemu, "minor").value_or(0));
      info.micro = static_cast<unsigned>(uint_at(*qemu, "micro").value_or(0));
    }
  }
  if (const auto* const capabilities = array_at(greeting, "capabilities"))
    for (const auto& capability : *capabilities)
      if (capability.is_string()) info.capabilities.emplace_back(capability.get_string());
  return info;
}

}  // namespace

class Client::Impl {
 public:
  explicit Impl(const Options& options) : options_(options) {}

  Result<> start(wire::Fd fd, Clock::time_point deadline);
  /// Sends requests and waits for their replies, which are left in `replies`.
  Result<> exchange(std::span<const Line> requests, std::span<const int> fds, Replies& replies,
                    Clock::time_point deadline);
  Result<json::value> execute(const Line& request, std::span<const int> fds, Deadline deadline);
  Result<Event> next_event(Clock::time_point deadline);

  Options options_;
  ServerInfo server_;
  Dropped dropped_;
  bool oob_ = false;
  std::deque<Event> events_;
  std::unique_ptr<Connection> connection_;

 private:
  Result<> take_greeting(Clock::time_point deadline);
  void take(json::object message);
  void take_event(std::string name, json::object& message);
  void take_reply(json::object& message);
  void answer(std::size_t slot, json::object& message);

  json::value greeting_;  ///< Null before it came.
  std::uint64_t next_id_ = 1;
  // The requests that wait for a reply: ids from first_id_ on, one slot each.
  std::uint64_t first_id_ = 1;
  std::size_t unanswered_ = 0;
  Replies* replies_ = nullptr;
};

Result<> Client::Impl::start(wire::Fd fd, Clock::time_point deadline) {
  auto connection = Connection::open(std::move(fd),
                                     {.message = options_.max_message, .depth = options_.max_depth},
                                     [this](json::object message) { take(std::move(message)); });
  if (!connection) return std::unexpected(std::move(connection).error());
  connection_ = *std::move(connection);
  if (auto greeted = take_greeting(deadline); !greeted) return greeted;

  json::object arguments;
  oob_ = options_.oob && std::ranges::count(server_.capabilities, "oob") > 0;
  if (oob_) arguments["enable"] = json::array{"oob"};
  auto ready = execute({"execute", "qmp_capabilities", arguments}, {}, deadline);
  if (ready) return {};
  ready.error().message = "negotiate capabilities: " + ready.error().message;
  return std::unexpected(std::move(ready).error());
}

Result<> Client::Impl::take_greeting(Clock::time_point deadline) {
  while (greeting_.is_null()) {
    if (auto got = connection_->receive(deadline); !got) {
      if (got.error().kind != Error::Kind::timed_out) return got;
      return fail(Error::Kind::timed_out,
                  "no greeting from QEMU in time; another client may hold this monitor",
                  "end the other client, or use another monitor");
    }
  }
  server_ = server_of(greeting_);
  return {};
}

Result<> Client::Impl::exchange(std::span<const Line> requests, std::span<const int> fds,
                                Replies& replies, Clock::time_point deadline) {
  first_id_ = next_id_;
  next_id_ += requests.size();
  unanswered_ = requests.size();
  replies.resize(requests.size());
  replies_ = &replies;
  std::string lines;
  for (auto id = first_id_; const auto& request : requests) lines += text_of(request, id++);

  auto done = connection_->send(lines, fds, deadline);
  while (done && unanswered_ > 0) done = connection_->receive(deadline);
  replies_ = nullptr;
  return done;
}

Result<json::value> Client::Impl::execute(const Line& request, std::span<const int> fds,
                                          Deadline deadline) {
  Replies replies;
  auto done = exchange({&request, 1}, fds, replies, deadline.or_in(options_.timeout));
  if (auto& reply = replies.front()) return *std::move(reply);
  auto& error = done.error();
  if (error.kind == Error::Kind::timed_out)
    error.message = "no reply to '" + std::string(request.name) + "' in time";
  return std::unexpected(std::move(error));
}

void Client::Impl::take(json::object message) {
  if (auto name = string_at(message, "event"))
    take_event(*std::move(name), message);
  else if (auto* const greeting = message.if_contains("QMP");
           greeting != nullptr && greeting_.is_null())
    greeting_ = std::move(*greeting);
  else
    take_reply(message);
}

void Client::Impl::take_event(std::string name, json::object& message) {
  while (!events_.empty() && events_.size() >= options_.max_events) {
    events_.pop_front();
    ++dropped_.events;
  }
  if (options_.max_events == 0) {
    ++dropped_.events;
    return;
  }
  Event event{.name = std::move(name), .data = {}, .timestamp = timestamp_of(message)};
  if (auto* const data = message.if_contains("data"); data != nullptr && data->is_object())
    event.data = std::move(data->get_object());
  events_.push_back(std::move(event));
}

void Client::Impl::take_reply(json::object& message) {
  // QEMU leaves out the id if it could not read the request. Replies in order
  // make that the answer to the oldest.
  if (!message.contains("id") && message.contains("error") && replies_ != nullptr) {
    const auto oldest =
        std::ranges::find_if(*replies_, [](const auto& reply) { return !reply.has_value(); });
    if (oldest != replies_->end())
      return answer(static_cast<std::size_t>(oldest - replies_->begin()), message);
  }
  const auto id = uint_at(message, "id").value_or(0);
  const auto slot = id - first_id_;
  const bool awaited = replies_ != nullptr && id >= first_id_ && slot < replies_->size() &&
                       !(*replies_)[slot].has_value();
  if (awaited)
    answer(slot, message);
  else if (id > 0 && id < next_id_)
    ++dropped_.late;
  else
    ++dropped_.unsolicited;
}

void Client::Impl::answer(std::size_t slot, json::object& message) {
  (*replies_)[slot] = result_of(message);
  --unanswered_;
}

Result<Event> Client::Impl::next_event(Clock::time_point deadline) {
  while (events_.empty()) {
    auto got = connection_->receive(deadline);
    if (got || !events_.empty()) continue;
    if (got.error().kind == Error::Kind::timed_out) got.error().message = "no event in time";
    return std::unexpected(std::move(got).error());
  }
  auto event = std::move(events_.front());
  events_.pop_front();
  return event;
}

Client::Client(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Client::Client(Client&&) noexcept = default;
Client& Client::operator=(Client&&) noexcept = default;
Client::~Client() = default;

Result<Client> Client::connect(const std::string& socket_path, const Options& options) {
  const auto deadline = Clock::now() + options.timeout;
  auto fd = wire::connect_unix(socket_path, deadline);
  if (!fd) return std::unexpected(std::move(fd).error());
  auto impl = std::make_unique<Impl>(options);
  if (auto ready = impl->start(*std::move(fd), deadline); !ready) {
    ready.error().message = socket_path + ": " + ready.error().message;
    return std::unexpected(std::move(ready).error());
  }
  return Client(std::move(impl));
}

Result<Client> Client::attach(int fd, const Options& options) {
  auto impl = std::make_unique<Impl>(options);
  auto ready = impl->start(wire::Fd(fd), Clock::now() + options.timeout);
  if (!ready) return std::unexpected(std::move(ready).error());
  return Client(std::move(impl));
}

Result<json::value> Client::execute(std::string_view name, const json::object& arguments,
                                    Deadline deadline) {
  return impl_->execute({"execute", name, arguments}, {}, deadline);
}

Result<json::value> Client::execute_oob(std::string_view name, const json::object& arguments,
                                        Deadline deadline) {
  if (!impl_->oob_)
    return fail(Error::Kind::unsupported, "out-of-band execution was not negotiated",
                "connect with oob = true, to a QEMU that offers it");
  return impl_->execute({"exec-oob", name, arguments}, {}, deadline);
}

Result<json::value> Client::execute_with_fds(std::string_view name, const json::object& arguments,
                                             std::span<const int> fds, Deadline deadline) {
  if (fds.size() > wire::max_fds)
    return fail(Error::Kind::unsupported,
                "QEMU takes at most " + std::to_string(wire::max_fds) + " descriptors at once");
  return impl_->execute({"execute", name, arguments}, fds, deadline);
}

Result<std::vector<Result<json::value>>> Client::execute_all(std::span<const Request> requests,
                                                             Deadline deadline) {
  std::vector<Line> lines;
  for (const auto& [name, arguments] : requests) lines.push_back({"execute", name, arguments});
  Replies replies;
  const auto done = impl_->exchange(lines, {}, replies, deadline.or_in(impl_->options_.timeout));
  std::vector<Result<json::value>> results;
  for (auto& reply : replies)
    results.push_back(reply ? *std::move(reply) : std::unexpected(done.error()));
  return results;
}

Result<Event> Client::next_event(Deadline deadline) {
  return impl_->next_event(deadline.or_in(impl_->options_.timeout));
}

std::optional<Event> Client::take_event() {
  if (impl_->events_.empty()) return std::nullopt;
  auto event = std::move(impl_->events_.front());
  impl_->events_.pop_front();
  return event;
}

const ServerInfo& Client::server() const {
  return impl_->server_;
}

const Dropped& Client::dropped() const {
  return impl_->dropped_;
}

int Client::native_handle() const {
  return impl_->connection_->fd();
}

Result<pid_t> Client::peer_pid() const {
  ucred peer{};
  socklen_t size = sizeof peer;
  if (::getsockopt(native_handle(), SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
    return wire::fail_system("ask for the peer of the QMP socket", errno);
  return peer.pid;
}

}  // namespace qmp
