// SPDX-License-Identifier: MIT
#include "launcher/run/watch.h"

#include "launcher/base/text.h"
#include "launcher/run/bounded_log.h"
#include "launcher/run/cleanup.h"
#include "launcher/run/console_hub.h"
#include "launcher/run/group_sockets.h"
#include "launcher/run/guest_notice.h"
#include "launcher/run/identity.h"
#include "launcher/run/lock.h"
#include "launcher/run/monitor.h"
#include "launcher/run/process.h"
#include "launcher/run/unit.h"
#include "qmp/multiplexer.h"
#include "qmp/read.h"

#include <sys/mman.h>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/json.hpp>

#include <algorithm>
#include <array>
#include <charconv>

namespace hv::run {
namespace {

struct Reason {
  std::string_view qemu;  ///< A ShutdownCause of QEMU's qapi/run-state.json.
  std::string_view cause;
  std::string_view detail;
};
constexpr std::array reasons = {
    Reason{"guest-shutdown", "guest-shutdown", "the guest shut down"},
    Reason{"guest-reset", "guest-shutdown", "the guest rebooted, and was not to"},
    Reason{"guest-panic", "guest-panic", "the guest's kernel panicked"},
    Reason{"host-qmp-quit", "quit", "a QMP client told QEMU to quit"},
    Reason{"host-signal", "signal", "QEMU got a signal to end"},
    Reason{"host-error", "host-error", "QEMU gave up after an error"},
    Reason{"host-ui", "quit", "the display's viewer ended it"},
};

/// What the events so far say of how the guest ends.
class Cause {
 public:
  void note(std::string_view name, const boost::json::object& message) {
    if (name != "SHUTDOWN") return;
    const auto* const data = message.if_contains("data");
    const auto reason = data != nullptr ? qmp::string_at(*data, "reason").value_or("") : "";
    const auto* const found = std::ranges::find(reasons, reason, &Reason::qemu);
    if (found == reasons.end())
      exit_ = {.cause = "shutdown", .detail = "QEMU ended: " + printable(reason)};
    else
      exit_ = {.cause = std::string(found->cause), .detail = std::string(found->detail)};
  }

  /// An end that QEMU did not announce is a crash, or SIGKILL.
  [[nodiscard]] LastExit last_exit(const std::optional<Ending>& ending) const {
    if (!exit_.cause.empty()) return exit_;
    if (!ending)
      return {.cause = "crashed", .detail = "QEMU ended without a word: crashed, or killed"};
    if (ending->signal == SIGKILL)
      return {.cause = "killed",
              .detail = "QEMU was killed by SIGKILL: by hand, or for lack of memory (see `dmesg`)"};
    return {.cause = "crashed", .detail = "QEMU " + describe_ending(*ending)};
  }

