// SPDX-License-Identifier: MIT
//
// What a QEMU binary can do, asked of the binary itself over QMP and kept in a
// cache. Features are decided by what is listed here, never by version.
#pragma once

#include "launcher/base/error.h"
#include "launcher/base/root.h"

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

namespace hv::qemu {

struct MachineType {
  std::string name;         ///< "pc-q35-7.2".
  std::string alias;        ///< "q35"; empty: none.
  std::string default_cpu;  ///< As in -cpu: "qemu64". Empty: the machine has no choice.
  std::uint64_t max_cpus = 0;
  bool deprecated = false;
};

/// A QOM type whose properties or options we must know before we name them.
struct TypeProperties {
  std::string type;                     ///< "virt-machine", "virtio-blk-pci".
  std::vector<std::string> properties;  ///< Sorted.
};

/// A CPU model as this binary makes it on this host, with the accelerator that
/// it was asked with.
struct ModelFeatures {
  std::string name;             ///< "host", "max", "EPYC-Milan".
  std::vector<std::string> on;  ///< Its features, sorted; by the names that -cpu takes.

  [[nodiscard]] bool has(std::string_view feature) const;
};

/// How a binary is asked, where its answer depends on that.
struct Question {
  bool emulation = false;   ///< As for a guest without KVM.
  std::string cpu_model{};  ///< A model to describe besides the most capable one.
};

struct Capabilities {
  std::string binary;               ///< Resolved path.
  std::string version;              ///< For people only: "7.2.22 (Debian 1:7.2+dfsg-7)".
  std::string target;               ///< "x86_64", as query-target says.
  bool kvm = false;                 ///< Built with KVM, and KVM opens on this host.
  std::string accelerator = "tcg";  ///< Of `models`: "kvm" or "tcg".
  std::vector<MachineType> machines;
  std::vector<std::string> types;     ///< QOM types that can be made, sorted.
  std::vector<std::string> commands;  ///< QMP commands, sorted.
  std::vector<std::string>
      options;  ///< Command-line options, "sandbox", and "sandbox.spawn"; sorted.
  std::vector<std::string> cpu_models;  ///< Sorted.
  std::vector<TypeProperties> properties;
  std::vector<ModelFeatures> models;  ///< The most capable one, and the one asked for.

  [[nodiscard]] bool has_type(std::string_view type) const;
  [[nodiscard]] bool has_command(std::string_view command) const;
  [[nodiscard]] bool has_option(std::string_view option) const;
  [[nodiscard]] bool has_cpu_model(std::string_view model) const;

  /// False too if the type's properties were not asked for.
  [[nodiscard]] bool has_property(std::string_view type, std::string_view property) const;

  /// The QOM type that stands for this target's CPUs among `properties`; empty: none does.
  [[nodiscard]] std::string_view cpu_type() const;

  /// nullptr: it was not asked for, or this QEMU describes no models.
  [[nodiscard]] const ModelFeatures* find_model(std::string_view name) const;

  /// "host" or "max", whichever `models` has; nullptr: neither.
  [[nodiscard]] const ModelFeatures* most_capable() const;

  /// The machine of that name or alias; nullptr if there is none.
  [[nodiscard]] const MachineType* find_machine(std::string_view name_or_alias) const;
};

/// The full path of `name`: itself if it has a slash, else the first match in
/// `search_path` (as in PATH). Errors say which package provides it.
[[nodiscard]] Result<std::string> find_binary(std::string_view name, std::string_view search_path);

/// How long a QEMU may take to answer all that it is asked: on a busy host a second, and many in
/// one that is emulated itself.
inline constexpr std::chrono::seconds probe_patience{30};

/// Starts the binary with `-machine none` and asks it. Takes about 0.05 s. The
/// properties asked for are those of the devices hvlaunch makes and of the
/// newest "q35" and "virt" machines ("pc-q35-7.2-machine").
[[nodiscard]] Result<Capabilities> probe(const std::string& binary,
                                         std::chrono::milliseconds timeout = probe_patience,
                                         const Question& question = {});

/// The features of all models that this host's KVM can run, and of `host`:
/// slow, for `caps --export`.
[[nodiscard]] Result<std::vector<ModelFeatures>> probe_models(
    const std::string& binary, std::chrono::milliseconds timeout = probe_patience);

/// Reads the cache below `cache_directory`, or probes and fills it. An entry
/// is used only while everything that could change it is the same: resolved
/// path, size, mtime and inode of the binary, its module directories, kernel
/// release, microcode, state of /dev/kvm and KVM's module parameters. An entry
/// that is damaged, missing, or that others could have written is probed
/// afresh; a cache that cannot be written is no error.
[[nodiscard]] Result<Capabilities> capabilities_of(const Root& root, const std::string& binary,
                                                   const std::string& cache_directory,
                                                   const Question& question = {});

/// The cache's text form, which `hvlaunch caps --json` prints and tests read.
[[nodiscard]] std::string to_json(const Capabilities& capabilities);
[[nodiscard]] Result<Capabilities> capabilities_from_json(std::string_view text);

}  // namespace hv::qemu
