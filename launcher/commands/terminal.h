// SPDX-License-Identifier: MIT
//
// What standard output can show.
#pragma once

#include "launcher/commands/cli.h"
#include "launcher/host/topology_picture.h"

namespace hv::commands {

/// By the locale, as setlocale(3) reads it.
[[nodiscard]] host::Charset charset_of(const Context& context);

/// Of the terminal, if it is one that can show a sentence.
[[nodiscard]] std::size_t line_width();

/// Only on a terminal, and without NO_COLOR (no-color.org).
enum class Colours : std::uint8_t { none, ansi };
[[nodiscard]] Colours colours_of(const Context& context);

}  // namespace hv::commands
