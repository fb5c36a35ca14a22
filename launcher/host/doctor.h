// SPDX-License-Identifier: MIT
//
// What is right and wrong with this host, and what to do about it. Pure: from
// facts, by a table of checks.
//
//   const auto facts = host::read_doctor_facts(root, paths);
//   for (const auto& [check, finding] : host::examine(facts, host::host_needs())) …
#pragma once

#include "launcher/host/doctor_facts.h"

#include <map>
#include <span>
#include <string_view>

namespace hv::host {

enum class Status : std::uint8_t { ok, unknown, warn, fail };

/// "ok", "unknown", "warn", "fail".
[[nodiscard]] std::string_view to_string(Status status);

struct Finding {
  Status status = Status::ok;
  std::string found;
  std::string remedy{};  ///< Never empty with warn and fail.
};

/// What a guest may need of a host. A check is about one.
enum class Need : std::uint8_t {
  guest,      ///< Every guest needs it.
  native,     ///< To run on the host's kind of CPU.
  kvm,        ///< To run at the CPU's speed.
  nested,     ///< To run guests of its own.
  emulation,  ///< To run on another kind of CPU than the host's.
  devices,    ///< PCI devices of the host.
  hugepages,
  bridge,  ///< A network interface on a bridge of the host.
  vhost,
  uefi,
  disk,  ///< A disk image that hvlaunch makes.
  seed,  ///< A cloud-init seed that hvlaunch makes.
  tpm,
};

/// Without what it may have, a guest runs nevertheless: a failure becomes a warning.
enum class Strength : std::uint8_t { may, must };

using Strengths = std::map<Need, Strength>;

/// All that guests can need; they must have QEMU, KVM and places for their files.
[[nodiscard]] Strengths host_needs();

struct Check {
  std::string_view id;  ///< Stable: docs/doctor.md.
  std::string_view area;
  std::string_view title;
  Need need;
  Finding (*judge)(const DoctorFacts&);
};

[[nodiscard]] std::span<const Check> all_checks();

struct Checked {
  const Check* check;
  Finding finding;
};

/// The checks that the needs call for, in the table's order.
[[nodiscard]] std::vector<Checked> examine(const DoctorFacts& facts, const Strengths& needs);

/// "2 MiB", "1 GiB", "64 KiB".
[[nodiscard]] std::string size_text(std::uint64_t kib);

}  // namespace hv::host
