// SPDX-License-Identifier: MIT
#include "launcher/run/host_ports.h"

#include "launcher/base/unique_fd.h"

#include <doctest/doctest.h>
#include <netinet/in.h>
#include <sys/socket.h>

using hv::run::require_free;

namespace {

/// A port of 127.0.0.1 that the kernel has chosen, as a server has it.
class Server {
 public:
  explicit Server(int type) : fd_(::socket(AF_INET, type | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* const plain = reinterpret_cast<sockaddr*>(&address);
    REQUIRE_EQ(::bind(fd_.get(), plain, size), 0);
    if (type == SOCK_STREAM) REQUIRE_EQ(::listen(fd_.get(), 1), 0);
    REQUIRE_EQ(::getsockname(fd_.get(), plain, &size), 0);
    port_ = ntohs(address.sin_port);
  }
  [[nodiscard]] std::uint64_t port() const { return port_; }

 private:
  hv::UniqueFd fd_;
  std::uint64_t port_ = 0;
};

}  // namespace

TEST_CASE("a port that a program of the host has is refused before QEMU wants it") {
  struct Row {
    int type;
    const char* protocol;
    const char* words;
  };
  for (const auto& [type, protocol, words] :
       {Row{SOCK_STREAM, "tcp", "`ss -lnpt"}, Row{SOCK_DGRAM, "udp", "`ss -lnpu"}}) {
    CAPTURE(protocol);
    std::uint64_t port = 0;
    {
      const Server server(type);
      port = server.port();
      for (const auto* const address : {"127.0.0.1", "0.0.0.0"}) {
        const auto taken = require_free({{protocol, address, port}});
        REQUIRE_FALSE(taken.has_value());
        CHECK_EQ(taken.error().id, "port-in-use");
        CHECK_EQ(taken.error().fault, hv::Fault::state);
        CHECK_EQ(taken.error().origin.pointer, "/network/forward");
        CHECK(taken.error().message.contains(std::to_string(port)));
        CHECK(taken.error().hint.contains(words));
      }
      CHECK(require_free({{protocol, "127.0.0.2", port}}).has_value());
    }
    CHECK(require_free({{protocol, "127.0.0.1", port}}).has_value());
  }
  CHECK(require_free(std::vector<hv::plan::HostPort>()).has_value());
}

TEST_CASE("an address that this host has not is refused by name") {
  const auto refused = require_free({{"tcp", "192.0.2.77", 4000}});
  REQUIRE_FALSE(refused.has_value());
  CHECK_EQ(refused.error().id, "port-refused");
  CHECK(refused.error().hint.contains("ip -4 address"));
}
