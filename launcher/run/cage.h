// SPDX-License-Identifier: MIT
//
// The cage around QEMU, entered by the process that becomes it.
#pragma once

#include "launcher/base/error.h"
#include "launcher/base/root.h"
#include "launcher/plan/cage.h"
#include "launcher/run/landlock.h"

#include <optional>
#include <string>

namespace hv::run {

/// Made while there is still a way to the files, and entered when QEMU's
/// descriptors are in their places.
class ReadyCage {
 public:
  [[nodiscard]] static Result<ReadyCage> make(const Root& root, const plan::Cage& cage,
                                              const std::string& binary);

  /// Gives up for good what the cage has not. Descriptors stay. After this the
  /// process can do little but execute the binary.
  [[nodiscard]] Result<> enter() &&;

 private:
  explicit ReadyCage(const plan::Cage& cage) : cage_(&cage) {}

  /// As QEMU's user will see them.
  [[nodiscard]] Result<> look_at_files(const Root& root, const std::string& binary, uid_t user);

  const plan::Cage* cage_;
  std::optional<Landlock> files_;
  int kept_capability_ = -1;
};

}  // namespace hv::run
