// SPDX-License-Identifier: MIT
//
// What a profile asks of the guest's CPUs and memory beyond their model and
// size: toggles, properties of QEMU's CPU by name, confidential guests.
#pragma once

#include "profiles/sourced.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace hv::profiles {

/// `false`, `"prefer"`: go on without it, with a warning, and `true`: no start without it.
enum class Wish : std::uint8_t { off, prefer, require };

/// A toggle of `cpu_features` or `memory_options`, by its name. Those that the
/// profile gives are listed, off or on.
struct Feature {
  std::string name;
  Sourced<Wish> wanted;

  [[nodiscard]] bool on() const { return wanted.value != Wish::off; }
  [[nodiscard]] bool required() const { return wanted.value == Wish::require; }
};

/// A property of QEMU's CPU, as `-cpu` takes it: "on", "off", a number, a text.
struct CpuProperty {
  std::string name;
  Sourced<std::string> value;
};

struct HyperV {
  Sourced<Wish> enable;                 ///< Those that every Windows guest gains from.
  std::vector<Feature> enlightenments;  ///< By QEMU's names without "hv-".
};

struct CpuFeatures {
  std::vector<Feature> toggles;
  HyperV hyperv;
  std::vector<Feature> extensions;  ///< Of RISC-V, by QEMU's names.
  std::vector<CpuProperty> properties;

  /// The toggle of that name if it is on.
  [[nodiscard]] const Feature* wanted(std::string_view name) const;
};

/// The details of `sev`, `sev_es`, `sev_snp` and `tdx`.
struct Confidential {
  std::vector<Sourced<std::string>> policy;  ///< Bits, by name.
  Sourced<bool> kernel_hashes;
  Sourced<std::string> id_block;  ///< This and the next three are Base64.
  Sourced<std::string> id_auth;
  Sourced<bool> author_key;
  Sourced<std::string> host_data;
  Sourced<std::string> owner_certificate;  ///< Files.
  Sourced<std::string> session;
  Sourced<std::string> mr_config_id;  ///< This and the next two are Base64, of TDX.
  Sourced<std::string> mr_owner;
  Sourced<std::string> mr_owner_config;
  Sourced<std::string> quote_socket;         ///< UNIX socket of the quote generation service.
  Sourced<std::uint64_t> cbitpos;            ///< 0: as the host says.
  Sourced<std::uint64_t> reduced_phys_bits;  ///< 0: as the host says.
  Sourced<std::string> vcpu_type;            ///< For `measure`; empty: by this host's CPU.
};

}  // namespace hv::profiles
