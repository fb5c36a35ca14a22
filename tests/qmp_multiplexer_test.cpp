// SPDX-License-Identifier: MIT
#include "qmp/multiplexer.h"

#include "qmp/client.h"
#include "qmp/commands.h"
#include "qmp_peer.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include <cstdlib>
#include <filesystem>
#include <future>
#include <optional>

namespace {

using namespace std::chrono_literals;
using qmp::Error;
using qmp_test::End;
namespace json = boost::json;
namespace fs = std::filesystem;

class TempDir {
 public:
  TempDir() {
    std::string pattern = "/tmp/qmp-test-XXXXXX";
    if (::mkdtemp(pattern.data()) != nullptr) path_ = pattern;
  }
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  ~TempDir() { fs::remove_all(path_); }
  [[nodiscard]] std::string operator/(const char* name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

int unix_socket(const std::string& path, bool listening) {
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  const auto* const generic = reinterpret_cast<const sockaddr*>(&address);
  if (listening) {
    REQUIRE_EQ(::bind(fd, generic, sizeof address), 0);
    REQUIRE_EQ(::listen(fd, 8), 0);
  } else {
    REQUIRE_EQ(::connect(fd, generic, sizeof address), 0);
  }
  return fd;
}

/// A multiplexer in a thread, and the QEMU below it, played by the test.
class Rig {
 public:
  explicit Rig(qmp::MultiplexerOptions options = {}, bool negotiate = true)
      : listener_(unix_socket(directory / "monitor", true)) {
    options.upstream = directory / "monitor";
    options.listen = path();
    auto started = qmp::Multiplexer::start(
        context_, options,
        {.ready = [this] { ready_.set_value(); },
         .event =
             [this](std::string_view name, const json::object& message) {
               events.emplace_back(std::string(name) + " " + json::serialize(message));
             },
         .closed = [this](Error error) { closed_.set_value(std::move(error)); }});
    REQUIRE(started.has_value());
    multiplexer_.emplace(*std::move(started));
    thread_ = std::jthread([this] { context_.run(); });
    qemu.emplace(::accept4(listener_.fd(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!negotiate) return;
    qemu->write(qmp_test::greeting);
    CHECK_EQ(qemu->line(),
             R"({"execute":"qmp_capabilities","arguments":{"enable":["oob"]},"id":0})");
    qemu->write("{\"return\": {}, \"id\": 0}\r\n");
    REQUIRE_EQ(ready_.get_future().wait_for(2s), std::future_status::ready);
  }
  Rig(const Rig&) = delete;
  Rig& operator=(const Rig&) = delete;
  ~Rig() { stop(); }

  void stop() {
    boost::asio::post(context_, [this] { multiplexer_.reset(); });
    if (thread_.joinable()) thread_.join();
  }

  [[nodiscard]] std::string path() const { return directory / "qmp.sock"; }
  [[nodiscard]] End connect() { return End(unix_socket(path(), false)); }
  [[nodiscard]] End negotiated(bool oob = false) {
    auto client = connect();
    CHECK_EQ(client.line() + "\r\n", qmp_test::greeting);
    client.write(oob ? R"({"execute":"qmp_capabilities","arguments":{"enable":["oob"]}})"
                     : R"({"execute":"qmp_capabilities"})");
    CHECK_EQ(client.line(), R"({"return": {}})");
    return client;
  }
  /// The error that ended the multiplexer.
  [[nodiscard]] Error closed() {
    auto future = closed_.get_future();
    if (future.wait_for(2s) != std::future_status::ready) return {.message = "still open"};
    return future.get();
  }
  [[nodiscard]] std::size_t clients() {
    std::promise<std::size_t> count;
    boost::asio::post(context_, [&] { count.set_value(multiplexer_->clients()); });
    return count.get_future().get();
  }

  TempDir directory;
  std::optional<End> qemu;
  std::vector<std::string> events;  ///< To be read after stop().

 private:
  End listener_;
  boost::asio::io_context context_;
  std::optional<qmp::Multiplexer> multiplexer_;
  std::promise<void> ready_;
  std::promise<Error> closed_;
  std::jthread thread_;
};

/// What QEMU was sent, without its id, and a reply with that id.
std::string answered(End& qemu, const std::string& result) {
  auto request = qemu.message().as_object();
  const auto id = json::serialize(request.at("id"));
  request.erase("id");
  qemu.write("{\"return\": " + result + ", \"id\": " + id + "}\r\n");
  return json::serialize(request);
}

TEST_CASE("qmp multiplexer: each client negotiates for itself and keeps its ids") {
  Rig rig;
  auto first = rig.connect();
  auto second = rig.negotiated();
  CHECK_EQ(first.line() + "\r\n", qmp_test::greeting);
  first.write(R"({"execute": "query-status", "id": "early"})");
  CHECK_EQ(first.line(),
           R"({"error": {"class": "CommandNotFound", "desc": )"
           R"("Expecting capabilities negotiation with 'qmp_capabilities'"}, "id": "early"})");
  first.write(R"({"execute": "qmp_capabilities", "arguments": {"enable": ["x"]}})");
  CHECK_EQ(first.line(),
           R"({"error": {"class": "GenericError", "desc": "Capability x not available"}})");
  first.write(R"({"execute": "qmp_capabilities", "id": {"a": [1]}})");
  CHECK_EQ(first.line(), R"({"return": {}, "id": {"a": [1]}})");

  first.write(R"({"execute": "a", "id": {"n": [1, 2]}})");
  CHECK_EQ(answered(*rig.qemu, "1"), R"({"execute":"a"})");
  CHECK_EQ(first.line(), R"({"return": 1, "id": {"n": [1, 2]}})");
  second.write(R"({"arguments": {"x": 1.50}, "execute": "b"})");
  CHECK_EQ(rig.qemu->line(), R"({"id":2,"arguments": {"x": 1.50}, "execute": "b"})");
  rig.qemu->write(R"({"id": 2, "error": {"class": "GenericError", "desc": "no"}})");
  CHECK_EQ(second.line(), R"({"error": {"class": "GenericError", "desc": "no"}})");
}

TEST_CASE("qmp multiplexer: who may only ask is refused the rest, and QEMU does not see it") {
  const auto umask_before = ::umask(0077);
  Rig rig({.mode = 0660, .rights = qmp::Rights::ask});
  ::umask(umask_before);
  struct stat status {};
  REQUIRE_EQ(::stat((rig.directory / "qmp.sock").c_str(), &status), 0);
  CHECK_EQ(status.st_mode & 0777U, 0660);
  auto client = rig.negotiated(true);
  for (const auto* const request :
       {R"({"execute": "stop"})", R"({"execute": "qmp_capabilities"})",
        R"({"execute": "qu\u0065ry-status"})", R"({"exec-oob": "query-status"})",
        R"({"execute": "query-status", "exec-oob": "stop"})", R"({"execute": 7})"}) {
    client.write(request);
    CHECK_EQ(client.line(), R"({"error": {"class": "CommandNotFound", "desc": )"
                            R"("This socket takes only commands that ask: query-..."}})");
  }
  client.write(R"({"execute": "query-status"})");
  CHECK_EQ(answered(*rig.qemu, "1"), R"({"execute":"query-status"})");
  CHECK_EQ(client.line(), R"({"return": 1})");
}

TEST_CASE("qmp multiplexer: clients that come before QEMU answers are greeted when it does") {
  Rig rig({}, false);
  auto early = rig.connect();
  rig.qemu->write(qmp_test::greeting);
  (void)rig.qemu->line();
  rig.qemu->write("{\"return\": {}, \"id\": 0}\r\n");
  CHECK_EQ(early.line() + "\r\n", qmp_test::greeting);
  early.write(R"({"execute":"qmp_capabilities"})");
  CHECK_EQ(early.line(), R"({"return": {}})");
}

TEST_CASE("qmp multiplexer: replies go to who asked, whoever asked first") {
  Rig rig;
  auto first = rig.negotiated();
  auto second = rig.negotiated();
  first.write(R"({"execute":"a","id":1})");
  CHECK_EQ(rig.qemu->line(), R"({"execute":"a","id":1})");
  second.write(R"({"execute":"b","id":1})");
  CHECK_EQ(rig.qemu->line(), R"({"execute":"b","id":2})");
  rig.qemu->write(R"({"return": "b", "id": 2}{"return": "?", "id": 77}{"return": "a", "id": 1})");
  CHECK_EQ(second.line(), R"({"return": "b", "id": 1})");
  CHECK_EQ(first.line(), R"({"return": "a", "id": 1})");
}

TEST_CASE("qmp multiplexer: an error of our own waits for its turn") {
  Rig rig;
  auto client = rig.negotiated();
  client.write("{\"execute\":\"a\"}\n[1]\n{\"exec-oob\":\"x\",\"id\":5}{\"execute\":\"b\"}");
  CHECK_EQ(answered(*rig.qemu, "1"), R"({"execute":"a"})");
  CHECK_EQ(answered(*rig.qemu, "2"), R"({"execute":"b"})");
  CHECK_EQ(client.line(), R"({"return": 1})");
  CHECK(client.line().contains("must be a JSON object"));
  CHECK_EQ(client.line(), R"({"error": {"class": "GenericError", "desc": )"
                          R"("QMP input member 'exec-oob' is unexpected"}, "id": 5})");
  CHECK_EQ(client.line(), R"({"return": 2})");
}

TEST_CASE("qmp multiplexer: QEMU's error without id answers the oldest command") {
  Rig rig;
  auto client = rig.negotiated();
  client.write(R"({"execute":"a"}{"execute":"b"})");
  (void)rig.qemu->line();
  rig.qemu->write(R"({"error": {"desc": "duplicate key"}})");
  CHECK_EQ(client.line(), R"({"error": {"desc": "duplicate key"}})");
  CHECK_EQ(answered(*rig.qemu, "2"), R"({"execute":"b"})");
  CHECK_EQ(client.line(), R"({"return": 2})");
}

TEST_CASE("qmp multiplexer: events reach all who have negotiated, and the owner") {
  Rig rig;
  auto silent = rig.connect();
  (void)silent.line();
  auto first = rig.negotiated();
  auto second = rig.negotiated();
  const std::string event = R"({"timestamp": {"seconds": 1}, "event": "STOP", "data": {"x": 1}})";
  rig.qemu->write(event + "\r\n");
  CHECK_EQ(first.line(), event);
  CHECK_EQ(second.line(), event);
  silent.write(R"({"execute":"qmp_capabilities"})");
  CHECK_EQ(silent.line(), R"({"return": {}})");
  rig.stop();
  REQUIRE_EQ(rig.events.size(), 1);
  CHECK(rig.events[0].starts_with("STOP {"));
}

TEST_CASE("qmp multiplexer: an out-of-band command passes eight others, not more") {
  Rig rig;
  auto busy = rig.negotiated();
  auto urgent = rig.negotiated(true);
  for (int i = 0; i < 12; ++i) busy.write(R"({"execute":"slow"})");
  for (int i = 0; i < 8; ++i) CHECK(rig.qemu->line().contains("slow"));
  urgent.write(R"({"exec-oob":"yank","id":"now"})");
  const auto yank = rig.qemu->message();
  CHECK_EQ(yank.at("exec-oob"), "yank");
  rig.qemu->write("{\"return\": {}, \"id\": " + json::serialize(yank.at("id")) + "}\r\n");
  CHECK_EQ(urgent.line(), R"({"return": {}, "id": "now"})");
  rig.qemu->write(R"({"return": 1, "id": 1})");
  CHECK_EQ(busy.line(), R"({"return": 1})");
  CHECK(rig.qemu->line().contains("slow"));
}

TEST_CASE("qmp multiplexer: a descriptor goes with the command that takes it") {
  Rig rig;
  auto client = rig.negotiated();
  std::array<int, 2> pipe{};
  REQUIRE_EQ(::pipe2(pipe.data(), O_CLOEXEC), 0);
  client.write(R"({"execute":"a"})");
  client.write_with_fd(R"({"execute":"getfd","arguments":{"fdname":"x"}})", pipe[1]);
  (void)rig.qemu->line();
  CHECK(rig.qemu->line().contains("getfd"));
  REQUIRE_EQ(rig.qemu->fds.size(), 1);
  CHECK_EQ(::write(rig.qemu->fds[0], "hi", 2), 2);
  std::array<char, 2> got{};
  CHECK_EQ(::read(pipe[0], got.data(), 2), 2);
  for (const int fd : {pipe[0], pipe[1], rig.qemu->fds[0]}) ::close(fd);
}

TEST_CASE("qmp multiplexer: a client that leaves early does not disturb the others") {
  Rig rig;
  auto other = rig.negotiated();
  {
    auto leaver = rig.negotiated();
    for (int i = 0; i < 12; ++i) leaver.write(R"({"execute":"a"})");
    for (int i = 0; i < 8; ++i) CHECK(rig.qemu->line().contains("\"a\""));
  }
  other.write(R"({"execute":"b"})");
  for (int i = 1; i <= 8; ++i)
    rig.qemu->write("{\"return\": 0, \"id\": " + std::to_string(i) + "}\r\n");
  // What had not been sent may have gone with its client, or not yet.
  while (answered(*rig.qemu, "\"mine\"") != R"({"execute":"b"})") {
  }
  CHECK_EQ(other.line(), R"({"return": "mine"})");
}

TEST_CASE("qmp multiplexer: when QEMU goes, all clients and the socket go, and the owner knows") {
  Rig rig;
  auto client = rig.negotiated();
  client.write(R"({"execute":"quit"})");
  (void)rig.qemu->line();
  rig.qemu->write(R"({"event": "SHUTDOWN"}{"return": {}, "id": 1})");
  rig.qemu->close();
  CHECK_EQ(client.line(), R"({"event": "SHUTDOWN"})");
  CHECK_EQ(client.line(), R"({"return": {}})");
  CHECK_EQ(client.line(), "");
  CHECK_EQ(rig.closed().kind, Error::Kind::closed);
  CHECK_FALSE(fs::exists(rig.path()));
}

TEST_CASE("qmp multiplexer: a client that does not read is dropped, the others go on") {
  Rig rig({.patience = 50ms, .max_queue = 100'000});
  auto deaf = rig.negotiated();
  auto reader = rig.negotiated();
  const std::string event = R"({"event": "E", "data": ")" + std::string(5000, 'x') + "\"}";
  std::jthread flood([&] {
    for (int i = 0; i < 1000; ++i) rig.qemu->write(event + "\r\n");
  });
  for (int i = 0; i < 1000; ++i) REQUIRE_EQ(reader.line().size(), event.size());
  flood.join();
  CHECK_EQ(rig.clients(), 1);
}

TEST_CASE("qmp multiplexer: a reply larger than what may queue still arrives") {
  Rig rig({.patience = 2000ms, .max_queue = 1000});
  auto client = rig.negotiated();
  client.write(R"({"execute":"a"})");
  const auto large = "\"" + std::string(3'000'000, 'x') + "\"";
  std::jthread qemu([&] { (void)answered(*rig.qemu, large); });
  CHECK_EQ(client.line(), "{\"return\": " + large + "}");
}

TEST_CASE("qmp multiplexer: bad input ends its sender, at most") {
  struct Row {
    const char* what;
    std::string sent;
    bool survives;
  };
  const Row rows[] = {
      {"no JSON", "hello\n", true},
      {"a key twice", R"({"id":1,"id":2})", true},
      {"a hidden id", R"({"\u0069d":1,"execute":"a"})", true},
      {"bad UTF-8", "{\"a\":\"\xff\"}", true},
      {"too large", "{\"a\":\"" + std::string(200'000, 'x'), false},
      {"too deep", "{\"a\":" + std::string(100, '['), false},
  };
  Rig rig({.max_message = 100'000});
  auto other = rig.negotiated();
  for (const auto& [what, sent, survives] : rows) {
    CAPTURE(what);
    auto client = rig.negotiated();
    client.write(sent);
    CHECK_EQ(client.line().contains("GenericError"), survives);
    other.write(R"({"execute":"b"})");
    CHECK_EQ(answered(*rig.qemu, "1"), R"({"execute":"b"})");
    CHECK_EQ(other.line(), R"({"return": 1})");
  }
}

TEST_CASE("qmp multiplexer: what breaks QEMU's side is the owner's error") {
  for (const std::string sent :
       {"hello\r\n", "{\"a\": [}]\r\n", "{\"a\":\"", "{\"event\": \"E\", \"event\": \"F\"}"}) {
    CAPTURE(sent);
    Rig rig({.max_message = 100'000});
    auto client = rig.negotiated();
    std::jthread qemu([&] {
      rig.qemu->write(sent);
      rig.qemu->write(std::string(200'000, 'x'));
    });
    CHECK_EQ(rig.closed().kind, Error::Kind::malformed);
    CHECK_EQ(client.line(), "");
  }
  Rig silent({.timeout = 20ms}, false);
  const auto error = silent.closed();
  CHECK_EQ(error.kind, Error::Kind::timed_out);
  CHECK(error.message.contains("another client may hold this monitor"));
}

TEST_CASE("qmp multiplexer: forged ids and descriptors from QEMU change nothing") {
  Rig rig;
  auto client = rig.negotiated();
  rig.qemu->write(R"({"return": 1}{"return": 1, "id": 0}{"id": "x"}{"error": {}, "id": -1}{})");
  rig.qemu->write_with_fd(R"({"return": 1, "id": 18446744073709551616})", 0);
  client.write(R"({"execute":"a"})");
  CHECK_EQ(answered(*rig.qemu, "1"), R"({"execute":"a"})");
  CHECK_EQ(client.line(), R"({"return": 1})");
}

TEST_CASE("qmp multiplexer: no more clients than allowed") {
  Rig rig({.max_clients = 2});
  auto first = rig.negotiated();
  {
    auto second = rig.negotiated();
    auto third = rig.connect();
    CHECK_EQ(third.line(), "");
    second.write("{\"a\":" + std::string(100, '['));  // Dropped, not gone by itself: we see when.
    CHECK_EQ(second.line(), "");
  }
  CHECK_EQ(rig.clients(), 1);
  auto again = rig.negotiated();
}

TEST_CASE("qmp multiplexer: its socket is private and takes only the place of a dead one") {
  TempDir directory;
  const auto path = directory / "qmp.sock";
  const auto attempt = [&] {
    const End monitor(unix_socket(directory / "monitor", true));
    boost::asio::io_context context;
    std::string outcome = "?";
    {
      const auto multiplexer = qmp::Multiplexer::start(
          context, {.upstream = directory / "monitor", .listen = path},
          {.ready =
               [&] {
                 struct stat status {};
                 ::lstat(path.c_str(), &status);
                 outcome = (status.st_mode & 0777U) == 0600 ? "ready" : "open to others";
                 context.stop();
               },
           .closed = [&](const Error& error) { outcome = error.message; }});
      if (!multiplexer) return fs::remove(directory / "monitor"), multiplexer.error().message;
      End qemu(::accept4(monitor.fd(), nullptr, nullptr, SOCK_CLOEXEC));
      qemu.write(std::string(qmp_test::greeting) + R"({"return": {}, "id": 0})");
      context.run();
    }
    fs::remove(directory / "monitor");
    return outcome;
  };
  CHECK_EQ(attempt(), "ready");
  CHECK_FALSE(fs::exists(path));
  ::close(unix_socket(path, true));  // Leaves a file that nobody serves.
  CHECK_EQ(attempt(), "ready");
  {
    const End live(unix_socket(path, true));
    CHECK_EQ(attempt(), "'" + path + "' is served by another process");
  }
  fs::remove(path);
  fs::create_directory(path);
  CHECK_EQ(attempt(), "'" + path + "' exists and is not a socket");
  CHECK_FALSE(fs::exists(path + "~"));
}

TEST_CASE("qmp multiplexer: our own client works on it") {
  Rig rig;
  std::jthread qemu([&] {
    CHECK_EQ(answered(*rig.qemu, R"({"running": false, "status": "paused"})"),
             R"({"execute":"query-status"})");
  });
  auto client = qmp::Client::connect(rig.path(), {.timeout = 2000ms, .oob = true});
  REQUIRE(client.has_value());
  CHECK_EQ(client->call(qmp::QueryStatus{})->status, "paused");
}

}  // namespace
