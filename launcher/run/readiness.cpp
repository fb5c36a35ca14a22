// SPDX-License-Identifier: MIT
#include "launcher/run/readiness.h"

#include "launcher/base/text.h"
#include "launcher/base/unix_socket.h"
#include "launcher/run/guest_notice.h"
#include "launcher/run/lock.h"
#include "launcher/run/monitor.h"
#include "launcher/run/process.h"
#include "launcher/run/records.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/inotify.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <charconv>

namespace hv::run {
namespace {

using profiles::ReadyKind;
using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

/// Before the next try of what tells nobody that it has come.
constexpr milliseconds pause_between_tries{250};

struct InternetAddress {
  sockaddr_storage value{};
  socklen_t size = 0;
};

/// Of a text that tcp_form accepts.
InternetAddress internet_address(std::string_view text) {
  InternetAddress address;
  const auto colon = text.rfind(':');
  std::uint16_t port = 0;
  (void)std::from_chars(text.data() + colon + 1, text.data() + text.size(), port);
  if (text.starts_with('[')) {
    auto& six = reinterpret_cast<sockaddr_in6&>(address.value);
    six.sin6_family = AF_INET6;
    six.sin6_port = htons(port);
    (void)::inet_pton(AF_INET6, std::string(text.substr(1, colon - 2)).c_str(), &six.sin6_addr);
    address.size = sizeof six;
  } else {
    auto& four = reinterpret_cast<sockaddr_in&>(address.value);
    four.sin_family = AF_INET;
    four.sin_port = htons(port);
    (void)::inet_pton(AF_INET, std::string(text.substr(0, colon)).c_str(), &four.sin_addr);
    address.size = sizeof four;
  }
  return address;
}

/// One guest that is waited for.
class Wait {
 public:
  Wait(const Place& place, const profiles::Ready& ready, const Holder& qemu)
      : place_(place),
        ready_(ready),
        qemu_(qemu),
        end_(Clock::now() + std::chrono::seconds(ready.timeout_seconds.value)) {}

  Result<> run() {
    switch (ready_.kind.value) {
      case ReadyKind::qmp: return {};
      case ReadyKind::agent: return ask_agent();
      case ReadyKind::tcp: return connect();
      case ReadyKind::serial_match: return read_console();
      case ReadyKind::vsock_notify: return await_notice();
    }
    std::unreachable();
  }

 private:
  [[nodiscard]] Error late() const {
    return with_hint({.fault = Fault::timed_out,
                      .id = "not-ready",
                      .message = fmt::format("'{}' runs, but waited {} s in vain for {}", place_.vm,
                                             ready_.timeout_seconds.value, waited_for(ready_))},
                     fmt::format("look at it: `hvlaunch console {}`; or allow more: \"ready\": "
                                 "{{\"timeout_seconds\": …}}",
                                 place_.vm));
  }

  [[nodiscard]] Error ended() const {
    return with_hint({.fault = Fault::failed,
                      .id = "ended-early",
                      .message = fmt::format("'{}' ended before it was ready", place_.vm)},
                     fmt::format("`hvlaunch status {}` says why", place_.vm));
  }

  /// Until `fd` has one of `events`, at most until `until`: false then.
  Result<bool> until(int fd, short events, Clock::time_point until) {
    for (;;) {
      const auto left = std::chrono::ceil<milliseconds>(std::min(until, end_) - Clock::now());
      std::array<pollfd, 2> waited = {
          pollfd{.fd = qemu_.pidfd.get(), .events = POLLIN, .revents = 0},
          pollfd{.fd = fd, .events = events, .revents = 0}};
      const auto wait_ms = static_cast<int>(std::max<std::int64_t>(left.count(), 0));
      const int result = ::poll(waited.data(), waited.size(), wait_ms);
      if (result < 0 && errno == EINTR) continue;
      if (result < 0) return fail_errno("wait for the guest");
      if (waited[0].revents != 0) return std::unexpected(ended());
      if (result == 0 && Clock::now() >= end_) return std::unexpected(late());
      return result > 0;
    }
  }

