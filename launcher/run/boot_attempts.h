// SPDX-License-Identifier: MIT
//
// A guest whose start takes the host down must not do so at each boot. That its
// autostart has begun is on disk until the start has come to an end, good or
// bad; what a later boot finds there was a start that the host did not survive.
#pragma once

#include "launcher/run/place.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace hv::run {

struct BootAttempt {
  std::string boot;         ///< The boot in which the last start began.
  std::uint32_t times = 0;  ///< Boots running in which one began and came to no end.

  friend bool operator==(const BootAttempt&, const BootAttempt&) = default;
};

/// Nothing if it is damaged: that must not keep a guest from starting.
[[nodiscard]] std::optional<BootAttempt> parse_attempt(std::string_view text);
[[nodiscard]] std::string to_string(const BootAttempt& attempt);

/// The same with a start in this boot; two of one boot count once.
[[nodiscard]] BootAttempt with_start(const std::optional<BootAttempt>& before,
                                     const std::string& boot);

/// How often running the host went down. A start of this boot has not ended yet.
[[nodiscard]] std::uint32_t downs_of(const std::optional<BootAttempt>& attempt,
                                     std::string_view boot);

/// The kernel's id of this boot.
[[nodiscard]] Result<std::string> this_boot(const Root& root);

[[nodiscard]] std::optional<BootAttempt> load_attempt(const Place& place);

/// On disk when this returns.
[[nodiscard]] Result<> begin_attempt(const Place& place);

/// The start has ended. Nothing there is no error.
[[nodiscard]] Result<> end_attempt(const Place& place);

}  // namespace hv::run
