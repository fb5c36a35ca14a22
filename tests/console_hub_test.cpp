// SPDX-License-Identifier: MIT
#include "launcher/run/console_hub.h"

#include "launcher/run/bounded_log.h"
#include "tests/run_place.h"

#include <doctest/doctest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <boost/asio/io_context.hpp>

#include <array>
#include <optional>

using namespace hv::run;

namespace {

sockaddr_un address_of(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  REQUIRE(path.size() < sizeof address.sun_path);
  path.copy(address.sun_path, path.size());
  return address;
}

hv::UniqueFd socket_for(const std::string& path, decltype(&::connect) act) {
  hv::UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const auto address = address_of(path);
  REQUIRE_EQ(act(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  return fd;
}

/// A guest's serial port, and the hub that is attached to it.
struct Console {
  explicit Console(const RunPlace& here) : place(here.place()) {
    std::filesystem::create_directories(place.directory());
    const auto listener = socket_for(place.file("serial.sock"), ::bind);
    REQUIRE_EQ(::listen(listener.get(), 1), 0);
    auto started = ConsoleHub::start(context, place);
    REQUIRE(started.has_value());
    hub.emplace(*std::move(started));
    guest = hv::UniqueFd(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
  }

  hv::UniqueFd view() {
    auto viewer = socket_for(place.file("console.sock"), ::connect);
    run();
    return viewer;
  }

  void run() {
    while (context.poll() != 0) continue;
  }

  void print(std::string_view text) {
    REQUIRE_EQ(::send(guest.get(), text.data(), text.size(), MSG_NOSIGNAL),
               static_cast<ssize_t>(text.size()));
    run();
  }

  Place place;
  boost::asio::io_context context;
  std::optional<ConsoleHub> hub;
  hv::UniqueFd guest;
};

/// What has come in so far.
std::string received(const hv::UniqueFd& fd) {
  std::string text;
  std::array<char, 65536> buffer;
  for (;;) {
    const auto count = ::recv(fd.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (count <= 0) return text;
    text.append(buffer.data(), static_cast<std::size_t>(count));
  }
}

bool is_at_end(const hv::UniqueFd& fd) {
  char byte = 0;
  return ::recv(fd.get(), &byte, 1, MSG_DONTWAIT) == 0;
}

}  // namespace

TEST_CASE("each viewer gets the past, then what comes; all can type") {
  const RunPlace here;
  Console console(here);
  console.print("booting\n");
  const auto first = console.view();
  CHECK_EQ(received(first), "booting\n");
  const auto second = console.view();
  console.print("login: ");
  CHECK_EQ(received(first), "login: ");
  CHECK_EQ(received(second), "booting\nlogin: ");
  (void)::send(second.get(), "root\n", 5, MSG_NOSIGNAL);
  console.run();
  CHECK_EQ(received(console.guest), "root\n");
  CHECK_EQ(console_past(console.place), "booting\nlogin: ");
  console.hub.reset();
  console.run();
  CHECK(is_at_end(first));
}

TEST_CASE("a viewer that never reads is dropped, and keeps nobody up") {
  const RunPlace here;
  Console console(here);
  const auto lazy = console.view();
  const auto keen = console.view();
  const std::string chunk(4096, 'x');
  std::size_t sent = 0;
  std::size_t seen = 0;
  for (; sent < std::size_t{3} << 20U; sent += chunk.size()) {
    console.print(chunk);
    seen += received(keen).size();
  }
  CHECK_EQ(seen, sent);
  const auto got = received(lazy).size();
  CHECK_LT(got, sent);
  CHECK(is_at_end(lazy));
  CHECK_LE(console_past(console.place).size(), 2 * console_history);
  CHECK_GE(console_past(console.place).size(), console_history);
}

TEST_CASE("a guest that never reads its console takes no memory without end") {
  const RunPlace here;
  Console console(here);
  const auto viewer = console.view();
  const std::string chunk(1024, 'y');
  std::size_t typed = 0;
  for (; typed < std::size_t{3} << 20U; typed += chunk.size()) {
    REQUIRE_EQ(::send(viewer.get(), chunk.data(), chunk.size(), MSG_NOSIGNAL), 1024);
    console.run();
  }
  std::size_t taken = 0;
  for (std::size_t more = 1; more != 0; taken += more) {
    more = received(console.guest).size();
    console.run();
  }
  CHECK_LT(taken, std::size_t{5} << 19U);
  CHECK_GE(taken, std::size_t{1} << 20U);
  console.print("still here");
  CHECK_EQ(received(viewer), "still here");
}

TEST_CASE("a wiped directory costs the console's past, not the console") {
  const RunPlace here;
  Console console(here);
  const auto viewer = console.view();
  std::filesystem::remove_all(console.place.directory());
  for (int i = 0; i < 200; ++i) {
    console.print(std::string(4096, 'z'));
    CHECK_EQ(received(viewer).size(), 4096);
  }
}

TEST_CASE("QEMU's log is kept short while QEMU appends to it") {
  const RunPlace here;
  const auto place = here.place();
  here.put("qemu.log", "begin\n");
  boost::asio::io_context context;
  const BoundedLog bounded(context, place);
  const auto log = here.root.open_file(place.file("qemu.log"), O_WRONLY | O_APPEND, 0).value();
  const auto size = [&] { return here.root.status(place.file("qemu.log"))->st_size; };
  const std::string line(4095, 'w');
  for (int i = 0; i < 1000; ++i) {
    REQUIRE_EQ(::write(log.get(), (line + "\n").data(), 4096), 4096);
    context.poll();
    REQUIRE_LE(size(), BoundedLog::longest + 4096);
  }
  CHECK_GE(size(), BoundedLog::kept);
  CHECK(here.tree.read("/run/web/qemu.log").ends_with(line + "\n"));
}