  Result<> pause() {
    (void)TRY(until(-1, 0, Clock::now() + pause_between_tries));
    return {};
  }

  /// What comes from `fd` until it holds `wanted`; false if the other end closes first.
  Result<bool> reads(const UniqueFd& fd, std::string_view wanted) {
    std::string seen;
    std::array<char, 4096> buffer;
    for (;;) {
      while (!TRY(until(fd.get(), POLLIN, end_))) continue;
      const auto count = ::recv(fd.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
      if (count < 0 && (errno == EAGAIN || errno == EINTR)) continue;
      if (count <= 0) return false;
      seen.append(buffer.data(), static_cast<std::size_t>(count));
      if (seen.contains(wanted)) return true;
      // What may be the beginning of it.
      if (seen.size() >= wanted.size()) seen.erase(0, seen.size() - wanted.size() + 1);
    }
  }

  /// QEMU keeps the question until the guest opens the agent's port.
  Result<> ask_agent() {
    const std::string number = std::to_string(qemu_.pid);
    const auto question =
        fmt::format("{{\"execute\": \"guest-sync\", \"arguments\": {{\"id\": {}}}}}\n", number);
    for (;; TRY(pause())) {
      const auto agent = connect_unix(place_.file("agent.sock"));
      if (!agent || ::send(agent->get(), question.data(), question.size(), MSG_NOSIGNAL) < 0)
        continue;
      const auto answer = fmt::format("{{\"return\": {}}}", number);
      if (TRY(reads(*agent, answer))) return {};
    }
  }

  /// Nobody tells when a port opens.
  Result<> connect() {
    const auto address = internet_address(ready_.address.value);
    constexpr std::chrono::seconds for_one_try{3};
    for (;; TRY(pause())) {
      const UniqueFd fd(
          ::socket(address.value.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
      if (!fd) return fail_errno("make a socket");
      if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address.value), address.size) == 0)
        return {};
      if (errno != EINPROGRESS) continue;
      if (!TRY(until(fd.get(), POLLOUT, Clock::now() + for_one_try))) continue;
      int error = 0;
      socklen_t size = sizeof error;
      if (::getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &error, &size) == 0 && error == 0) return {};
    }
  }

  /// `watch` gives what was printed before, too.
  Result<> read_console() {
    for (;; TRY(pause())) {
      const auto console = connect_unix(place_.file("console.sock"));
      if (console && TRY(reads(*console, ready_.text.value))) return {};
    }
  }

  /// `watch` writes down what the guest has said.
  Result<> await_notice() {
    const UniqueFd changes(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
    if (!changes ||
        ::inotify_add_watch(changes.get(), place_.directory().c_str(), IN_MOVED_TO | IN_CREATE) < 0)
      return fail_errno("watch {}", place_.directory());
    while (!is_ready(read_notice(place_))) {
      (void)TRY(until(changes.get(), POLLIN, end_));
      std::array<char, 4096> events;
      while (::read(changes.get(), events.data(), events.size()) > 0) continue;
    }
    return {};
  }

  const Place& place_;
  const profiles::Ready& ready_;
  const Holder& qemu_;
  Clock::time_point end_;
};

}  // namespace

std::string waited_for(const profiles::Ready& ready) {
  switch (ready.kind.value) {
    case ReadyKind::qmp: return "";
    case ReadyKind::agent: return "its guest agent to answer";
    case ReadyKind::tcp: return fmt::format("{} to take connections", ready.address.value);
    case ReadyKind::serial_match:
      return fmt::format("'{}' on its console", printable(ready.text.value));
    case ReadyKind::vsock_notify: return "its systemd to say that it is up";
  }
  std::unreachable();
}

Result<> await_ready(const Place& place, const profiles::Ready& ready) {
  if (ready.kind.value == ReadyKind::qmp) return {};
  const auto state = load_state(place);
  const auto qemu = find_holder(place.root, place.lock(), lock_number,
                                static_cast<pid_t>(state ? state->pid : 0));
  if (!qemu) return std::unexpected(not_running(place));
  return Wait(place, ready, *qemu).run();
}

}  // namespace hv::run
