// SPDX-License-Identifier: MIT
//
// What the parts of resolve() share: the inputs, and the problems found so far.
#pragma once

#include "launcher/plan/machine.h"

namespace hv::plan {

/// The cause of a value that the profile may have given: its place there, or
/// the rule that stands in for it.
template <class T>
Cause cause_of(const profiles::Sourced<T>& value, std::string rule, std::string why) {
  bool stated = value.given();
  if constexpr (std::is_same_v<T, std::string>) stated = stated && !value.value.empty();
  if (stated) return {.pointer = value.pointer, .why = std::move(why)};
  return {.rule = std::move(rule), .why = std::move(why)};
}

/// A path of the profile in full: relative ones are below `directory`.
[[nodiscard]] inline std::string below(const std::string& directory, const std::string& path) {
  return path.empty() || path.starts_with('/') ? path : directory + "/" + path;
}

/// A locally administered MAC address below QEMU's prefix 52:54:00.
[[nodiscard]] std::string mac_of(const std::string& uuid);

class Resolver {
 public:
  explicit Resolver(const Inputs& inputs) : inputs_(inputs) {}

  [[nodiscard]] const profiles::Profile& profile() const { return inputs_.profile; }
  [[nodiscard]] const qemu::Capabilities& qemu() const { return inputs_.qemu; }
  [[nodiscard]] const qemu::FirmwareSet& firmware() const { return inputs_.firmware; }
  [[nodiscard]] const host::HostFacts& host() const { return inputs_.host; }
  [[nodiscard]] const Paths& paths() const { return inputs_.paths; }
  [[nodiscard]] const Config& config() const { return inputs_.config; }
  [[nodiscard]] const Record& record() const { return inputs_.record; }
  [[nodiscard]] const std::string& base_format() const { return inputs_.base_format; }
  [[nodiscard]] const std::vector<Claims>& claims() const { return inputs_.claims; }
  [[nodiscard]] const std::vector<vfio::PciAddress>& had() const { return inputs_.had; }
  [[nodiscard]] const std::vector<HostRecord>& baseline() const { return inputs_.baseline; }
  [[nodiscard]] const std::vector<vfio::PciAddress>& made_vfs() const { return inputs_.made_vfs; }

  /// CPUs that other guests have for themselves now.
  [[nodiscard]] std::vector<CpuClaim> cpu_claims() const;

  /// Whether `memory_options` has this toggle on.
  [[nodiscard]] bool wants_memory(std::string_view option) const;

  /// Notes it if the host has no such NUMA node.
  void check_host_node(std::uint64_t node, const std::string& pointer);

  /// The size of the huge pages that are asked for; 0: none.
  [[nodiscard]] std::uint64_t huge_page_kib() const;

  /// A UUID that is the same at every start of this VM on this host, and
  /// another for each `purpose` (RFC 9562, version 5).
  [[nodiscard]] std::string seed_for(std::string_view purpose) const;

  void note(Error error) { problems_.push_back(std::move(error)); }
  void warn(std::string id, std::string message) {
    warnings_.push_back({std::move(id), std::move(message)});
  }

  [[nodiscard]] std::expected<Machine, Errors> finish(Machine machine);

 private:
  const Inputs& inputs_;
  Errors problems_;
  std::vector<Warning> warnings_;
};

void resolve_machine_type(Resolver& in, Machine& machine);
void resolve_cpus(Resolver& in, Machine& machine);
/// CPU features and what KVM needs for them; after the CPU model is known.
void resolve_features(Resolver& in, Machine& machine);
/// The model `baseline`.
void resolve_baseline(Resolver& in, Machine& machine);
/// Those that the profile lists: their vCPUs, before these are pinned.
void resolve_guest_nodes(Resolver& in, Machine& machine);
void resolve_pins(Resolver& in, Machine& machine);
/// And the rest of them, and those that follow from the pins.
void resolve_node_memory(Resolver& in, Machine& machine);
void resolve_memory_nodes(Resolver& in, Machine& machine);
void resolve_huge_pages(Resolver& in, Machine& machine);
/// Where the guest starts: on this host, or on one of which nothing is known.
enum class Where : std::uint8_t { here, anywhere };
/// Before what depends on it: firmware, memory, devices.
void resolve_confidential(Resolver& in, Machine& machine, Where where);
void resolve_vsock(Resolver& in, Machine& machine);
void resolve_hand_over(Resolver& in, Machine& machine);
void resolve_devices(Resolver& in, Machine& machine);
void resolve_limits(Resolver& in, Machine& machine);
void resolve_firmware(Resolver& in, Machine& machine);

}  // namespace hv::plan
