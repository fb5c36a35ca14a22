// SPDX-License-Identifier: MIT
#include "launcher/commands/check_together.h"

#include "launcher/commands/load.h"
#include "launcher/commands/output.h"
#include "launcher/run/claims.h"

#include <boost/json.hpp>

#include <algorithm>

namespace hv::commands {
namespace {

struct Candidate {
  std::string path;
  std::string name;
  bool autostart = false;
  std::uint64_t priority = 0;
};

/// In the order in which they would start; the profiles' own errors on the way.
std::vector<Candidate> candidates(const Context& context, Errors& errors) {
  std::vector<Candidate> all;
  for (const auto& [name, path] : list_profiles(context)) {
    auto loaded = load_profile(context, path);
    if (!loaded) {
      std::ranges::move(loaded.error(), std::back_inserter(errors));
      continue;
    }
    const auto& autostart = loaded->profile.autostart;
    all.push_back({path, name, autostart.enable.value, autostart.priority.value});
  }
  std::ranges::stable_sort(
      all, {}, [](const Candidate& one) { return std::pair(!one.autostart, one.priority); });
  return all;
}

struct Claimed {
  plan::Claims claims;
  bool autostart = false;
};

/// Both start with the host: an error. Else only one of them can run at a time.
void compare(const Claimed& one, const Claimed& other, Errors& errors,
             std::vector<std::string>& notes) {
  const auto what = run::in_common(one.claims, other.claims);
  if (what.empty()) return;
  const auto text =
      fmt::format("'{}' and '{}' both claim {}", other.claims.guest, one.claims.guest, what);
  if (!one.autostart || !other.autostart)
    return notes.push_back(text + ": only one of them can run at a time");
  errors.push_back({.fault = Fault::profile,
                    .id = "claimed",
                    .message = text + ", and both start with the host",
                    .hint = "take \"autostart\" from one of them, or give them different ones"});
}

}  // namespace

Outcome check_together(const Context& context) {
  Errors errors;
  std::vector<std::string> notes;
  std::vector<Claimed> claimed;
  std::vector<plan::Claims> at_boot;
  const auto all = candidates(context, errors);
  for (const auto& candidate : all) {
    auto planned =
        load_plan(context, candidate.path,
                  {.claimed = candidate.autostart ? at_boot : std::vector<plan::Claims>()});
    if (!planned) {
      std::ranges::move(planned.error(), std::back_inserter(errors));
      continue;
    }
    Claimed own{std::move(planned->plan.claims), candidate.autostart};
    for (const auto& other : claimed) compare(own, other, errors, notes);
    if (own.autostart) at_boot.push_back(own.claims);
    claimed.push_back(std::move(own));
  }
  for (const auto& note : notes) warn(note);
  if (!errors.empty()) return std::unexpected(std::move(errors));
  if (context.json)
    print_json(boost::json::object{{"checked", all.size()},
                                   {"errors", boost::json::array()},
                                   {"notes", boost::json::value_from(notes)}});
  else
    print(
        fmt::format("{} profile{} can be started here\n", all.size(), all.size() == 1 ? "" : "s"));
  return {};
}

}  // namespace hv::commands
