// SPDX-License-Identifier: MIT
//
// Guests as systemd's units, where it runs and has our template.
#pragma once

#include "launcher/commands/cli.h"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hv::commands {

/// The service manager of the system, or of the user whose guests these are.
class Units {
 public:
  /// Nothing where there is no systemd, or it has no hvlaunch@.service, or looks
  /// for the guests elsewhere than `context`.
  [[nodiscard]] static std::optional<Units> of(const Context& context);

  [[nodiscard]] Result<> start(std::string_view unit) const;
  enum class Until : std::uint8_t { queued, done };
  [[nodiscard]] Result<> stop(std::string_view unit, Until until) const;
  /// It has failed, and may be started even so.
  void forgive(std::string_view unit) const;

 private:
  [[nodiscard]] Result<> run(std::vector<std::string> words) const;

  std::vector<std::string> program_;
  std::vector<std::string> variables_;
};

}  // namespace hv::commands
