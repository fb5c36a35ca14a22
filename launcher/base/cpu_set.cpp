// SPDX-License-Identifier: MIT
#include "launcher/base/cpu_set.h"

#include "launcher/base/text.h"

#include <algorithm>
#include <charconv>
#include <iterator>
#include <optional>

namespace hv {
namespace {

constexpr std::uint32_t cpu_limit = 8192;  // CONFIG_NR_CPUS ends there on every architecture.

std::optional<std::uint32_t> whole_number(std::string_view text) {
  std::uint32_t value = 0;
  const auto* const end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc{} || stopped != end || value >= cpu_limit) return std::nullopt;
  return value;
}

}  // namespace

CpuSet::CpuSet(std::initializer_list<std::uint32_t> cpus)
    : CpuSet(std::vector<std::uint32_t>(cpus)) {}

CpuSet::CpuSet(std::vector<std::uint32_t> cpus) : cpus_(std::move(cpus)) {
  std::ranges::sort(cpus_);
  cpus_.erase(std::ranges::unique(cpus_).begin(), cpus_.end());
}

void CpuSet::insert(std::uint32_t cpu) {
  const auto place = std::ranges::lower_bound(cpus_, cpu);
  if (place == cpus_.end() || *place != cpu) cpus_.insert(place, cpu);
}

bool CpuSet::contains(std::uint32_t cpu) const {
  return std::ranges::binary_search(cpus_, cpu);
}

bool CpuSet::contains(const CpuSet& other) const {
  return std::ranges::includes(cpus_, other.cpus_);
}

bool CpuSet::intersects(const CpuSet& other) const {
  auto mine = cpus_.begin();
  for (auto theirs = other.cpus_.begin(); mine != cpus_.end() && theirs != other.cpus_.end();) {
    if (*mine == *theirs) return true;
    *mine < *theirs ? ++mine : ++theirs;
  }
  return false;
}

CpuSet& CpuSet::operator|=(const CpuSet& other) {
  std::vector<std::uint32_t> both;
  both.reserve(cpus_.size() + other.cpus_.size());
  std::ranges::set_union(cpus_, other.cpus_, std::back_inserter(both));
  cpus_ = std::move(both);
  return *this;
}

CpuSet operator&(const CpuSet& a, const CpuSet& b) {
  CpuSet common;
  std::ranges::set_intersection(a.cpus_, b.cpus_, std::back_inserter(common.cpus_));
  return common;
}

CpuSet operator-(const CpuSet& a, const CpuSet& b) {
  CpuSet rest;
  std::ranges::set_difference(a.cpus_, b.cpus_, std::back_inserter(rest.cpus_));
  return rest;
}

std::string to_string(const CpuSet& cpus) {
  std::string text;
  for (auto at = cpus.begin(); at != cpus.end();) {
    const auto first = *at;
    auto last = first;
    for (++at; at != cpus.end() && *at == last + 1; ++at) last = *at;
    if (!text.empty()) text += ',';
    text += first == last ? fmt::format("{}", first) : fmt::format("{}-{}", first, last);
  }
  return text;
}

Result<CpuSet> parse_cpu_set(std::string_view text) {
  std::vector<std::uint32_t> cpus;
  for (const auto range : split(text, ',')) {
    const auto dash = range.find('-');
    const auto first = whole_number(range.substr(0, dash));
    const auto last = dash == std::string_view::npos ? first : whole_number(range.substr(dash + 1));
    if (!first || !last || *first > *last)
      return std::unexpected(
          Error{.fault = Fault::profile,
                .id = "bad-value",
                .message = fmt::format("'{}' is not a set of CPUs like \"4\" or \"0-3,8\"", text)});
    for (auto cpu = *first; cpu <= *last; ++cpu) cpus.push_back(cpu);
  }
  return CpuSet(std::move(cpus));
}

}  // namespace hv
