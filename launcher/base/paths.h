// SPDX-License-Identifier: MIT
//
// Where things live: for the system (root) or for one user.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace hv {

struct Paths {
  std::vector<std::string>
      profiles;         ///< Searched in this order; the last is where `create` writes.
  std::string config;   ///< Directory of config.json.
  std::string state;    ///< Disks, ISOs, firmware variables, records.
  std::string runtime;  ///< One directory a running VM: lock, journal, sockets.
  std::string cache;
  std::string firmware_config;  ///< The user's own firmware descriptors' parent; may be empty.
  bool system = false;          ///< Root's. Its guests run as users of their own.

  [[nodiscard]] std::string disks() const { return state + "/disks"; }
  [[nodiscard]] std::string isos() const { return state + "/isos"; }
  [[nodiscard]] std::string nvram() const { return state + "/nvram"; }
  [[nodiscard]] std::string records() const { return state + "/records"; }
  [[nodiscard]] std::string run_of(std::string_view vm) const {
    return runtime + "/" + std::string(vm);
  }
  /// Where QEMU itself makes sockets, for viewers.
  [[nodiscard]] std::string display_of(std::string_view vm) const {
    return run_of(vm) + "/display";
  }
};

}  // namespace hv
