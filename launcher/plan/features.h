// SPDX-License-Identifier: MIT
//
// What the parts of resolve_features() share: whether a feature can be had, and
// what becomes of one that cannot.
#pragma once

#include "launcher/plan/resolver.h"

#include <span>

namespace hv::plan {

/// Why a feature cannot be had: this QEMU lacks it, or this host does.
struct Lack {
  std::string id;  ///< "qemu-lacks-feature", "host-lacks-feature", "unreadable-parameter".
  std::string why;
  std::string cure;
};
using Lacks = std::optional<Lack>;

[[nodiscard]] Lack qemu_lacks(std::string why, std::string cure);
[[nodiscard]] Lack host_lacks(std::string why, std::string cure);

class FeatureResolver {
 public:
  FeatureResolver(Resolver& in, Machine& machine) : in_(in), machine_(machine) {}

  [[nodiscard]] Resolver& in() { return in_; }
  [[nodiscard]] const host::CpuFacts& host() const { return in_.host().cpu; }
  [[nodiscard]] Machine& machine() { return machine_; }
  [[nodiscard]] const profiles::Feature* wanted(std::string_view toggle) const {
    return in_.profile().cpu_features.wanted(toggle);
  }

  /// Whether this QEMU's CPUs have the property, by any model.
  [[nodiscard]] bool qemu_has(std::string_view property) const;

  /// What the accelerator that the guest gets can give; nullptr: it did not say.
  [[nodiscard]] const qemu::ModelFeatures* possible() const;

  /// Whether CPU and accelerator can give the feature, if QEMU knows it; true
  /// as well if that cannot be told.
  [[nodiscard]] bool can_have(std::string_view property) const;

  /// Notes what becomes of a feature that is wanted. True: it is to be had.
  bool settle(const std::string& name, const profiles::Sourced<profiles::Wish>& wanted,
              const Lacks& lack, std::string detail = {});

  /// Adds to `-cpu`, unless the profile has the property already.
  void set(std::string_view property, std::string_view value, const std::string& pointer,
           std::string why);

  void report(FeatureState state) { machine_.features.states.push_back(std::move(state)); }

 private:
  Resolver& in_;
  Machine& machine_;
};

/// shstk, ibt, fred, nested, …: toggles that are properties of the CPU.
void resolve_cpu_toggles(FeatureResolver& features);
void resolve_hyperv(FeatureResolver& features);
void resolve_extensions(FeatureResolver& features);
void resolve_properties(FeatureResolver& features);
/// After those of Hyper-V, which may inhibit it.
void resolve_avic(FeatureResolver& features);
/// What comes with SEV-SNP: ciphertext_hiding, secure_tsc, secure_avic.
void resolve_snp_extras(FeatureResolver& features);
void resolve_guest_memfd(FeatureResolver& features);
/// What the CPU model has that this host lacks, and the other way round.
void compare_model(FeatureResolver& features);

/// The cure for a parameter of a module: what to write, and where.
[[nodiscard]] std::string set_parameter(std::string_view module, std::string_view setting);

}  // namespace hv::plan
