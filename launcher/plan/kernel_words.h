// SPDX-License-Identifier: MIT
//
// What the kernel command line says of guests that start with the host:
//
//   hvlaunch.autostart=web,db   only these
//   hvlaunch.autostart=+lab     these as well
//   hvlaunch.autostart=off      none
//   hvlaunch.rescue             nothing but the menu
//   hvlaunch.menu=off           no menu
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace hv::plan {

struct KernelWords {
  bool off = false;               ///< No guest, whatever else is said.
  bool some = false;              ///< None but those of `only` and `also`.
  std::vector<std::string> only;  ///< Names of VMs, each once.
  std::vector<std::string> also;
  bool rescue = false;
  bool menu = true;
  std::vector<std::string> ignored;  ///< What could not be understood, as sentences.

  [[nodiscard]] bool names(std::string_view vm) const;
};

/// Never fails: the boot goes on with what could be understood.
[[nodiscard]] KernelWords parse_kernel_words(std::string_view command_line);

}  // namespace hv::plan
