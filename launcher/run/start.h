// SPDX-License-Identifier: MIT
//
// The start of a guest where there is no systemd: the stages prepare, exec and
// tune, one after the other, and `watch` left behind.
#pragma once

#include "launcher/plan/plan.h"
#include "launcher/run/place.h"
#include "launcher/run/records.h"

#include <string>
#include <vector>

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

/// Stage `tune`: waits until QEMU takes commands, and makes the guest run.
[[nodiscard]] Result<> tune(const Place& place, FirstState first_state);

}  // namespace hv::run
