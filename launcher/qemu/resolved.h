// SPDX-License-Identifier: MIT
#pragma once

#include "launcher/base/error.h"

#include <cstdlib>
#include <memory>
#include <string>

namespace hv::qemu {

/// The program's path without symlinks. Not through Root: it will be executed.
[[nodiscard]] inline Result<std::string> resolved(const std::string& binary) {
  const std::unique_ptr<char, decltype([](char* text) { std::free(text); })> path(
      ::realpath(binary.c_str(), nullptr));
  if (path) return std::string(path.get());
  auto error = errno_error(errno, fmt::format("find '{}'", binary));
  if (error.os_error == ENOENT) error.fault = Fault::missing;
  return std::unexpected(std::move(error));
}

}  // namespace hv::qemu
