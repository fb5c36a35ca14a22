// SPDX-License-Identifier: MIT
//
// A VM's place in a directory for one test, by its real path: the kernel's view
// of its processes is part of what is tested.
#pragma once

#include "launcher/run/place.h"
#include "tests/temp_tree.h"

#include <filesystem>

struct RunPlace {
  TempTree tree;
  hv::Root root = hv::Root::open().value();
  hv::Paths paths{.profiles = {tree.path("/profiles")},
                  .config = tree.path("/config"),
                  .state = tree.path("/state"),
                  .runtime = tree.path("/run"),
                  .cache = tree.path("/cache"),
                  .firmware_config = ""};

  [[nodiscard]] hv::run::Place place(std::string vm = "web") const { return {root, paths, vm}; }

  /// A file in the VM's directory.
  void put(std::string_view name, std::string_view text) const {
    tree.write("/run/web/" + std::string(name), text);
  }
  [[nodiscard]] bool has(std::string_view path) const {
    return std::filesystem::exists(tree.path(path));
  }
};
