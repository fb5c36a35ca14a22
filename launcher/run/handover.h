// SPDX-License-Identifier: MIT
//
// What `prepare` leaves for `exec` and `tune`, which are other processes: the
// plan that the guest has its claims for. A plan made anew might choose other
// CPUs or devices, as other guests come and go.
#pragma once

#include "launcher/plan/plan.h"
#include "launcher/run/start.h"

namespace hv::run {

struct Handover {
  plan::Plan plan;  ///< Without what only `prepare` needs: claims, steps, files, summaries.
  FirstState first_state = FirstState::running;
};

[[nodiscard]] Result<> hand_over(const Place& place, const plan::Plan& plan,
                                 FirstState first_state);

/// Error: not-prepared, if `prepare` has left nothing, or somebody has damaged it.
[[nodiscard]] Result<Handover> take_over(const Place& place);

}  // namespace hv::run
