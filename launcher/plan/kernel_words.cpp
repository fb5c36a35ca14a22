// SPDX-License-Identifier: MIT
#include "launcher/plan/kernel_words.h"

#include "launcher/base/text.h"
#include "profiles/profile.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <optional>

namespace hv::plan {
namespace {

constexpr std::string_view prefix = "hvlaunch.";

/// At most so much is told of junk, however long the command line is.
constexpr std::size_t most_ignored = 16;
constexpr std::size_t longest_shown = 80;

/// As the kernel splits it: at white space outside double quotes, which go.
std::vector<std::string> words_of(std::string_view line) {
  std::vector<std::string> words(1);
  bool quoted = false;
  for (const char c : line)
    if (c == '"')
      quoted = !quoted;
    else if (!quoted && (c == ' ' || c == '\t' || c == '\n' || c == '\0'))
      words.emplace_back();
    else
      words.back() += c;
  return words;
}

std::string shown(std::string_view text) {
  if (text.size() <= longest_shown) return printable(text);
  return printable(text.substr(0, longest_shown)) + "…";
}

void ignore(KernelWords& said, std::string sentence) {
  if (said.ignored.size() < most_ignored) said.ignored.push_back(std::move(sentence));
}

void add_names(KernelWords& said, std::vector<std::string>& list, std::string_view names) {
  for (const auto name : split(names, ',')) {
    if (name.empty()) continue;
    if (!profiles::is_vm_name(name))
      ignore(said, fmt::format("'{}' cannot be the name of a VM", shown(name)));
    else if (std::ranges::find(list, name) == list.end())
      list.emplace_back(name);
  }
}

void take_autostart(KernelWords& said, std::string_view value) {
  if (value == "off") {
    said.off = true;
  } else if (value.starts_with('+')) {
    add_names(said, said.also, value.substr(1));
  } else if (value.find_first_not_of(',') != std::string_view::npos) {
    said.some = true;  // Even if no name of it is one: whoever wrote it did not want all.
    add_names(said, said.only, value);
  } else {
    ignore(said, "'hvlaunch.autostart' without a value: name VMs, or say 'off'");
  }
}

/// As systemd reads switches; one that stands alone is on.
std::optional<bool> switch_of(std::string_view value) {
  constexpr std::array on = {"1", "yes", "y", "true", "t", "on", ""};
  constexpr std::array off = {"0", "no", "n", "false", "f", "off"};
  if (std::ranges::find(on, value) != on.end()) return true;
  if (std::ranges::find(off, value) != off.end()) return false;
  return std::nullopt;
}

void take_word(KernelWords& said, std::string_view word) {
  const auto equals = word.find('=');
  const auto key = word.substr(prefix.size(), equals - prefix.size());
  const auto value = equals == std::string_view::npos ? "" : word.substr(equals + 1);
  if (key == "autostart") return take_autostart(said, value);
  bool* const target = key == "rescue" ? &said.rescue : key == "menu" ? &said.menu : nullptr;
  if (target == nullptr) return ignore(said, fmt::format("'{}' has no meaning", shown(word)));
  if (const auto on = switch_of(value))
    *target = *on;
  else
    ignore(said, fmt::format("'{}' is neither on nor off", shown(word)));
}

}  // namespace

bool KernelWords::names(std::string_view vm) const {
  return std::ranges::find(only, vm) != only.end() || std::ranges::find(also, vm) != also.end();
}

KernelWords parse_kernel_words(std::string_view command_line) {
  KernelWords said;
  for (const auto& word : words_of(command_line))
    if (word.starts_with(prefix)) take_word(said, word);
  return said;
}

}  // namespace hv::plan
