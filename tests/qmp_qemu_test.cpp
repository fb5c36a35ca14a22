// SPDX-License-Identifier: MIT
#define DOCTEST_CONFIG_IMPLEMENT
#include "qmp_qemu.h"

#include "qmp/client.h"
#include "qmp/commands.h"
#include "qmp/multiplexer.h"

#include <doctest/doctest.h>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/json/object.hpp>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <future>
#include <optional>
#include <thread>

namespace {

using namespace std::chrono_literals;
using qmp::Client;
using qmp::Error;
using qmp_test::Qemu;

class Multiplexed {
 public:
  explicit Multiplexed(const Qemu& qemu) : path_(qemu.file("qmp.sock")) {
    auto started = qmp::Multiplexer::start(
        context_, {.upstream = qemu.monitor(1), .listen = path_},
        {.ready = [this] { ready_.set_value(); },
         .event = [this](std::string_view name, const auto&) { last_event_ = name; },
         .closed = [this](Error error) { closed_.set_value(std::move(error)); }});
    REQUIRE(started.has_value());
    multiplexer_.emplace(*std::move(started));
    thread_ = std::jthread([this] { context_.run(); });
    REQUIRE_EQ(ready_.get_future().wait_for(10s), std::future_status::ready);
  }
  Multiplexed(const Multiplexed&) = delete;
  Multiplexed& operator=(const Multiplexed&) = delete;
  ~Multiplexed() {
    boost::asio::post(context_, [this] { multiplexer_.reset(); });
  }

  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] Error closed() { return closed_.get_future().get(); }
  [[nodiscard]] const std::string& last_event() const { return last_event_; }

 private:
  std::string path_;
  boost::asio::io_context context_;
  std::optional<qmp::Multiplexer> multiplexer_;
  std::promise<void> ready_;
  std::promise<Error> closed_;
  std::string last_event_;
  std::jthread thread_;
};

template <class T>
bool has(const std::vector<T>& list, std::string_view name) {
  return std::ranges::any_of(list, [name](const T& entry) { return entry.name == name; });
}

TEST_CASE("qmp and QEMU: every typed command reads its reply") {
  Qemu qemu;
  auto client = Client::connect(qemu.monitor(0), {.timeout = 10s});
  REQUIRE(client.has_value());
  CHECK(client->server().major >= 7);
  CHECK_EQ(client->call(qmp::QueryStatus{})->status, "prelaunch");
  CHECK_EQ(client->call(qmp::QueryVersion{})->major, client->server().major);
  CHECK_FALSE(client->call(qmp::QueryName{})->name.has_value());
  CHECK_EQ(client->call(qmp::QueryTarget{})->arch, "x86_64");
  CHECK_FALSE(client->call(qmp::QueryKvm{})->enabled);
  CHECK(client->call(qmp::QueryCpusFast{})->empty());
  CHECK(client->call(qmp::QueryIothreads{})->empty());
  CHECK(client->call(qmp::QueryBlock{})->empty());
  CHECK(client->call(qmp::QueryMemorySizeSummary{}).has_value());
  CHECK_EQ(client->call(qmp::QueryBalloon{}).error().kind, Error::Kind::refused);
  CHECK(has(*client->call(qmp::QueryMachines{}), "none"));
  CHECK(has(*client->call(qmp::QueryCpuDefinitions{}), "max"));
  CHECK(has(*client->call(qmp::QomListTypes{.implements = "device"}), "virtio-blk-pci"));
  CHECK(has(*client->call(qmp::QomListProperties{"memory-backend-file"}), "mem-path"));
  CHECK(has(*client->call(qmp::DeviceListProperties{"virtio-blk-pci"}), "drive"));
  const auto options = client->call(qmp::QueryCommandLineOptions{"sandbox"});
  REQUIRE(has(*options, "sandbox"));
  CHECK_EQ(std::ranges::count(options->front().parameters, "spawn"), 1);
  CHECK_EQ(std::ranges::count(*client->call(qmp::QueryCommands{}), "query-status"), 1);
  CHECK(client->call(qmp::Cont{}).has_value());
  CHECK_EQ(client->next_event()->name, "RESUME");
  CHECK(client->call(qmp::QueryStatus{})->running);
  CHECK(client->call(qmp::Stop{}).has_value());
  CHECK(client->call(qmp::Quit{}).has_value());
  CHECK_EQ(qemu.wait(), 0);
}

