// SPDX-License-Identifier: MIT
#pragma once

#include <string_view>

namespace hv::host {

/// Colours are classes: a viewer that prefers dark gets the second set. No
/// custom properties: not every program that shows SVG files knows them.
inline constexpr std::string_view svg_style = R"(<style>
text { font: 12px system-ui, "Segoe UI", "DejaVu Sans", sans-serif; fill: #1c2330; }
.title { font-size: 20px; font-weight: 600; }
.head { font-size: 14px; font-weight: 600; }
.dim { fill: #5a6577; }
.small { font-size: 11px; }
.who { font-size: 11px; font-weight: 700; text-anchor: end; }
.page { fill: #ffffff; }
.package { fill: #f5f7fa; stroke: #c5cedb; }
.cache { fill: #ffffff; stroke: #c5cedb; }
.core { fill: #c9d2de; }
.efficiency { fill: #a8d8b9; }
.cpu { fill: #ffffff; }
.isolated { stroke: #8a6d00; stroke-width: 1.5; stroke-dasharray: 3 2; }
.forbidden { opacity: 0.35; }
.used { fill: #8794a8; }
.huge { fill: #c9821a; }
.free { fill: #ffffff; }
.frame { fill: none; stroke: #8794a8; }
.g0 { fill: #a9d3f5; } .g1 { fill: #ffd08a; } .g2 { fill: #b5e3b1; } .g3 { fill: #f5b8d0; }
.g4 { fill: #d4c3f7; } .g5 { fill: #f2e58c; } .g6 { fill: #a6e5e0; } .g7 { fill: #f7b9a3; }
@media (prefers-color-scheme: dark) {
text { fill: #e8ecf2; }
.dim { fill: #9aa7ba; }
.page { fill: #10141b; }
.package { fill: #171d27; stroke: #3a4659; }
.cache { fill: #10141b; stroke: #3a4659; }
.core { fill: #3a475b; }
.efficiency { fill: #2c5a41; }
.cpu { fill: #10141b; }
.isolated { stroke: #e0bd4a; }
.used { fill: #7c8aa0; }
.huge { fill: #d9963a; }
.free { fill: #10141b; }
.g0 { fill: #1f5c8a; } .g1 { fill: #80530a; } .g2 { fill: #2b6a35; } .g3 { fill: #85335a; }
.g4 { fill: #55409a; } .g5 { fill: #6b6110; } .g6 { fill: #176a66; } .g7 { fill: #8a3d22; }
}
</style>
)";

}  // namespace hv::host
