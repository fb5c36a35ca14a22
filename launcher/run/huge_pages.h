// SPDX-License-Identifier: MIT
//
// Huge pages for a guest. The kernel's pool is made larger just before QEMU
// takes its pages, and is set back as soon as it has them: pages in use are
// then surplus, and the kernel frees them when QEMU ends, however it ends
// (Documentation/admin-guide/mm/hugetlbpage.rst).
#pragma once

#include "launcher/base/journal.h"
#include "launcher/plan/plan.h"
#include "launcher/run/lock.h"
#include "launcher/run/place.h"

namespace hv::run {

/// Held from before a pool grows until it is set back: the pages that one start
/// makes are not for another to take, nor its base to be remembered by another.
/// What a start that died left of larger pools is set back first.
[[nodiscard]] Result<Turn> lock_pools(const Place& place);

/// Sees to it that the pages are free, and records the pool's base before it
/// grows. Error: no-hugepages, with what there was and what would free more.
[[nodiscard]] Result<> make_huge_pages(const Root& root, const plan::HugePages& wanted,
                                       Journal& journal);

/// The turn at the pools of a start whose processes have handed its lock on,
/// once the last of them has let go: what is left of it goes away.
void end_turn_at_pools(const Place& place);

/// Sets how many pages a pool keeps: those of its node, surplus ones not counted.
[[nodiscard]] Result<> set_pool(const Root& root, const std::string& file,
                                const std::string& pages);

/// Sets back the pools that this journal says have grown.
[[nodiscard]] Result<> set_pools_back(const Root& root, Journal& journal);

}  // namespace hv::run
