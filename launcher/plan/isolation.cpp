// SPDX-License-Identifier: MIT
#include "launcher/plan/isolation.h"

#include "launcher/base/text.h"

#include <algorithm>
#include <charconv>
#include <ranges>

namespace hv::plan {
namespace {

struct Word {
  KnobKind kind;
  std::string_view word;
};
constexpr Word words[] = {{KnobKind::slice, "slice"},
                          {KnobKind::interrupts, "interrupts"},
                          {KnobKind::interrupt, "interrupt"},
                          {KnobKind::governor, "governor"}};

constexpr std::string_view fastest = "performance";

/// What it is to be while these CPUs are isolated.
std::string value_for(const Knob& knob, const std::string& base, const CpuSet& isolated,
                      const CpuSet& host) {
  if (knob.kind == KnobKind::governor) {
    const auto cpu = parse_cpu_set(knob.name);
    return cpu && isolated.contains(*cpu) ? std::string(fastest) : base;
  }
  if (isolated.empty()) return base;
  const auto all = base.empty() ? host : parse_cpu_set(base).value_or(host);
  if (!base.empty() && !all.intersects(isolated)) return base;
  // What was on isolated CPUs alone has to go somewhere.
  const auto left = all - isolated;
  return to_string(left.empty() ? host - isolated : left);
}

bool is_same(const Knob& one, const Knob& other) {
  return one.kind == other.kind && one.name == other.name && one.owner == other.owner;
}

/// The base of an interrupt that came while CPUs were isolated: the kernel gave
/// it what was left, unless its driver has a will of its own.
std::string base_of_new(const Knob& knob, const std::vector<KeptKnob>& before) {
  const auto common = std::ranges::find(before, KnobKind::interrupts,
                                        [](const KeptKnob& kept) { return kept.knob.kind; });
  const bool given = knob.kind == KnobKind::interrupt && common != before.end() &&
                     (knob.value == common->to || knob.value == common->knob.value);
  return given ? common->base : knob.value;
}

/// Whether it is what was noted. Whoever was killed between that and setting it
/// has left what was there before, or a slice on its way to having no value.
bool is_ours(const std::string& value, const KeptKnob& kept, const CpuSet& host) {
  return value == kept.to || value == kept.knob.value ||
         (kept.to.empty() && value == to_string(host));
}

}  // namespace

std::vector<KeptKnob> next(const std::vector<KeptKnob>& before, std::vector<Knob> knobs,
                           const CpuSet& isolated, const CpuSet& host) {
  std::vector<KeptKnob> kept;
  kept.reserve(knobs.size());
  for (auto& knob : knobs) {
    const auto known = std::ranges::find_if(
        before, [&](const KeptKnob& candidate) { return is_same(candidate.knob, knob); });
    const auto base = known == before.end()               ? base_of_new(knob, before)
                      : is_ours(knob.value, *known, host) ? known->base
                                                          : knob.value;
    auto to = value_for(knob, base, isolated, host);
    kept.push_back({.knob = std::move(knob), .base = base, .to = std::move(to)});
  }
  return kept;
}

std::string to_text(const std::vector<KeptKnob>& knobs) {
  std::string text;
  for (const auto& [knob, base, to] : knobs)
    text += fmt::format("{}\t{}\t{}\t{}\t{}\t{}\n",
                        std::ranges::find(words, knob.kind, &Word::kind)->word, knob.name,
                        knob.value, base, to, knob.owner);
  return text;
}

std::vector<KeptKnob> parse_kept_knobs(std::string_view text) {
  constexpr std::size_t fields = 6;
  std::vector<KeptKnob> knobs;
  for (const auto line : split(text, '\n')) {
    const auto parts = split(line, '\t');
    const auto* const word = std::ranges::find(words, parts.front(), &Word::word);
    if (parts.size() != fields || word == std::end(words)) continue;
    knobs.push_back({.knob = {.kind = word->kind,
                              .name = std::string(parts[1]),
                              .owner = std::string(parts[5]),
                              .value = std::string(parts[2])},
                     .base = std::string(parts[3]),
                     .to = std::string(parts[4])});
  }
  return knobs;
}

CpuSet parse_cpu_mask(std::string_view text) {
  constexpr std::uint32_t bits = 32;
  std::vector<std::uint32_t> cpus;
  std::uint32_t first = 0;
  for (const auto part : split(text, ',') | std::views::reverse) {
    std::uint32_t word = 0;
    const auto* const end = part.data() + part.size();
    const auto [stop, error] = std::from_chars(part.data(), end, word, 16);
    if (error != std::errc{} || stop != end) return {};
    for (std::uint32_t bit = 0; bit < bits; ++bit)
      if ((word >> bit & 1U) != 0) cpus.push_back(first + bit);
    first += bits;
  }
  return CpuSet(std::move(cpus));
}

std::string to_mask(const CpuSet& cpus) {
  constexpr std::uint32_t bits = 32;
  std::vector<std::uint32_t> groups;
  for (const auto cpu : cpus) {
    if (groups.size() <= cpu / bits) groups.resize(cpu / bits + 1);
    groups[cpu / bits] |= 1U << cpu % bits;
  }
  std::string text = groups.empty() ? "0" : fmt::format("{:x}", groups.back());
  for (std::size_t i = groups.size(); i-- > 1;) text += fmt::format(",{:08x}", groups[i - 1]);
  return text;
}

}  // namespace hv::plan
