// SPDX-License-Identifier: MIT
//
// Landlock: the kernel's access control for processes that give rights up by
// themselves (Documentation/userspace-api/landlock.rst).
#pragma once

#include "launcher/base/error.h"
#include "launcher/base/root.h"
#include "launcher/base/unique_fd.h"
#include "launcher/plan/cage.h"

#include <string>

namespace hv::run {

class Landlock {
 public:
  /// What this kernel can deny, by its number (ABI); 0: nothing.
  [[nodiscard]] static int abi();

  /// Denies all that the kernel can, network included unless `internet`.
  [[nodiscard]] static Result<Landlock> deny_all(bool internet);

  /// What is not there needs no grant: that is no error.
  [[nodiscard]] Result<> grant(const Root& root, const std::string& path, plan::Access access);
  [[nodiscard]] Result<> grant_execution(const Root& root, const std::string& path);

  /// For this process and what it executes, for good. Needs no_new_privs.
  [[nodiscard]] Result<> restrict_self() &&;

 private:
  Landlock(UniqueFd rules, int abi) : rules_(std::move(rules)), abi_(abi) {}
  [[nodiscard]] Result<> add(const Root& root, const std::string& path, std::uint64_t rights);

  UniqueFd rules_;
  int abi_;
};

}  // namespace hv::run
