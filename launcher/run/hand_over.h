// SPDX-License-Identifier: MIT
//
// Frees a graphics card of the host's own screen, and gives it back.
#pragma once

#include "launcher/base/journal.h"
#include "vfio/hand_over.h"

namespace hv::run {

/// Carries out one step, recorded first. What is free already is left alone.
[[nodiscard]] Result<> release(const Root& root, const vfio::Release& step, Journal& journal);

/// Undo::Kind::start_unit, bind_framebuffer, load_module. Each safe to do twice.
[[nodiscard]] Result<> start_unit(const std::string& unit);
[[nodiscard]] Result<> bind_framebuffer(const Root& root, const Undo& entry);
[[nodiscard]] Result<> load_module(const Root& root, const std::string& name);

}  // namespace hv::run
