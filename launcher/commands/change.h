// SPDX-License-Identifier: MIT
//
// What the commands share that make, change, copy and delete VMs.
#pragma once

#include "launcher/commands/cli.h"
#include "launcher/run/place.h"
#include "profiles/profile.h"

#include <array>
#include <string>
#include <vector>

namespace hv::commands {

/// A profile's text, once it is known to be right: only then it can be changed.
[[nodiscard]] std::expected<profiles::Source, Errors> read_valid(const Context& context,
                                                                 const std::string& path);

/// The text with each of `words` ("network.mode=none") applied.
[[nodiscard]] Result<profiles::Source> with_settings(profiles::Source source,
                                                     const std::vector<std::string>& words);

/// The mode that a profile has, or a new one gets.
[[nodiscard]] mode_t mode_of(const Context& context, const std::string& path);

/// Puts a profile in place that is right; says what is wrong with one that is not.
[[nodiscard]] Outcome put(const Context& context, const profiles::Source& source,
                          const std::string& path);

/// Where the profile of a VM goes that is not there yet.
[[nodiscard]] Result<std::string> path_for_new(const Context& context, const std::string& name);

/// The disks and firmware variables that are a VM's own, whether or not they
/// are there; in the same order for each VM.
[[nodiscard]] std::array<std::string, 3> images_of(const Paths& paths, const std::string& vm);

/// A VM that must not start meanwhile: its lock, and nothing left of it after.
class Held {
 public:
  static Result<Held> take(const run::Place& place);
  Held(Held&&) = default;
  Held& operator=(Held&&) = delete;
  Held(const Held&) = delete;
  Held& operator=(const Held&) = delete;
  ~Held();

 private:
  Held(run::Place place, UniqueFd lock) : place_(std::move(place)), lock_(std::move(lock)) {}

  run::Place place_;
  UniqueFd lock_;
};

}  // namespace hv::commands
