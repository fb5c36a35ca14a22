// SPDX-License-Identifier: MIT
#include "qmp/hub.h"

#include <boost/json/parse.hpp>

#include <charconv>

namespace qmp {
namespace {

namespace json = boost::json;

std::optional<std::uint64_t> number_of(std::string_view text) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

}  // namespace

Multiplexer::Hub::Hub(boost::asio::io_context& context, MultiplexerOptions options,
                      MultiplexerHandlers handlers)
    : context_(context),
      options_(std::move(options)),
      handlers_(std::move(handlers)),
      timer_(context),
      acceptor_(context) {}

Result<> Multiplexer::Hub::start(wire::Fd upstream) {
  // Clients that come before QEMU has negotiated wait for their greeting.
  if (auto opened = open_listener(); !opened) return opened;
  // QEMU's window is bounded by the schedule: its queue needs no bound of its own.
  upstream_ = std::make_shared<Stream>(context_, limits(), static_cast<std::size_t>(-1), scratch_);
  const auto weak = weak_from_this();
  const Stream::Handlers handlers{.message =
                                      [weak](std::string_view text) {
                                        if (const auto hub = weak.lock()) hub->take_upstream(text);
                                      },
                                  .end =
                                      [weak](Error error) {
                                        if (const auto hub = weak.lock())
                                          hub->fail_with(std::move(error));
                                      },
                                  .drained = [] {}};
  if (auto started = upstream_->start(std::move(upstream), handlers); !started) return started;
  timer_.expires_after(options_.timeout);
  timer_.async_wait([weak](const boost::system::error_code& error) {
    const auto hub = weak.lock();
    if (hub == nullptr || error || hub->state_ >= State::ready) return;
    hub->fail_with({.kind = Error::Kind::timed_out,
                    .message = hub->options_.upstream +
                               ": no greeting from QEMU in time; another client may hold this "
                               "monitor"});
  });
  return {};
}

void Multiplexer::Hub::stop() {
  state_ = State::stopped;
  timer_.cancel();
  if (acceptor_.is_open()) (void)acceptor_.release();  // The listener owns it.
  listener_.reset();
  if (upstream_ != nullptr) upstream_->close();
  for (auto& [key, client] : clients_) client.stream().close();
  clients_.clear();
}

void Multiplexer::Hub::fail_with(Error error) {
  if (state_ == State::stopped) return;
  stop();
  if (const auto closed = std::move(handlers_.closed)) closed(std::move(error));
}

void Multiplexer::Hub::take_upstream(std::string_view text) {
  upstream_->received_fds().clear();  // Nobody asked QEMU for descriptors.
  const auto message = Envelope::read(text, options_.max_depth);
  if (!message) return fail_with(message.error());
  if (state_ == State::greeting) return take_greeting(*message, text);
  if (const auto event = message->find("event")) return take_event(*event, text);
  if (state_ == State::negotiating) return take_negotiated(*message);
  take_reply(*message);
}

void Multiplexer::Hub::take_greeting(const Envelope& message, std::string_view text) {
  const auto greeting = message.find("QMP");
  if (!greeting)
    return fail_with({.kind = Error::Kind::malformed, .message = "not a QMP greeting"});
  greeting_ = std::string(text) + "\r\n";
  boost::system::error_code error;
  const auto parsed = json::parse(*greeting, error);
  const auto* const object = parsed.if_object();
  const auto* const capabilities =
      object != nullptr ? object->if_contains("capabilities") : nullptr;
  if (capabilities != nullptr && capabilities->is_array())
    for (const auto& capability : capabilities->get_array()) oob_ |= capability == "oob";
  state_ = State::negotiating;
  upstream_->send(oob_ ? R"({"execute":"qmp_capabilities","arguments":{"enable":["oob"]},"id":0})"
                         "\n"
                       : R"({"execute":"qmp_capabilities","id":0})"
                         "\n");
}

void Multiplexer::Hub::take_negotiated(const Envelope& message) {
  if (message.find("id") != "0" || !message.find("return"))
    return fail_with({.kind = Error::Kind::malformed, .message = "QEMU refused to negotiate"});
  timer_.cancel();
  state_ = State::ready;
  await_client();
  if (handlers_.ready) handlers_.ready();
}

Result<> Multiplexer::Hub::open_listener() {
  auto listener = Listener::open(options_.listen, options_.mode);
  if (!listener) return std::unexpected(std::move(listener).error());
  boost::system::error_code error;
  (void)acceptor_.assign(listener->fd(), error);
  if (error) return wire::fail_system("watch " + options_.listen, error.value());
  listener_ = std::make_unique<Listener>(*std::move(listener));
  return {};
}

void Multiplexer::Hub::take_event(std::string_view name, std::string_view text) {
  const auto line = std::string(text) + "\r\n";
  for (auto& [key, client] : clients_)
    if (client.negotiated) deliver(key, client, line);
  if (!handlers_.event || name.size() < 2) return;
  json::parse_options options;
  options.max_depth = options_.max_depth;
  boost::system::error_code error;
  const auto message = json::parse(text, error, {}, options);
  // Last, and a copy: the owner may destroy the multiplexer from within.
  const auto handler = handlers_.event;
  if (!error && message.get_object().at("event").is_string())
    handler(message.get_object().at("event").get_string(), message.get_object());
}

void Multiplexer::Hub::take_reply(const Envelope& message) {
  const auto id = message.find("id");
  auto number = id ? number_of(*id) : std::nullopt;
  // QEMU leaves out the id when it could not read the command.
  if (!id && message.find("error")) number = schedule_.oldest();
  if (!number) return;
  const auto key = schedule_.finish(*number);
  send_upstream();
  if (!key) return;
  const auto client = clients_.find(*key);
  if (client == clients_.end()) return;  // It left.
  const auto expected = client->second.take(*number);
  if (!expected) return;
  deliver(*key, client->second, message.with_id(expected->id) + "\r\n");
  client->second.advance();
}

void Multiplexer::Hub::send_upstream() {
  while (auto command = schedule_.next()) upstream_->send(command->line, std::move(command->fds));
}

}  // namespace qmp
