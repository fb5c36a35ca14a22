// SPDX-License-Identifier: MIT
#include "launcher/base/unix_socket.h"
#include "launcher/commands/commands.h"
#include "launcher/commands/load.h"
#include "launcher/commands/output.h"
#include "launcher/run/agent.h"
#include "launcher/run/lock.h"
#include "launcher/run/monitor.h"
#include "launcher/run/observe.h"

#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <termios.h>

#include <array>
#include <functional>
#include <optional>

namespace hv::commands {
namespace {

constexpr char leave_key = 0x1d;  // Ctrl-]

/// The terminal in raw mode; as it was before when this goes out of scope.
class RawTerminal {
 public:
  RawTerminal() {
    if (::tcgetattr(STDIN_FILENO, &before_) < 0) return;
    is_terminal_ = true;
    auto raw = before_;
    ::cfmakeraw(&raw);
    ::tcsetattr(STDIN_FILENO, TCSADRAIN, &raw);
  }
  RawTerminal(const RawTerminal&) = delete;
  RawTerminal& operator=(const RawTerminal&) = delete;
  ~RawTerminal() {
    if (is_terminal_) ::tcsetattr(STDIN_FILENO, TCSADRAIN, &before_);
  }

 private:
  termios before_{};
  bool is_terminal_ = false;
};

/// The signals that would end us, as a descriptor: the terminal is put back
/// first. SIGTSTP is left out: Ctrl-Z goes to the guest. And SIGWINCH, for a
/// terminal that changes its size.
UniqueFd signals_of_interest() {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGWINCH}) sigaddset(&signals, number);
  ::sigprocmask(SIG_BLOCK, &signals, nullptr);
  return UniqueFd(::signalfd(-1, &signals, SFD_CLOEXEC));
}

bool write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const auto count = ::write(fd, text.data(), text.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return false;
    text.remove_prefix(static_cast<std::size_t>(count));
  }
  return true;
}

/// Why the conversation with the console ended.
enum class End : std::uint8_t { left, guest_gone, signal };

/// Copies between the terminal and the guest until one of them ends it.
class Conversation {
 public:
  Conversation(int guest, int signals, std::function<void()> on_resize)
      : on_resize_(std::move(on_resize)),
        polled_{pollfd{guest, POLLIN, 0}, pollfd{STDIN_FILENO, POLLIN, 0},
                pollfd{signals, POLLIN, 0}} {}

  End run() {
    for (;;) {
      if (::poll(polled_.data(), polled_.size(), -1) < 0) continue;
      if (polled_[2].revents != 0 && !is_resize()) return End::signal;
      if (polled_[0].revents != 0 && !from_guest()) return End::guest_gone;
      if (polled_[1].revents != 0)
        if (const auto end = from_user()) return *end;
    }
  }

 private:
  /// Takes one signal; what follows from a change of size is done here.
  bool is_resize() {
    signalfd_siginfo info{};
    const bool resized =
        ::read(polled_[2].fd, &info, sizeof info) == sizeof info && info.ssi_signo == SIGWINCH;
    if (resized) on_resize_();
    return resized;
  }

  bool from_guest() {
    const auto count = ::read(polled_[0].fd, buffer_.data(), buffer_.size());
    return count > 0 && write_all(STDOUT_FILENO, {buffer_.data(), static_cast<std::size_t>(count)});
  }

  std::optional<End> from_user() {
    const auto count = ::read(STDIN_FILENO, buffer_.data(), buffer_.size());
    if (count <= 0) {
      polled_[1].fd = -1;  // End of a pipe: go on showing what the guest says.
      return std::nullopt;
    }
    std::string_view typed(buffer_.data(), static_cast<std::size_t>(count));
    const auto leave = typed.find(leave_key);
    if (!write_all(polled_[0].fd, typed.substr(0, leave))) return End::guest_gone;
    if (leave == std::string_view::npos) return std::nullopt;
    return End::left;
  }

  std::function<void()> on_resize_;
  std::array<pollfd, 3> polled_;
  std::array<char, 4096> buffer_{};
};

/// The guest's console takes the size of this terminal, where its agent helps.
void pass_size_on(const run::Place& place, const std::string& tty) {
  winsize size{};
  if (tty.empty() || ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0 || size.ws_row == 0) return;
  // A guest without an agent keeps the size it has; nothing is lost by that.
  (void)run::tell_console_size(place, tty, size.ws_row, size.ws_col);
}

/// By way of `watch`, which has the console's past; else at the guest itself.
Result<UniqueFd> attach(const Context& context, const run::Place& place) {
  if (auto shared = connect_unix(place.file("console.sock"))) return shared;
  auto direct = connect_unix(place.file("serial.sock"));
  if (direct) {
    say(context, "(`watch` is not running: what was printed before is not shown)");
    return direct;
  }
  if (!run::is_locked(context.root, place.lock())) return std::unexpected(run::not_running(place));
  if (const auto state = run::load_state(place); state && !state->console)
    return fail(Fault::state, "no-console", "'{}' has no console: its profile says \"none\"",
                place.vm);
  return direct;
}

}  // namespace

Outcome console_command(Context& context, const Arguments& arguments) {
  const auto place = TRY_OUTCOME(guest_of(context, arguments.vm()));
  const auto guest = TRY_OUTCOME(attach(context, place));
  if (context.terminal) say(context, fmt::format("connected to {}; leave with Ctrl-]", place.vm));
  const auto signals = signals_of_interest();
  const auto state = run::load_state(place);
  const auto resize = [&] { pass_size_on(place, state ? state->tty : ""); };
  ::signal(SIGPIPE, SIG_IGN);  // A guest that ends is told by write(2).
  End end = End::left;
  {
    const RawTerminal raw;
    resize();
    end = Conversation(guest.get(), signals.get(), resize).run();
  }
  if (end == End::guest_gone) say(context, fmt::format("\n{} has closed its console", place.vm));
  if (end == End::left && context.terminal) say(context, "");
  if (end == End::signal)
    return failed({.fault = Fault::failed, .id = "interrupted", .message = "interrupted"});
  return {};
}

}  // namespace hv::commands
