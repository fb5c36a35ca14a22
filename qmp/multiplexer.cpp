// SPDX-License-Identifier: MIT
#include "qmp/multiplexer.h"

#include "qmp/hub.h"

namespace qmp {

Result<Multiplexer> Multiplexer::start(boost::asio::io_context& context,
                                       const MultiplexerOptions& options,
                                       MultiplexerHandlers handlers) try {
  auto upstream = wire::connect_unix(options.upstream, wire::Clock::now() + options.timeout);
  if (!upstream) return std::unexpected(std::move(upstream).error());
  auto hub = std::make_shared<Hub>(context, options, std::move(handlers));
  if (auto started = hub->start(*std::move(upstream)); !started)
    return std::unexpected(std::move(started).error());
  return Multiplexer(std::move(hub));
} catch (const boost::system::system_error& error) {
  return wire::fail_system("watch the QMP socket", error.code().value());
}

Multiplexer::Multiplexer(std::shared_ptr<Hub> hub) : hub_(std::move(hub)) {}
Multiplexer::Multiplexer(Multiplexer&&) noexcept = default;

Multiplexer::~Multiplexer() {
  if (hub_ != nullptr) hub_->stop();
}

std::size_t Multiplexer::clients() const {
  return hub_->clients();
}

}  // namespace qmp
