// SPDX-License-Identifier: MIT
//
// Carries out the steps that make virtual functions and mediated devices.
#pragma once

#include "launcher/base/journal.h"
#include "launcher/plan/plan.h"
#include "launcher/run/place.h"

namespace hv::run {

/// Errors: those of vfio::make_vfs(), and not-obeyed if the kernel has put them
/// elsewhere than planned.
[[nodiscard]] Result<> make_virtual_functions(const Place& place,
                                              const plan::MakeVirtualFunctions& make,
                                              Journal& journal);

[[nodiscard]] Result<> set_virtual_function(const plan::SetVirtualFunction& set, Journal& journal);

/// Takes set_virtual_function() back (Undo::Kind::set_vf).
[[nodiscard]] Result<> set_vf_back(const Root& root, const Undo& entry);

[[nodiscard]] Result<> make_mdev(const Root& root, const plan::MakeMdev& mdev, Journal& journal);

}  // namespace hv::run
