// SPDX-License-Identifier: MIT
//
// A profile is decoded, or every error says where; a change of one value leaves
// a profile that is decoded to that value.
#include "profiles/profile.h"
#include "launcher/base/text.h"
#include "profiles/rewrite.h"
#include "tests/fuzz/fuzz.h"

#include <algorithm>

using fuzz::require;
using namespace hv;

namespace {

void check_errors(const profiles::Source& source, const Errors& errors) {
  const auto lines = static_cast<std::size_t>(std::ranges::count(source.text, '\n')) + 1;
  require(!errors.empty(), "a refusal has a reason");
  for (std::size_t i = 0; i < errors.size(); ++i) {
    const auto& error = errors[i];
    require(!error.id.empty() && !error.message.empty(), "an error has an id and a message");
    require(error.origin.line >= 1 && error.origin.line <= lines, "an error has a line");
    require(error.origin.column >= 1 && error.origin.column <= source.text.size() + 1,
            "an error has a column");
    for (const auto line : split(describe(error), '\n'))
      require(fuzz::is_plain(line), "an error is safe for a terminal");
    if (i > 0)
      require(std::pair(errors[i - 1].origin.line, errors[i - 1].origin.column) <=
                  std::pair(error.origin.line, error.origin.column),
              "errors are in order");
  }
}

void check_profile(const profiles::Source& source, const profiles::Profile& profile) {
  require(profiles::is_vm_name(profile.name.value), "a VM has a name");
  require(profile.autostart.priority.value <= 100, "a number is in its range");
  require(profile.memory_mib.value.automatic || profile.memory_mib.value.value >= 256,
          "a guest has memory");
  require(profile.video_heads.value >= 1, "a screen is there");
  const auto changed = profiles::with_value(source, "/autostart_priority", "17");
  require(changed.has_value(), "a value can be set");
  const auto again = profiles::parse_profile({.name = "p", .text = *changed});
  require(again.has_value(), "a profile with a value set is one");
  require(again->autostart.priority.value == 17, "the value is what was set");
  require(again->name.value == profile.name.value &&
              again->memory_mib.value.value == profile.memory_mib.value.value &&
              again->cpus.value.value == profile.cpus.value.value &&
              again->disk.size_gib.value == profile.disk.size_gib.value,
          "other values stay");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const profiles::Source source{.name = "p", .text = std::string(fuzz::text_of(data, size))};
  const auto profile = profiles::parse_profile(source);
  if (profile)
    check_profile(source, *profile);
  else
    check_errors(source, profile.error());
  return 0;
}
