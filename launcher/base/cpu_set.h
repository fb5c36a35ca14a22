// SPDX-License-Identifier: MIT
//
// A set of host CPUs, read and written as the kernel does: "0-3,8".
#pragma once

#include "launcher/base/error.h"

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

namespace hv {

class CpuSet {
 public:
  using const_iterator = std::vector<std::uint32_t>::const_iterator;

  CpuSet() = default;
  CpuSet(std::initializer_list<std::uint32_t> cpus);
  /// In any order; twice is once.
  explicit CpuSet(std::vector<std::uint32_t> cpus);

  void insert(std::uint32_t cpu);
  [[nodiscard]] bool contains(std::uint32_t cpu) const;
  /// Whether all of `other` are in it.
  [[nodiscard]] bool contains(const CpuSet& other) const;
  [[nodiscard]] bool intersects(const CpuSet& other) const;
  [[nodiscard]] bool empty() const { return cpus_.empty(); }
  [[nodiscard]] std::size_t size() const { return cpus_.size(); }
  /// The lowest; the set must not be empty.
  [[nodiscard]] std::uint32_t front() const { return cpus_.front(); }
  [[nodiscard]] const_iterator begin() const { return cpus_.begin(); }
  [[nodiscard]] const_iterator end() const { return cpus_.end(); }

  CpuSet& operator|=(const CpuSet& other);
  friend CpuSet operator|(CpuSet a, const CpuSet& b) { return a |= b; }
  friend CpuSet operator&(const CpuSet& a, const CpuSet& b);
  friend CpuSet operator-(const CpuSet& a, const CpuSet& b);
  friend bool operator==(const CpuSet&, const CpuSet&) = default;
  friend auto operator<=>(const CpuSet&, const CpuSet&) = default;

 private:
  std::vector<std::uint32_t> cpus_;  // Sorted, each once.
};

/// "0-3,8"; empty: "".
[[nodiscard]] std::string to_string(const CpuSet& cpus);

/// What a person wrote: "4", "4-5", "0-3,8". "bad-value" for all else, the
/// empty text and numbers from 8192 on among it.
[[nodiscard]] Result<CpuSet> parse_cpu_set(std::string_view text);

}  // namespace hv
