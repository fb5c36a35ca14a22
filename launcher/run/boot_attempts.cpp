// SPDX-License-Identifier: MIT
#include "launcher/run/boot_attempts.h"

#include "launcher/base/text.h"

#include <algorithm>
#include <charconv>

namespace hv::run {
namespace {

constexpr std::size_t largest_file = 256;

std::string path_of(const Place& place) {
  return fmt::format("{}/{}.start", place.paths.records(), place.vm);
}

}  // namespace

std::optional<BootAttempt> parse_attempt(std::string_view text) {
  const auto words = split(text, ' ');
  if (words.size() != 2 || words[1].empty()) return std::nullopt;
  BootAttempt attempt{.boot = std::string(words[1])};
  const auto* const end = words[0].data() + words[0].size();
  const auto [stop, error] = std::from_chars(words[0].data(), end, attempt.times);
  if (error != std::errc() || stop != end || attempt.times == 0) return std::nullopt;
  return attempt;
}

std::string to_string(const BootAttempt& attempt) {
  return fmt::format("{} {}", attempt.times, attempt.boot);
}

BootAttempt with_start(const std::optional<BootAttempt>& before, const std::string& boot) {
  if (!before) return {.boot = boot, .times = 1};
  constexpr std::uint32_t enough = 1000;
  return {.boot = boot,
          .times = std::min(before->times + (before->boot == boot ? 0U : 1U), enough)};
}

std::uint32_t downs_of(const std::optional<BootAttempt>& attempt, std::string_view boot) {
  if (!attempt) return 0;
  return attempt->times - (attempt->boot == boot ? 1U : 0U);
}

Result<std::string> this_boot(const Root& root) {
  return root.read("/proc/sys/kernel/random/boot_id", largest_file);
}

std::optional<BootAttempt> load_attempt(const Place& place) {
  const auto text = place.root.read(path_of(place), largest_file);
  return text ? parse_attempt(*text) : std::nullopt;
}

Result<> begin_attempt(const Place& place) {
  const auto boot = TRY(this_boot(place.root));
  const auto attempt = with_start(load_attempt(place), boot);
  TRY(place.root.make_directories(place.paths.records(), 0750));
  TRY(place.root.replace(path_of(place), to_string(attempt), 0640));
  return place.root.sync(place.paths.records());  // The name as well.
}

Result<> end_attempt(const Place& place) {
  return place.root.remove(path_of(place));
}

}  // namespace hv::run
