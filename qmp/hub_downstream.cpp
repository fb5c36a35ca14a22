// SPDX-License-Identifier: MIT
#include "qmp/hub.h"
#include "qmp/read.h"

#include <boost/asio/post.hpp>
#include <boost/json/parse.hpp>

#include <sys/socket.h>

#include <cerrno>

namespace qmp {
namespace {

namespace json = boost::json;

constexpr std::string_view generic = "GenericError";
constexpr std::string_view not_found = "CommandNotFound";

/// Takes the capabilities to enable from a qmp_capabilities command; the first
/// one that cannot be had is the error.
Result<bool> wants_oob(std::string_view text, std::size_t max_depth, bool offered) {
  json::parse_options options;
  options.max_depth = max_depth;
  boost::system::error_code error;
  const auto request = json::parse(text, error, {}, options);
  const auto* const arguments = error ? nullptr : member_at(request, "arguments");
  const auto* const enable = arguments != nullptr ? array_at(*arguments, "enable") : nullptr;
  bool oob = false;
  if (enable == nullptr) return oob;
  for (const auto& capability : *enable) {
    if (capability != "oob" || !offered)
      return fail(Error::Kind::unsupported,
                  "Capability " +
                      (capability.is_string() ? std::string(capability.get_string())
                                              : "that is not a string") +
                      " not available");
    oob = true;
  }
  return oob;
}

/// As the request wrote it: a name with an escape in it is none of QEMU's.
bool only_asks(const Envelope& request) {
  const auto command = request.find("execute");
  return command && command->starts_with("\"query-") && !request.find("exec-oob");
}

}  // namespace

void Multiplexer::Hub::await_client() {
  acceptor_.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                       [weak = weak_from_this()](const boost::system::error_code& error) {
                         const auto hub = weak.lock();
                         if (hub != nullptr && !error && hub->state_ == State::ready)
                           hub->accept_clients();
                       });
}

void Multiplexer::Hub::accept_clients() {
  for (;;) {
    wire::Fd fd(::accept4(listener_->fd(), nullptr, nullptr, SOCK_CLOEXEC));
    if (fd) {
      if (clients_.size() < options_.max_clients) add_client(std::move(fd));
    } else if (errno != EINTR && errno != ECONNABORTED) {
      break;
    }
  }
  if (errno == EAGAIN) return await_client();
  // Out of descriptors or memory, and nothing tells when there will be some.
  timer_.expires_after(std::chrono::seconds(1));
  timer_.async_wait([weak = weak_from_this()](const boost::system::error_code& error) {
    const auto hub = weak.lock();
    if (hub != nullptr && !error && hub->state_ == State::ready) hub->accept_clients();
  });
}

void Multiplexer::Hub::add_client(wire::Fd fd) {
  const auto key = next_client_++;
  auto stream = std::make_shared<Stream>(context_, limits(), options_.max_queue, scratch_);
  const auto weak = weak_from_this();
  Stream::Handlers handlers{.message =
                                [weak, key](std::string_view text) {
                                  if (const auto hub = weak.lock()) hub->take_request(key, text);
                                },
                            .end =
                                [weak, key](const Error&) {
                                  if (const auto hub = weak.lock()) hub->drop_client(key);
                                },
                            .drained =
                                [weak, key] {
                                  if (const auto hub = weak.lock()) hub->release(key);
                                }};
  // It fails where too much is watched already; the client sees its connection closed.
  if (!stream->start(std::move(fd), std::move(handlers))) return;
  stream->send(greeting_);
  clients_.try_emplace(key, context_, std::move(stream));
}

void Multiplexer::Hub::drop_client(std::uint64_t key) {
  const auto client = clients_.find(key);
  if (client == clients_.end()) return;
  client->second.stream().close();
  clients_.erase(client);
  schedule_.drop_client(key);
  release(key);
}

void Multiplexer::Hub::take_request(std::uint64_t key, std::string_view text) {
  const auto found = clients_.find(key);
  if (found == clients_.end()) return;
  auto& client = found->second;
  const auto request = Envelope::read(text, options_.max_depth);
  if (!request) return client.refuse(generic, request.error().message, std::nullopt);
  const auto id = request->find("id");
  if (client.negotiated) {
    if (request->find("exec-oob") && !client.oob)
      return client.refuse(generic, "QMP input member 'exec-oob' is unexpected", id);
    if (options_.rights == Rights::ask && !only_asks(*request))
      return client.refuse(not_found, "This socket takes only commands that ask: query-...", id);
    return forward(key, client, *request);
  }
  if (request->find("execute") == "\"qmp_capabilities\"") return negotiate(client, text, id);
  client.refuse(not_found, "Expecting capabilities negotiation with 'qmp_capabilities'", id);
}

void Multiplexer::Hub::negotiate(Downstream& client, std::string_view text,
                                 std::optional<std::string_view> id) {
  const auto oob = wants_oob(text, options_.max_depth, oob_);
  if (!oob) return client.refuse(generic, oob.error().message, id);
  client.negotiated = true;
  client.oob = *oob;
  client.answer(R"("return": {})", id);
}

void Multiplexer::Hub::forward(std::uint64_t key, Downstream& client, const Envelope& request) {
  const auto number = next_id_++;
  const auto name = request.find("execute");
  Command command{.id = number,
                  .client = key,
                  .line = request.with_id(std::to_string(number)) + "\n",
                  .in_band = !request.find("exec-oob"),
                  .takes_fds = name == "\"getfd\"" || name == "\"add-fd\""};
  if (auto& fds = client.stream().received_fds(); command.takes_fds && !fds.empty()) {
    command.fds.push_back(std::move(fds.front()));
    fds.pop_front();
  }
  client.expect(number, request.find("id"), command.in_band);
  schedule_.add(std::move(command));
  send_upstream();
}

void Multiplexer::Hub::deliver(std::uint64_t key, Downstream& client, std::string_view line) {
  client.stream().send(line);
  if (client.stream().crowded()) hold_up(key, client);
}

/// Lets QEMU wait for the client, within limits.
void Multiplexer::Hub::hold_up(std::uint64_t key, Downstream& client) {
  if (!crowded_.insert(key).second) return;
  upstream_->pause();
  client.patience().expires_after(options_.patience);
  client.patience().async_wait(
      [weak = weak_from_this(), key](const boost::system::error_code& error) {
        const auto hub = weak.lock();
        if (hub != nullptr && !error && hub->crowded_.contains(key)) hub->drop_client(key);
      });
}

void Multiplexer::Hub::release(std::uint64_t key) {
  if (crowded_.erase(key) == 0) return;
  if (const auto client = clients_.find(key); client != clients_.end())
    client->second.patience().cancel();
  if (crowded_.empty() && state_ == State::ready) upstream_->resume();
}

}  // namespace qmp