 private:
  LastExit exit_;
};

enum class InUnit : std::uint8_t { no, yes };

/// After the end of the guest: whoever has the lock first cleans up.
Result<> clean_up(const Place& place, const Holder& qemu, const Cause& cause, InUnit in_unit) {
  constexpr std::chrono::seconds to_end{30};
  if (!ends_within(qemu.pidfd, to_end))
    return fail(Fault::failed, "monitor-lost", "QEMU lives, but its monitor is gone");
  const auto ending = ending_of(qemu.pidfd);
  if (in_unit == InUnit::yes) {  // Its last stage cleans up, when all of its processes have ended.
    note_exit(place, announced_or(place, cause.last_exit(ending)));
    return {};
  }
  auto lock = lock_within(place.root, place.lock(), std::chrono::seconds(5));
  // Gone: somebody else cleaned up, perhaps before we made files of our own.
  if (!lock && lock.error().os_error == ENOENT) {
    (void)TRY(recover(place));
    return {};
  }
  if (!lock && lock.error().fault == Fault::timed_out) return {};  // The next start has it.
  if (!lock) return std::unexpected(std::move(lock).error());
  return cleanup(place, *std::move(lock), announced_or(place, cause.last_exit(ending)));
}

/// Gives back the pages of code that only starting needed. They are the file's,
/// never ours, so they come again by themselves if they are needed after all.
void forget_code(const Root& root) {
  const auto maps = root.read("/proc/self/maps").value_or("");
  for (const auto line : split(maps, '\n')) {
    if (!line.contains(" r-xp ") || !line.contains(" /")) continue;
    const auto dash = line.find('-');
    std::uintptr_t first = 0;
    std::uintptr_t last = 0;
    (void)std::from_chars(line.data(), line.data() + dash, first, 16);
    (void)std::from_chars(line.data() + dash + 1, line.data() + line.size(), last, 16);
    // NOLINTNEXTLINE(performance-no-int-to-ptr): the kernel tells addresses as text.
    auto* const code = reinterpret_cast<void*>(first);
    // Advice: what cannot be taken costs memory, nothing else.
    (void)::madvise(code, last - first, MADV_DONTNEED);
  }
}

/// The lock of the one that watches. One that was just killed may still have it.
Result<UniqueFd> only_watch(const Place& place) {
  const auto path = place.file("watch.lock");
  if (auto lock = TRY(try_lock(place.root, path))) return *std::move(lock);
  constexpr std::chrono::milliseconds a_moment{500};
  auto lock = lock_within(place.root, path, a_moment);
  if (!lock && lock.error().fault == Fault::timed_out)
    return fail(Fault::state, "already-watched", "'{}' is watched already", place.vm);
  return lock;
}

/// Beats twice in each period, for as long as the context has its turns.
class Pulse {
 public:
  Pulse(boost::asio::io_context& context, const Heartbeat& heartbeat)
      : heartbeat_(heartbeat), timer_(context) {
    if (heartbeat_.period.count() > 0) next();
  }

 private:
  void next() {
    timer_.expires_after(heartbeat_.period / 2);
    timer_.async_wait([this](const boost::system::error_code& error) {
      if (error) return;
      heartbeat_.beat();
      next();
    });
  }

  const Heartbeat& heartbeat_;
  boost::asio::steady_timer timer_;
};

Result<> serve(const Place& place, const GuestState& guest, const std::function<void()>& ready,
               const Heartbeat& heartbeat, Cause& cause) {
  boost::asio::io_context context(1);
  const Pulse pulse(context, heartbeat);
  const BoundedLog log(context, place);
  std::optional<ConsoleHub> console;
  if (guest.console) console.emplace(TRY(ConsoleHub::start(context, place)));
  std::optional<NoticeListener> notices;
  if (guest.notify_port != 0)
    notices.emplace(TRY(NoticeListener::start(context, place, guest.cid, guest.notify_port)));
  auto multiplexer = qmp::Multiplexer::start(
      context,
      {.upstream = place.file("watch.sock"),
       .listen = place.file("qmp.sock"),
       .timeout = start_patience},
      {.ready = [&] { forget_code(place.root); },
       .event = [&](std::string_view name,
                    const boost::json::object& message) { cause.note(name, message); },
       .closed = [&](const qmp::Error&) { context.stop(); }});
  if (!multiplexer) return std::unexpected(error_of(multiplexer.error(), "sharing the monitor"));
  const GroupSockets for_groups(context, place);
  ready();  // QEMU may still be filling the guest's memory: nobody need wait for that here.
  context.run();
  return {};
}

}  // namespace

Result<> watch(const Place& place, const std::function<void()>& ready, const Heartbeat& heartbeat) {
  const auto state = load_state(place);
  const auto qemu = find_holder(place.root, place.lock(), lock_number,
                                static_cast<pid_t>(state ? state->pid : 0));
  if (!qemu) return std::unexpected(not_running(place));
  const auto only_one = TRY(only_watch(place));
  const auto in_unit = runs_in_unit(place.root, place.vm, qemu->pid) ? InUnit::yes : InUnit::no;
  Cause cause;
  const auto attached = [&] {
    // It needed rights to see who holds the lock, and in a unit none from here on:
    // what it has opened is all that it uses.
    if (in_unit == InUnit::yes && !drop_capabilities()) return;
    ready();
  };
  auto served = serve(place, state.value_or(GuestState{}), attached, heartbeat, cause);
  // A guest that ends while we attach is one to clean up after, like any other.
  if (!served && !ends_within(qemu->pidfd, std::chrono::milliseconds(0))) return served;
  return clean_up(place, *qemu, cause, in_unit);
}

}  // namespace hv::run
