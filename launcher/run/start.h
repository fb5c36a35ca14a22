// SPDX-License-Identifier: MIT
//
// The start of a guest where there is no systemd: the stages prepare, exec and
// tune, one after the other, and `watch` left behind. As processes of their own
// they are in unit_stages.h.
#pragma once

#include "launcher/base/journal.h"
#include "launcher/plan/plan.h"
#include "launcher/run/lock.h"
#include "launcher/run/place.h"
#include "launcher/run/records.h"

#include <optional>
#include <string>
#include <vector>

namespace qmp {
class Client;
}

namespace hv::run {

/// What the guest does once QEMU is up.
enum class FirstState : std::uint8_t { running, paused };

struct StartOptions {
  FirstState first_state = FirstState::running;
  GuestState state{};                        ///< What `status` will show.
  std::vector<std::string> watch_command{};  ///< Empty: the guest runs without `watch`.
  std::vector<std::string> environment{};    ///< For `watch`.
};

/// What `watch` writes to its ready descriptor before it closes it; anything
/// else is why it could not.
inline constexpr std::string_view watch_is_up = "up";

/// Returns when the guest runs, or says why it does not and leaves nothing
/// behind.
[[nodiscard]] Result<> start(const Place& place, const plan::Plan& plan,
                             const StartOptions& options);

// Of which the stages are made, wherever they run:

/// Claims what the guest has for itself, and prepares it. Holds the turn at the
/// pools of huge pages, if it needs one, until QEMU has its pages.
[[nodiscard]] Result<std::optional<Turn>> claim_and_prepare(const Place& place,
                                                            const plan::Plan& plan,
                                                            Journal& journal);

/// Sets the pools back, pins, proves it, and lets the guest run.
[[nodiscard]] Result<> settle_in(const Place& place, pid_t qemu, qmp::Client& monitor,
                                 const plan::ThreadPins& pins, Journal& journal,
                                 FirstState first_state);

/// A newer QEMU must not change the hardware of a guest that has run once.
[[nodiscard]] Result<> remember_machine(const Place& place, const std::string& machine);

/// QEMU has ended instead of starting: its own words, and what they mean.
[[nodiscard]] Error start_failure(const Place& place, const plan::Plan& plan,
                                  std::string_view ending);

}  // namespace hv::run
