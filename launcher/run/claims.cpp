// SPDX-License-Identifier: MIT
#include "launcher/run/claims.h"

#include "launcher/base/journal.h"
#include "launcher/base/text.h"
#include "launcher/run/lock.h"

#include <algorithm>

namespace hv::run {
std::string to_text(const plan::Claims& claims) {
  const auto& [guest, functions, cpus, macs] = claims;
  std::string text;
  for (const auto& function : functions) text += fmt::format("function {}\n", to_string(function));
  if (!cpus.empty()) text += fmt::format("cpus {}\n", to_string(cpus));
  for (const auto& mac : macs) text += fmt::format("mac {}\n", mac);
  return text;
}

plan::Claims parse_claims(std::string_view text, std::string guest) {
  plan::Claims claims{.guest = std::move(guest)};
  for (const auto line : split(text, '\n')) {
    const auto space = line.find(' ');
    if (space == std::string_view::npos) continue;
    const auto word = line.substr(0, space);
    const auto value = line.substr(space + 1);
    if (word == "mac") claims.macs.emplace_back(value);
    if (auto cpus = parse_cpu_set(value); word == "cpus" && cpus) claims.cpus = *std::move(cpus);
    if (const auto function = vfio::parse_pci_address(value); word == "function" && function)
      claims.functions.push_back(*function);
  }
  return claims;
}

std::string in_common(const plan::Claims& one, const plan::Claims& other) {
  for (const auto& function : one.functions)
    if (std::ranges::find(other.functions, function) != other.functions.end())
      return to_string(function);
  if (const auto cpus = one.cpus & other.cpus; !cpus.empty())
    return fmt::format("CPU {}", to_string(cpus));
  for (const auto& mac : one.macs)
    if (std::ranges::find(other.macs, mac) != other.macs.end()) return "MAC address " + mac;
  return {};
}

std::vector<plan::Claims> claims_of_others(const Place& place) {
  std::vector<plan::Claims> claims;
  const auto names = place.root.list(place.paths.runtime);
  if (!names) return claims;
  for (const auto& name : *names) {
    const Place other{place.root, place.paths, name};
    if (name == place.vm || name.starts_with('.') || !is_locked(place.root, other.lock())) continue;
    if (const auto text = place.root.read(other.file("claims")))
      claims.push_back(parse_claims(*text, name));
  }
  return claims;
}

plan::Claims claims_of(const Place& place) {
  return parse_claims(place.root.read(place.file("claims")).value_or(""), place.vm);
}

std::vector<vfio::PciAddress> cards_with_made_vfs(const Place& place) {
  std::vector<vfio::PciAddress> cards;
  for (const auto& name :
       place.root.list(place.paths.runtime).value_or(std::vector<std::string>{})) {
    const auto text = place.root.read_raw(Place{place.root, place.paths, name}.file("journal"));
    const auto journal = text ? parse_journal(*text) : std::unexpected(text.error());
    if (!journal) continue;
    for (const auto& entry : journal->entries)
      if (const auto card = vfio::parse_pci_address(entry.path);
          card && entry.kind == Undo::Kind::remove_vfs)
        cards.push_back(*card);
  }
  return cards;
}

Result<Turn> take_turn(const Place& place) {
  constexpr std::chrono::seconds patience{30};  // A card may take a while for its functions.
  return Turn::take(place.root, place.paths.runtime + "/.claims.lock", patience);
}

Result<> take_claims(const Place& place, const plan::Claims& claims) {
  const auto text = to_text(claims);
  if (text.empty()) return {};
  const auto turn = TRY(take_turn(place), "claiming devices and CPUs");
  for (const auto& other : claims_of_others(place))
    if (const auto what = in_common(claims, other); !what.empty())
      return std::unexpected(
          with_hint({.fault = Fault::state,
                     .id = "claimed",
                     .message = fmt::format("the running guest '{}' has {}", other.guest, what)},
                    fmt::format("stop it first: `hvlaunch stop {}`", other.guest)));
  return place.root.replace(place.file("claims"), text);
}

}  // namespace hv::run
