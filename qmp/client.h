// SPDX-License-Identifier: MIT
//
// A blocking QMP client with deadlines. One thread, one connection; whatever
// the peer does costs at most an error and the time allowed.
//
//   auto client = qmp::Client::connect("/run/vm/qmp.sock");
//   auto status = client->call(qmp::QueryStatus{});
//   if (status && status->running) ...
#pragma once

#include "qmp/error.h"

#include <boost/json/value.hpp>

#include <sys/types.h>

#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace qmp {

using Clock = std::chrono::steady_clock;

/// Until when a call may take: by default as long as the client's options say.
class Deadline {
 public:
  Deadline() = default;
  Deadline(Clock::time_point at) : at_(at) {}
  template <class Rep, class Period>
  Deadline(std::chrono::duration<Rep, Period> from_now)
      : at_(Clock::now() + std::chrono::duration_cast<Clock::duration>(from_now)) {}

  [[nodiscard]] Clock::time_point or_in(Clock::duration timeout) const {
    return at_ ? *at_ : Clock::now() + timeout;
  }

 private:
  std::optional<Clock::time_point> at_;
};

struct Options {
  std::chrono::milliseconds timeout{5000};          ///< For connecting, and for each call.
  bool oob = false;                                 ///< Ask for out-of-band execution.
  std::size_t max_message = std::size_t{4} << 20U;  ///< A larger one ends the connection.
  std::size_t max_depth = 64;                       ///< As does one that nests deeper.
  std::size_t max_events = 1024;                    ///< Kept until asked for; oldest go first.
};

struct Request {
  std::string name;
  boost::json::object arguments{};
};

struct Event {
  std::string name;
  boost::json::object data;
  std::chrono::microseconds timestamp{};  ///< Since 1970; 0: QEMU gave none.
};

/// What the greeting says.
struct ServerInfo {
  unsigned major = 0;
  unsigned minor = 0;
  unsigned micro = 0;
  std::string package;                    ///< The distribution's name of the build.
  std::vector<std::string> capabilities;  ///< "oob"
};

/// What was dropped since the connection was made.
struct Dropped {
  std::uint64_t events = 0;       ///< Not asked for in time.
  std::uint64_t late = 0;         ///< Replies to calls that had timed out.
  std::uint64_t unsolicited = 0;  ///< Messages that answer nothing we asked.
};

/// A command is a type: its name, its arguments, and how to read its reply.
template <class C>
concept Command = requires(const C& command, const boost::json::value& reply) {
  { C::name } -> std::convertible_to<std::string_view>;
  { command.arguments() } -> std::same_as<boost::json::object>;
  { C::read(reply) } -> std::same_as<Result<typename C::Reply>>;
};

class Client {
 public:
  /// Returns when QEMU takes commands. The greeting alone would not do: QEMU
  /// sends it before it makes the machine, and may die of that.
  [[nodiscard]] static Result<Client> connect(const std::string& socket_path,
                                              const Options& options = {});
  /// The same on a connected socket. Takes `fd`, on failure too.
  [[nodiscard]] static Result<Client> attach(int fd, const Options& options = {});

  Client(Client&&) noexcept;
  Client& operator=(Client&&) noexcept;
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;
  ~Client();

  template <Command C>
  [[nodiscard]] Result<typename C::Reply> call(const C& command, Deadline deadline = {}) {
    auto reply = execute(C::name, command.arguments(), deadline);
    if (!reply) return std::unexpected(std::move(reply).error());
    return C::read(*reply);
  }

  /// What the reply's "return" holds.
  [[nodiscard]] Result<boost::json::value> execute(std::string_view name,
                                                   const boost::json::object& arguments = {},
                                                   Deadline deadline = {});

  /// Runs at once, before commands that wait; only few commands allow it.
  [[nodiscard]] Result<boost::json::value> execute_oob(std::string_view name,
                                                       const boost::json::object& arguments = {},
                                                       Deadline deadline = {});

  /// `fds` stay the caller's; QEMU gets duplicates. For getfd and add-fd.
  [[nodiscard]] Result<boost::json::value> execute_with_fds(std::string_view name,
                                                            const boost::json::object& arguments,
                                                            std::span<const int> fds,
                                                            Deadline deadline = {});

  /// Sends all in one go; results are in the order of `requests`. What has no
  /// reply by the deadline, or when QEMU goes, has that as its error.
  [[nodiscard]] Result<std::vector<Result<boost::json::value>>> execute_all(
      std::span<const Request> requests, Deadline deadline = {});

  /// The oldest event not yet taken, waiting for one if there is none.
  [[nodiscard]] Result<Event> next_event(Deadline deadline = {});

  /// The oldest event that came in during calls, if any. Never waits.
  [[nodiscard]] std::optional<Event> take_event();

  [[nodiscard]] const ServerInfo& server() const;
  [[nodiscard]] const Dropped& dropped() const;

  /// To await input with poll(2), say; the connection stays the client's.
  [[nodiscard]] int native_handle() const;

  /// Who called listen(2) on the socket, or socketpair(2): with a listening
  /// socket handed to QEMU that is the program that made it, not QEMU.
  [[nodiscard]] Result<pid_t> peer_pid() const;

 private:
  class Impl;
  explicit Client(std::unique_ptr<Impl> impl);

  std::unique_ptr<Impl> impl_;
};

}  // namespace qmp
