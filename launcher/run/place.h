// SPDX-License-Identifier: MIT
//
// One VM's files while it runs, below /run/hvlaunch/<vm>/. They are a cache
// and meeting points; that the guest runs is known from its lock alone.
#pragma once

#include "launcher/base/paths.h"
#include "launcher/base/root.h"

#include <string>
#include <string_view>

namespace hv::run {

struct Place {
  const Root& root;
  const Paths& paths;
  std::string vm;

  [[nodiscard]] std::string directory() const { return paths.run_of(vm); }
  [[nodiscard]] std::string file(std::string_view name) const {
    return directory() + "/" + std::string(name);
  }
  [[nodiscard]] std::string lock() const { return file("lock"); }
  [[nodiscard]] std::string monitor() const { return file("monitor.sock"); }
  [[nodiscard]] std::string record() const { return paths.records() + "/" + vm + ".json"; }
};

/// The descriptor as which QEMU holds the VM's lock: the plan's first.
constexpr int lock_number = 3;

}  // namespace hv::run
