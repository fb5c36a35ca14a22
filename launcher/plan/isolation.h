// SPDX-License-Identifier: MIT
//
// What of the host keeps its own work off CPUs that guests have isolated, and
// which value each of these knobs is to have. The state of the host follows
// from what it was before the first such guest, and from the CPUs of all of
// them: whoever starts or ends computes it anew. Pure: values in, values out.
//
//   record = next(std::move(record), knobs_as_they_are, isolated, host_cpus);
//   for (const auto& knob : record) if (knob.wants_change()) ... knob.to
#pragma once

#include "launcher/base/cpu_set.h"

#include <string>
#include <string_view>
#include <vector>

namespace hv::plan {

enum class KnobKind : std::uint8_t {
  slice,       ///< AllowedCPUs= of a unit that all of the host's programs are below.
  interrupts,  ///< Which CPUs new interrupts may come to.
  interrupt,   ///< Which CPUs one may come to.
  governor,    ///< The frequency governor of a CPU.
};

struct Knob {
  KnobKind kind = KnobKind::slice;
  std::string name;     ///< "system.slice", "24"; a CPU's number.
  std::string owner{};  ///< Of an interrupt: numbers are given out anew.
  std::string value{};  ///< A set of CPUs, or a governor. A slice's may be empty: all CPUs.
};

/// A knob, and what is remembered of it from the first isolation to the last.
struct KeptKnob {
  Knob knob;         ///< As it was when it was last looked at.
  std::string base;  ///< As it is without any isolation.
  std::string to;    ///< As it is to be now.

  [[nodiscard]] bool wants_change() const { return knob.value != to; }
};

/// What the knobs are to be, from what is remembered of them and how they are.
/// Somebody else's change since then is the new base: his word is kept.
[[nodiscard]] std::vector<KeptKnob> next(const std::vector<KeptKnob>& before,
                                         std::vector<Knob> knobs, const CpuSet& isolated,
                                         const CpuSet& host);

/// As it is kept from one guest's start to another's end, a line each.
[[nodiscard]] std::string to_text(const std::vector<KeptKnob>& knobs);
/// Lines that make no sense are left out.
[[nodiscard]] std::vector<KeptKnob> parse_kept_knobs(std::string_view text);

/// Sets of CPUs as some files of the kernel have them, "3" or "ff,ffffffff".
/// An empty set for what is none.
[[nodiscard]] CpuSet parse_cpu_mask(std::string_view text);
[[nodiscard]] std::string to_mask(const CpuSet& cpus);

}  // namespace hv::plan
