// SPDX-License-Identifier: MIT
//
// What a guest may use of the host, as a table: each limit has the profile's
// name and the kernel's (Documentation/admin-guide/cgroup-v2.rst).
#pragma once

#include "profiles/profile.h"

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace hv::plan {

enum class Limit : std::uint8_t {
  cpu_quota,
  cpu_weight,
  memory_high,
  memory_max,
  io_weight,
  io_read_bytes,
  io_write_bytes,
  io_read_ops,
  io_write_ops,
  pids_max,
};

struct LimitRow {
  Limit limit;
  std::string_view field;  ///< Of the profile's `limits`.
  std::string_view unit;   ///< Of the field's value, for people.
  std::string_view controller;
  std::string_view file;  ///< In the control group.
  std::string_view key;   ///< In a line of io.max.
  std::uint64_t factor;   ///< From the field's unit to the file's.
};

inline constexpr std::uint64_t mebibyte = std::uint64_t{1} << 20U;

inline constexpr std::array<LimitRow, 10> limit_rows = {{
    {Limit::cpu_quota, "cpu_quota_percent", "%", "cpu", "cpu.max", "", 1000},
    {Limit::cpu_weight, "cpu_weight", "", "cpu", "cpu.weight", "", 1},
    {Limit::memory_high, "memory_high_mb", "MiB", "memory", "memory.high", "", mebibyte},
    {Limit::memory_max, "memory_max_mb", "MiB", "memory", "memory.max", "", mebibyte},
    {Limit::io_weight, "io_weight", "", "io", "io.weight", "", 1},
    {Limit::io_read_bytes, "io_read_mb_per_second", "MiB/s", "io", "io.max", "rbps", mebibyte},
    {Limit::io_write_bytes, "io_write_mb_per_second", "MiB/s", "io", "io.max", "wbps", mebibyte},
    {Limit::io_read_ops, "io_read_ops_per_second", "/s", "io", "io.max", "riops", 1},
    {Limit::io_write_ops, "io_write_ops_per_second", "/s", "io", "io.max", "wiops", 1},
    {Limit::pids_max, "pids_max", "", "pids", "pids.max", "", 1},
}};

[[nodiscard]] constexpr const LimitRow& row_of(Limit limit) {
  return limit_rows[static_cast<std::size_t>(limit)];
}

/// A limit that is set, in the unit of the profile's field.
struct LimitValue {
  Limit limit = Limit::cpu_quota;
  std::uint64_t value = 0;

  friend bool operator==(const LimitValue&, const LimitValue&) = default;
};

/// Those of a profile.
[[nodiscard]] std::vector<LimitValue> limits_of(const profiles::Limits& limits);

/// "memory_max_mb 5120 MiB".
[[nodiscard]] std::string describe(const LimitValue& limit);

/// The guest's control group gets these limits.
struct LimitGuest {
  std::vector<LimitValue> limits;
  std::vector<std::string> disks;  ///< Whose devices the throttles are for.
};

/// Below this, in MiB, the kernel would end QEMU sooner or later: the guest's
/// memory but for huge pages, which do not count, what describes it, and QEMU.
[[nodiscard]] std::uint64_t least_memory_mib(std::uint64_t memory_mib,
                                             std::uint64_t huge_memory_mib);

/// QEMU has a thread for each vCPU, up to 64 for I/O, and some of its own.
[[nodiscard]] std::uint64_t least_tasks(std::uint64_t vcpus);

}  // namespace hv::plan
