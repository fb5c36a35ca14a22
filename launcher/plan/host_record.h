// SPDX-License-Identifier: MIT
//
// A host, recorded by `hvlaunch caps --export`: what its CPU, its KVM and its
// QEMU can give guests. Several of them tell what CPU a guest can have that
// moves between them.
#pragma once

#include "launcher/base/error.h"
#include "launcher/host/cpu_facts.h"
#include "launcher/qemu/capabilities.h"

#include <string>
#include <vector>

namespace hv::plan {

struct HostRecord {
  std::string name;          ///< The host's, or the file's if it names none.
  std::string architecture;  ///< "x86_64".
  std::string qemu_version;
  host::CpuFacts cpu;
  std::vector<qemu::ModelFeatures> models;  ///< `host`, and all that run there.

  [[nodiscard]] const qemu::ModelFeatures* find_model(std::string_view model) const;
};

[[nodiscard]] std::string to_json(const HostRecord& record);
[[nodiscard]] Result<HostRecord> host_record_from_json(std::string_view text);

/// A CPU that all of some hosts can run.
struct Baseline {
  std::string model;
  std::vector<std::string> added;    ///< Features that all have, beyond the model's.
  std::vector<std::string> dropped;  ///< Those of some hosts that the guest will not see.
};

/// Of at least one host.
[[nodiscard]] Result<Baseline> baseline_of(const std::vector<HostRecord>& hosts);

}  // namespace hv::plan