TEST_CASE("qmp and QEMU: a monitor that another client holds is an error in time") {
  Qemu qemu;
  auto first = Client::connect(qemu.monitor(0), {.timeout = 10s});
  REQUIRE(first.has_value());
  const auto second = Client::connect(qemu.monitor(0), {.timeout = 50ms});
  REQUIRE_FALSE(second.has_value());
  CHECK_EQ(second.error().kind, Error::Kind::timed_out);
  CHECK(second.error().message.contains("another client may hold this monitor"));
  CHECK(first->call(qmp::QueryStatus{}).has_value());
  // Whoever listened first is the peer, as with every socket bound beforehand.
  CHECK_EQ(first->peer_pid(), ::getpid());
}

TEST_CASE("qmp and QEMU: pipelining, descriptors and out-of-band execution") {
  Qemu qemu;
  auto client = Client::connect(qemu.monitor(0), {.timeout = 10s, .oob = true});
  REQUIRE(client.has_value());
  const std::vector<qmp::Request> requests{
      {"query-status"}, {"nonsense"}, {"query-qmp-schema"}, {"query-target"}};
  const auto results = client->execute_all(requests);
  REQUIRE(results.has_value());
  CHECK((*results)[0].has_value());
  CHECK_EQ((*results)[1].error().error_class, "CommandNotFound");
  CHECK((*results)[2]->as_array().size() > 500);
  CHECK((*results)[3].has_value());

  const std::array fds{STDIN_FILENO};
  CHECK(client->execute_with_fds("getfd", {{"fdname", "a"}}, fds).has_value());
  CHECK_EQ(client->execute("getfd", {{"fdname", "b"}}).error().kind, Error::Kind::refused);
  // Refused for what it does, not for how it was sent.
  CHECK(client->execute_oob("migrate-pause").error().message.contains("migrate-pause"));
}

TEST_CASE("qmp and QEMU: many clients at once through the multiplexer") {
  Qemu qemu;
  Multiplexed multiplexed(qemu);
  std::vector<Client> clients;
  for (int i = 0; i < 8; ++i) {
    auto client = Client::connect(multiplexed.path(), {.timeout = 10s, .oob = true});
    REQUIRE(client.has_value());
    clients.push_back(*std::move(client));
  }
  std::vector<std::jthread> threads;
  std::atomic<int> good = 0;
  for (auto& client : clients)
    threads.emplace_back([&client, &good] {
      const std::vector<qmp::Request> requests(25, qmp::Request{"query-target"});
      const auto results = client.execute_all(requests);
      if (results)
        good += static_cast<int>(
            std::ranges::count_if(*results, [](const auto& result) { return result.has_value(); }));
    });
  threads.clear();
  CHECK_EQ(good, 8 * 25);

  auto direct = Client::connect(qemu.monitor(0), {.timeout = 10s});
  CHECK_EQ(*clients[0].execute("query-qmp-schema"), *direct->execute("query-qmp-schema"));
  const std::array fds{STDIN_FILENO};
  CHECK(clients[1].execute_with_fds("getfd", {{"fdname", "a"}}, fds).has_value());
  CHECK(clients[2].execute_oob("migrate-pause").error().message.contains("migrate-pause"));
  CHECK(clients[3].call(qmp::Cont{}).has_value());
  for (auto& client : clients) CHECK_EQ(client.next_event()->name, "RESUME");

  CHECK(clients[4].call(qmp::Quit{}).has_value());
  CHECK_EQ(multiplexed.closed().kind, Error::Kind::closed);
  CHECK_EQ(multiplexed.last_event(), "SHUTDOWN");
  CHECK_EQ(clients[5].next_event()->name, "SHUTDOWN");
  CHECK_EQ(clients[5].next_event().error().kind, Error::Kind::closed);
  CHECK_EQ(qemu.wait(), 0);
}

}  // namespace

int main(int argc, char** argv) {
  if (!qmp_test::has_program(qmp_test::qemu_program)) {
    std::printf("skipped: there is no %s\n", qmp_test::qemu_program);
    return 77;
  }
  return doctest::Context(argc, argv).run();
}
