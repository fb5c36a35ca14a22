// SPDX-License-Identifier: MIT
#include "launcher/run/powerdown.h"

#include "launcher/run/cleanup.h"
#include "launcher/run/lock.h"
#include "launcher/run/monitor.h"
#include "launcher/run/process.h"
#include "qmp/read.h"

#include <boost/json.hpp>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <array>

namespace hv::run {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

struct Step {
  Rung rung;
  std::string_view name;
};
constexpr std::array rungs = {Step{Rung::agent, "agent"}, Step{Rung::acpi, "acpi"},
                              Step{Rung::quit, "quit"}, Step{Rung::term, "term"},
                              Step{Rung::kill, "kill"}};

seconds time_for(const Ladder& ladder, Rung rung) {
  const auto& [agent, acpi, quit, term] = ladder;
  switch (rung) {
    case Rung::agent: return seconds(agent);
    case Rung::acpi: return seconds(acpi);
    case Rung::quit: return seconds(quit);
    case Rung::term: return seconds(term);
    case Rung::kill: return seconds(10);  // For the kernel to take the process apart.
  }
  std::unreachable();
}

/// Whether the guest has opened the agent's port: only then somebody listens.
bool agent_listens(qmp::Client& client) {
  const auto reply = client.execute("query-chardev");
  const auto* const chardevs = reply ? reply->if_array() : nullptr;
  if (chardevs == nullptr) return false;
  return std::ranges::any_of(*chardevs, [](const boost::json::value& chardev) {
    return qmp::string_at(chardev, "label") == "agent" &&
           qmp::bool_at(chardev, "frontend-open") == true;
  });
}

Result<> tell_agent(const Place& place) {
  const auto path = place.file("agent.sock");
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  const UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd || ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) < 0)
    return fail_errno("connect to the guest agent");
  // guest-shutdown answers nothing if it succeeds (QEMU, qga/qapi-schema.json).
  constexpr std::string_view request = "{\"execute\":\"guest-shutdown\"}\n";
  if (::send(fd.get(), request.data(), request.size(), MSG_NOSIGNAL) < 0)
    return fail_errno("write to the guest agent");
  return {};
}

/// One guest that is being ended.
class Climb {
 public:
  Climb(const Place& place, const Holder& qemu, const std::string& architecture)
      : place_(place), qemu_(qemu), has_power_key_(architecture == "riscv64") {}

  /// True if QEMU has ended within the rung's time; false: on to the next.
  Result<bool> try_rung(Rung rung, seconds time) {
    TRY(announce_stop(place_, to_string(rung)));
    switch (rung) {
      case Rung::agent: return ask_agent(time);
      case Rung::acpi: return press_button(time);
      case Rung::quit: return quit(time);
      case Rung::term: return signal(SIGTERM, time);
      case Rung::kill: return signal(SIGKILL, time);
    }
    std::unreachable();
  }

 private:
  Result<bool> ask_agent(seconds time) {
    auto client = connect_monitor(place_, time);
    if (!client || !agent_listens(*client) || !tell_agent(place_)) return false;
    return ends_within(qemu_.pidfd, time);
  }

  Result<bool> press_button(seconds time) {
    auto client = connect_monitor(place_, time);
    if (!client) return false;
    const auto status = client->call(qmp::QueryStatus{});
    // A guest that never ran has no one to press a button for.
    if (!status || status->status == "prelaunch" || status->status == "guest-panicked") return false;
    if (!status->running && !client->call(qmp::Cont{})) return false;
    press_once(*client);
    constexpr milliseconds before_second{500};
    if (ends_within(qemu_.pidfd, before_second)) return true;
    press_once(*client);
    return ends_within(qemu_.pidfd, time - before_second);
  }

  /// Errors are not looked at: that the guest goes is what counts.
  void press_once(qmp::Client& client) const {
    (void)client.call(qmp::SystemPowerdown{});
    if (!has_power_key_) return;
    const boost::json::object key = {{"type", "qcode"}, {"data", "power"}};
    (void)client.execute("send-key", {{"keys", boost::json::array{key}}});
  }

  Result<bool> quit(seconds time) {
    auto client = connect_monitor(place_, time);
    if (!client) return ends_within(qemu_.pidfd, milliseconds(0));
    (void)client->call(qmp::Quit{});  // QEMU may close the connection before it answers.
    return ends_within(qemu_.pidfd, time);
  }

  Result<bool> signal(int number, seconds time) {
    TRY(send_signal(qemu_.pidfd, number));
    // A stopped process takes no signal but SIGKILL before it goes on.
    TRY(send_signal(qemu_.pidfd, SIGCONT));
    return ends_within(qemu_.pidfd, time);
  }

  const Place& place_;
  const Holder& qemu_;
  bool has_power_key_;  ///< RISC-V's board has no power button, but a keyboard.
};

Result<> finish(const Place& place) {
  constexpr seconds for_another_cleanup{5};
  auto lock = lock_within(place.root, place.lock(), for_another_cleanup);
  if (!lock && lock.error().os_error == ENOENT) return {};  // `watch` was quicker.
  if (!lock && lock.error().fault == Fault::timed_out) return {};  // The next start was.
  if (!lock) return std::unexpected(std::move(lock).error());
  return cleanup(place, *std::move(lock), announced_or(place, {}));
}

}  // namespace

std::string_view to_string(Rung rung) {
  return std::ranges::find(rungs, rung, &Step::rung)->name;
}

Result<Rung> powerdown(const Place& place, const Ladder& ladder, Rung first,
                       const OnRung& on_rung) {
  const auto state = load_state(place);
  const auto qemu = find_holder(place.root, place.lock(), lock_number,
                                static_cast<pid_t>(state ? state->pid : 0));
  if (!qemu) return std::unexpected(not_running(place));
  Climb climb(place, *qemu, state ? state->architecture : "");
  for (const auto& [rung, name] : rungs) {
    const auto time = time_for(ladder, rung);
    if (rung < first || time.count() == 0) continue;
    on_rung(rung, time);
    if (!TRY(climb.try_rung(rung, time))) continue;
    TRY(finish(place));
    return rung;
  }
  return std::unexpected(
      with_hint({.fault = Fault::timed_out,
                 .id = "unkillable",
                 .message = fmt::format("QEMU (process {}) was killed and does not end", qemu->pid)},
                "it is stuck in the kernel, most likely in a device or file system that does not "
                "answer: see `dmesg`"));
}

}  // namespace hv::run
