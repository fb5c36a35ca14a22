// SPDX-License-Identifier: MIT
#include "launcher/run/claims.h"

#include "launcher/base/journal.h"
#include "launcher/base/text.h"
#include "launcher/run/lock.h"

#include <algorithm>
#include <charconv>
#include <optional>

namespace hv::run {
namespace {

/// "tcp 127.0.0.1 2222".
std::string to_text(const plan::HostPort& port) {
  return fmt::format("{} {} {}", port.protocol, port.address, port.port);
}

std::optional<std::uint64_t> number_in(std::string_view text) {
  std::uint64_t number = 0;
  const auto* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, number);
  if (text.empty() || error != std::errc{} || stop != end) return std::nullopt;
  return number;
}

std::optional<plan::HostPort> parse_port(std::string_view text) {
  const auto words = split(text, ' ');
  if (words.size() != 3) return std::nullopt;
  const auto number = number_in(words[2]);
  if (!number) return std::nullopt;
  return plan::HostPort{std::string(words[0]), std::string(words[1]), *number};
}

bool is_same(const plan::HostPort& one, const plan::HostPort& other) {
  constexpr std::string_view any = "0.0.0.0";
  return one.protocol == other.protocol && one.port == other.port &&
         (one.address == other.address || one.address == any || other.address == any);
}

}  // namespace

std::string to_text(const plan::Claims& claims) {
  const auto& [guest, functions, cpus, macs, cids, ports] = claims;
  std::string text;
  for (const auto& function : functions) text += fmt::format("function {}\n", to_string(function));
  if (!cpus.empty()) text += fmt::format("cpus {}\n", to_string(cpus));
  for (const auto& mac : macs) text += fmt::format("mac {}\n", mac);
  for (const auto cid : cids) text += fmt::format("vsock {}\n", cid);
  for (const auto& port : ports) text += fmt::format("port {}\n", to_text(port));
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
    if (const auto cid = number_in(value); word == "vsock" && cid) claims.cids.push_back(*cid);
    if (auto port = parse_port(value); word == "port" && port)
      claims.ports.push_back(*std::move(port));
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
  for (const auto cid : one.cids)
    if (std::ranges::find(other.cids, cid) != other.cids.end())
      return fmt::format("vsock address {}", cid);
  for (const auto& port : one.ports)
    if (std::ranges::any_of(other.ports, [&](const auto& theirs) { return is_same(port, theirs); }))
      return fmt::format("{} port {} of the host", port.protocol, port.port);
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
