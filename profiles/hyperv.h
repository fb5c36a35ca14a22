// SPDX-License-Identifier: MIT
//
// Which of Hyper-V's enlightenments need which others: QEMU ends without them.
#pragma once

#include <string_view>
#include <utility>

namespace hv::profiles {

inline constexpr std::pair<std::string_view, std::string_view> hyperv_needs[] = {
    {"synic", "vpindex"},         {"stimer", "synic"},          {"stimer", "time"},
    {"stimer_direct", "stimer"},  {"tlbflush", "vpindex"},      {"tlbflush_ext", "tlbflush"},
    {"tlbflush_direct", "vapic"}, {"ipi", "vpindex"},           {"evmcs", "vapic"},
};

}  // namespace hv::profiles
