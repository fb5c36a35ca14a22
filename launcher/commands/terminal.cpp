// SPDX-License-Identifier: MIT
#include "launcher/commands/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>

namespace hv::commands {

/// The first that is set decides.
host::Charset charset_of(const Context& context) {
  for (const auto* const name : {"LC_ALL", "LC_CTYPE", "LANG"}) {
    auto locale = context.variable(name);
    if (locale.empty()) continue;
    std::ranges::transform(locale, locale.begin(),
                           [](char c) { return c >= 'A' && c <= 'Z' ? char(c - 'A' + 'a') : c; });
    return locale.contains("utf-8") || locale.contains("utf8") ? host::Charset::utf8
                                                               : host::Charset::ascii;
  }
  return host::Charset::ascii;
}

std::size_t line_width() {
  winsize size{};
  constexpr std::size_t least = 60;
  if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col >= least) return size.ws_col;
  return 80;
}

Colours colours_of(const Context& context) {
  const bool wanted = context.variable("NO_COLOR").empty() && context.variable("TERM") != "dumb";
  return wanted && ::isatty(STDOUT_FILENO) == 1 ? Colours::ansi : Colours::none;
}

}  // namespace hv::commands
