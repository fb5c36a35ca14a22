// SPDX-License-Identifier: MIT
#include "qmp/client.h"

#include "qmp/commands.h"
#include "qmp_peer.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <boost/json/serialize.hpp>

namespace {

using namespace std::chrono_literals;
using qmp::Client;
using qmp::Error;
using qmp_test::End;
using qmp_test::Peer;
namespace json = boost::json;

constexpr qmp::Options quick{.timeout = 2000ms, .oob = false};

std::string id_of(const json::value& request) {
  return json::serialize(request.at("id"));
}

std::string reply(const json::value& request, std::string_view result) {
  return R"({"return": )" + std::string(result) + R"(, "id": )" + id_of(request) + "}\r\n";
}

/// A client whose peer negotiates and then runs `script`.
struct Session {
  explicit Session(std::function<void(End&)> script, const qmp::Options& options = quick)
      : peer([script = std::move(script)](End& end) { qmp_test::serve(end, script); }),
        client(Client::attach(peer.fd(), options)) {}

  Client& operator*() {
    REQUIRE(client.has_value());
    return *client;
  }
  Client* operator->() { return &**this; }

  Peer peer;  // Before the client: its thread ends when the client is gone.
  qmp::Result<Client> client;
};

int open_fds() {
  int count = 0;
  for (int fd = 0; fd < 256; ++fd)
    if (::fcntl(fd, F_GETFD) >= 0) ++count;
  return count;
}

TEST_CASE("qmp: the greeting is readable and a typed call returns its reply") {
  Session session([](End& end) {
    const auto request = end.message();
    CHECK_EQ(request.at("execute").as_string(), "query-status");
    CHECK_FALSE(request.as_object().contains("arguments"));
    end.write(reply(request, R"({"running": true, "status": "running", "new-in-12.0": [1]})"));
  });
  const auto& server = session->server();
  CHECK_EQ(server.major, 9);
  CHECK_EQ(server.minor, 1);
  CHECK_EQ(server.package, "test");
  CHECK_EQ(server.capabilities, std::vector<std::string>{"oob"});
  const auto status = session->call(qmp::QueryStatus{});
  REQUIRE(status.has_value());
  CHECK(status->running);
  CHECK_EQ(status->status, "running");
  CHECK_EQ(session->peer_pid(), ::getpid());
}

TEST_CASE("qmp: a refusal carries QEMU's class and words") {
  Session session([](End& end) {
    end.write(R"({"id": )" + id_of(end.message()) +
              R"(, "error": {"class": "CommandNotFound", "desc": "no such thing"}})");
  });
  const auto result = session->execute("frob");
  REQUIRE_FALSE(result.has_value());
  CHECK_EQ(result.error().kind, Error::Kind::refused);
  CHECK_EQ(result.error().error_class, "CommandNotFound");
  CHECK_EQ(result.error().message, "no such thing");
}

TEST_CASE("qmp: a message over many lines, as pretty=on prints it, is one message") {
  Session session([](End& end) {
    const auto request = end.message();
    end.write("{\r\n    \"return\": {\r\n        \"a\": \"}{\\\"\"\r\n    },\r\n    \"id\": " +
              id_of(request) + "\r\n}\r\n");
  });
  const auto result = session->execute("x");
  REQUIRE(result.has_value());
  CHECK_EQ(result->at("a").as_string(), "}{\"");
}

TEST_CASE("qmp: pipelined requests go out in one write, replies match in any order") {
  Session session([](End& end) {
    const auto first = end.message();
    const auto second = end.message();
    const auto third = end.message();
    CHECK_EQ(third.at("arguments").at("n").as_int64(), 3);
    end.write(reply(third, "3") + R"({"event": "STOP"})" + reply(first, "1"));
    end.write(R"({"id": )" + id_of(second) + R"(, "error": {"class": "GenericError"}})");
  });
  const std::vector<qmp::Request> requests{{"a"}, {"b"}, {"c", {{"n", 3}}}};
  const auto results = session->execute_all(requests);
  REQUIRE(results.has_value());
  REQUIRE_EQ(results->size(), 3);
  CHECK_EQ((*results)[0], 1);
  CHECK_EQ((*results)[1].error().message, "unspecified error");
  CHECK_EQ((*results)[2], 3);
  CHECK_EQ(session->take_event()->name, "STOP");
}

TEST_CASE("qmp: replies that came before QEMU went are kept") {
  Session session([](End& end) {
    const auto first = end.message();
    (void)end.message();
    end.write(reply(first, "1"));
  });
  const std::vector<qmp::Request> requests{{"a"}, {"quit"}};
  const auto results = session->execute_all(requests);
  REQUIRE(results.has_value());
  CHECK_EQ((*results)[0], 1);
  CHECK_EQ((*results)[1].error().kind, Error::Kind::closed);
  const auto again = session->execute("a");
  CHECK_EQ(again.error().kind, Error::Kind::closed);
}

TEST_CASE("qmp: an error without id answers the oldest request") {
  Session session([](End& end) {
    (void)end.message();
    end.write(R"({"error": {"class": "GenericError", "desc": "JSON parse error"}})");
  });
  CHECK_EQ(session->execute("x").error().message, "JSON parse error");
}

TEST_CASE("qmp: after a deadline the late reply is dropped and the next call works") {
  Session session([](End& end) {
    const auto slow = end.message();
    const auto next = end.message();
    end.write(reply(slow, R"("late")") + reply(next, R"("prompt")"));
  });
  const auto slow = session->execute("slow", {}, 20ms);
  REQUIRE_FALSE(slow.has_value());
  CHECK_EQ(slow.error().kind, Error::Kind::timed_out);
  CHECK_EQ(slow.error().message, "no reply to 'slow' in time");
  CHECK_EQ(session->execute("next"), "prompt");
  CHECK_EQ(session->dropped().late, 1);
}

TEST_CASE("qmp: wrong ids and unsolicited replies are counted, not taken") {
  Session session([](End& end) {
    const auto request = end.message();
    for (const auto* const forged : {"99", "0", "-1", "\"x\"", "null", "[]", "1e300"})
      end.write(R"({"return": "forged", "id": )" + std::string(forged) + "}");
    end.write(R"({"return": "forged"}{"QMP": {}}{})" + reply(request, R"("right")") +
              reply(request, R"("twice")"));
    end.write(reply(end.message(), "2"));
  });
  CHECK_EQ(session->execute("x"), "right");
  CHECK_EQ(session->execute("y"), 2);
  CHECK_EQ(session->dropped().unsolicited, 10);
  CHECK_EQ(session->dropped().late, 1);
}

TEST_CASE("qmp: events are queued with their data, and the oldest are dropped") {
  Session session(
      [](End& end) {
        const auto request = end.message();
        for (int i = 0; i < 5; ++i)
          end.write(R"({"event": "E", "data": {"i": )" + std::to_string(i) +
                    R"(}, "timestamp": {"seconds": 3, "microseconds": 4}})");
        end.write(R"({"event": "F", "data": 5, "timestamp": {"seconds": 9e300}})" +
                  reply(request, "{}"));
        (void)end.line();
      },
      {.timeout = 2000ms, .max_events = 3});
  REQUIRE(session->execute("x").has_value());
  CHECK_EQ(session->dropped().events, 3);
  const auto event = session->next_event();
  REQUIRE(event.has_value());
  CHECK_EQ(event->data.at("i").as_int64(), 3);
  CHECK_EQ(event->timestamp, 3s + 4us);
  CHECK_EQ(session->take_event()->data.at("i").as_int64(), 4);
  const auto odd = session->take_event();
  REQUIRE(odd.has_value());
  CHECK(odd->data.empty());
  CHECK_EQ(odd->timestamp, 0us);
  CHECK_FALSE(session->take_event().has_value());
  CHECK_EQ(session->next_event(10ms).error().kind, Error::Kind::timed_out);
}

TEST_CASE("qmp: next_event waits for one, and says when the connection ends") {
  Session session([](End& end) {
    (void)end.message();
    end.write(R"({"event": "SHUTDOWN"})");
  });
  CHECK_EQ(session->execute("x").error().kind, Error::Kind::closed);
  CHECK_EQ(session->next_event()->name, "SHUTDOWN");
  CHECK_EQ(session->next_event().error().kind, Error::Kind::closed);
}

TEST_CASE("qmp: out of band only where it was negotiated") {
  Session plain([](End& end) { (void)end.line(); });
  CHECK_EQ(plain->execute_oob("x").error().kind, Error::Kind::unsupported);

  const auto script = [](End& end) {
    end.write(qmp_test::greeting);
    const auto negotiation = end.message();
    CHECK_EQ(negotiation.at("arguments"), json::value{{"enable", {"oob"}}});
    end.write(reply(negotiation, "{}"));
    const auto request = end.message();
    CHECK_EQ(request.at("exec-oob"), "yank");
    end.write(reply(request, "{}"));
  };
  Peer peer(script);
  auto client = Client::attach(peer.fd(), {.timeout = 2000ms, .oob = true});
  REQUIRE(client.has_value());
  CHECK(client->execute_oob("yank").has_value());
}

TEST_CASE("qmp: descriptors go with their command; ones sent to us are closed") {
  const int before = open_fds();
  {
    Session session([](End& end) {
      const auto request = end.message();
      CHECK_EQ(end.fds.size(), 2);
      for (const int fd : end.fds) ::close(fd);
      for (int i = 0; i < 20; ++i) end.write_with_fd(R"({"event": "X"})", 0);
      end.write(reply(request, "{}"));
    });
    const std::array<int, 2> fds{0, 1};
    CHECK(session->execute_with_fds("add-fd", {}, fds).has_value());
    const std::vector<int> many(17, 0);
    CHECK_EQ(session->execute_with_fds("add-fd", {}, many).error().kind, Error::Kind::unsupported);
  }
  CHECK_EQ(open_fds(), before);
}

TEST_CASE("qmp: a peer that does not keep to the protocol costs an error") {
  const std::string deep(100'000, '[');
  const std::string big(300'000, 'x');
  struct Row {
    const char* what;
    std::string sent;
    Error::Kind kind;
  };
  const Row rows[] = {
      {"no JSON", "hello\n", Error::Kind::malformed},
      {"no object", "[1, 2]\n", Error::Kind::malformed},
      {"mismatched brackets", "{\"a\": [}]\n", Error::Kind::malformed},
      {"bad UTF-8", "{\"a\": \"\xff\xfe\"}\n", Error::Kind::malformed},
      {"a control character", "{\"a\": \"\x1b[2J\"}\n", Error::Kind::malformed},
      {"too deep", "{\"a\": " + deep, Error::Kind::malformed},
      {"too large", "{\"a\": \"" + big, Error::Kind::malformed},
      {"too large without an object", big, Error::Kind::malformed},
      {"only space, then the end", std::string(300'000, ' '), Error::Kind::closed},
      {"half a message, then the end", "{\"a\": ", Error::Kind::closed},
      {"the end", "", Error::Kind::closed},
  };
  for (const auto& [what, sent, kind] : rows) {
    CAPTURE(what);
    Session session(
        [&sent](End& end) {
          (void)end.message();
          end.write(sent);
        },
        {.timeout = 2000ms, .max_message = 100'000});
    const auto result = session->execute("x");
    REQUIRE_FALSE(result.has_value());
    CHECK_EQ(result.error().kind, kind);
    CHECK_EQ(session->execute("y").error().kind, Error::Kind::closed);
  }
}

TEST_CASE("qmp: hostile text in an error message is made harmless") {
  Session session([](End& end) {
    (void)end.message();
    end.write("\x1b]0;owned\x07\n");
  });
  CHECK_EQ(session->execute("x").error().message, "the peer sent no JSON object: '.]0;owned.'");
}

TEST_CASE("qmp: a peer that drips, floods or is silent costs no more than the deadline") {
  const std::pair<const char*, std::function<void(End&)>> rows[] = {
      {"silent", [](End& end) { (void)end.line(); }},
      {"half a message",
       [](End& end) {
         end.write("{\"return\":");
         (void)end.line();
       }},
      {"a flood of events",
       [](End& end) {
         while (end.write(R"({"event": "E", "data": {}})")) {
         }
       }},
      {"a flood of space",
       [](End& end) {
         while (end.write("          ")) {
         }
       }},
  };
  for (const auto& [what, script] : rows) {
    CAPTURE(what);
    Session session([&script = script](End& end) {
      (void)end.message();
      script(end);
    });
    const auto begin = qmp::Clock::now();
    const auto result = session->execute("x", {}, 30ms);
    REQUIRE_FALSE(result.has_value());
    CHECK_EQ(result.error().kind, Error::Kind::timed_out);
    CHECK(qmp::Clock::now() - begin < 1s);
    session.client = qmp::fail(Error::Kind::closed, "");
  }
}

TEST_CASE("qmp: a peer that does not read costs the deadline, and a begun line is completed") {
  std::array<int, 2> gate{};
  REQUIRE_EQ(::pipe2(gate.data(), O_CLOEXEC), 0);
  Session session([&gate](End& end) {
    char token = 0;
    (void)!::read(gate[0], &token, 1);
    const auto first = end.message();
    CHECK_EQ(first.at("execute"), "big");
    const auto second = end.message();
    CHECK_EQ(second.at("execute"), "after");  // "withdrawn" was never begun.
    end.write(reply(first, "{}") + reply(second, "{}"));
  });
  const json::object large{{"data", std::string(2'000'000, 'x')}};
  const std::vector<qmp::Request> requests{{"big", large}, {"withdrawn", large}};
  const auto results = session->execute_all(requests, 30ms);
  REQUIRE(results.has_value());
  CHECK_EQ((*results)[0].error().kind, Error::Kind::timed_out);
  CHECK_EQ((*results)[1].error().kind, Error::Kind::timed_out);
  REQUIRE_EQ(::write(gate[1], "x", 1), 1);
  CHECK(session->execute("after").has_value());
  CHECK_EQ(session->dropped().late, 1);
  ::close(gate[0]);
  ::close(gate[1]);
}

TEST_CASE("qmp: a peer that writes before it reads does not lock us up") {
  Session session([](End& end) {
    const auto event = R"({"event": "E", "data": ")" + std::string(1000, 'x') + "\"}\r\n";
    for (int i = 0; i < 2000; ++i) end.write(event);
    end.write(reply(end.message(), "{}"));
  });
  const json::object large{{"data", std::string(2'000'000, 'x')}};
  CHECK(session->execute("x", large).has_value());
  CHECK_EQ(session->dropped().events, 2000 - 1024);
}

TEST_CASE("qmp: what can go wrong while connecting") {
  struct Row {
    const char* what;
    std::function<void(End&)> script;
    Error::Kind kind;
    std::string_view message;
  };
  const Row rows[] = {
      {"no greeting", [](End& end) { (void)end.line(); }, Error::Kind::timed_out,
       "another client may hold this monitor"},
      {"QEMU dies at once", [](End&) {}, Error::Kind::closed, "closed"},
      {"QEMU greets, then dies",
       [](End& end) {
         end.write(qmp_test::greeting);
         (void)end.line();
       },
       Error::Kind::closed, "negotiate"},
      {"QEMU greets, then is silent",
       [](End& end) {
         end.write(qmp_test::greeting);
         (void)end.line();
         (void)end.line();
       },
       Error::Kind::timed_out, "qmp_capabilities"},
      {"not QEMU", [](End& end) { end.write("220 mail ESMTP\r\n"); }, Error::Kind::malformed,
       "220 mail"},
  };
  for (const auto& [what, script, kind, message] : rows) {
    CAPTURE(what);
    Peer peer(script);
    const auto client = Client::attach(peer.fd(), {.timeout = 30ms});
    REQUIRE_FALSE(client.has_value());
    CHECK_EQ(client.error().kind, kind);
    CHECK(client.error().message.contains(message));
  }
  CHECK_EQ(Client::connect("/nonexistent/qmp").error().os_error, ENOENT);
  CHECK(Client::connect(std::string(200, 'x')).error().message.contains("1 to 107 bytes"));
  CHECK_EQ(Client::attach(-1).error().kind, Error::Kind::system);
}

TEST_CASE("qmp: replies of commands are read, and refused where they lack a member") {
  const auto parse = [](const char* text) { return json::parse(text); };
  CHECK_FALSE(qmp::QueryStatus::read(parse(R"({"running": 1})")).has_value());
  CHECK_FALSE(qmp::QueryCpusFast::read(parse(R"([{"cpu-index": 0}])")).has_value());
  CHECK_FALSE(qmp::QueryMachines::read(parse("{}")).has_value());
  CHECK_FALSE(qmp::QueryIothreads::read(parse("[1]")).has_value());
  CHECK_EQ(qmp::QomGetNumber::read(parse("7")), 7);
  CHECK_FALSE(qmp::QomGetNumber::read(parse("\"7\"")).has_value());
  CHECK_FALSE(qmp::QomGetNumber::read(parse("-7")).has_value());
  CHECK_FALSE(qmp::QueryName::read(parse("{}"))->name.has_value());
  const auto blocks = qmp::QueryBlock::read(parse(
      R"([{"device": "", "qdev": "d0", "inserted": {"node-name": "n0", "drv": "raw", "file": "f",
           "ro": true, "image": {"virtual-size": 7}}}, {"device": "cd"}])"));
  REQUIRE(blocks.has_value());
  REQUIRE((*blocks)[0].inserted.has_value());
  CHECK_EQ((*blocks)[0].inserted->node_name, "n0");
  CHECK_EQ((*blocks)[0].inserted->size_bytes, 7);
  CHECK((*blocks)[0].inserted->read_only);
  CHECK_FALSE((*blocks)[1].inserted.has_value());
  CHECK_EQ(qmp::QomList{.path = "/objects"}.arguments(), parse(R"({"path": "/objects"})"));
  CHECK_EQ(qmp::QomGetNumber{.path = "/objects/a", .property = "b"}.arguments(),
           parse(R"({"path": "/objects/a", "property": "b"})"));
  CHECK_EQ(qmp::QomListTypes{.implements = "device"}.arguments(),
           json::object{{"implements", "device"}});
}

}  // namespace
