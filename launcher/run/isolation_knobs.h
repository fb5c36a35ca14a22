// SPDX-License-Identifier: MIT
//
// The knobs of plan/isolation.h on a real host: how they are, and setting them.
#pragma once

#include "launcher/base/error.h"
#include "launcher/base/root.h"
#include "launcher/plan/isolation.h"

#include <array>

namespace hv::run {

/// What all of the host's own programs are below. Guests have a slice of their own.
inline constexpr std::array<std::string_view, 3> host_slices = {"system.slice", "user.slice",
                                                                "init.scope"};

/// All that there are; governors of these CPUs only.
[[nodiscard]] std::vector<plan::Knob> read_knobs(const Root& root, const CpuSet& governors);

/// Sets slices, and returns when the kernel has what they are to be.
using SetSlices = Result<> (*)(const std::vector<plan::KeptKnob>& slices);

/// By systemd's own tool, so that its view and the kernel's agree.
[[nodiscard]] Result<> set_slices(const std::vector<plan::KeptKnob>& slices);

/// Sets what wants a change. An error is of a slice only, and all others are
/// set even so: some interrupts can be moved by nobody.
[[nodiscard]] Result<> set_knobs(const Root& root, const std::vector<plan::KeptKnob>& knobs,
                                 const CpuSet& host, SetSlices set);

/// The file in which systemd keeps what set_slices() told it.
[[nodiscard]] std::string drop_in_of(std::string_view slice);

}  // namespace hv::run
