// SPDX-License-Identifier: MIT
//
// The VM to build: every reference resolved, every conflict settled. What
// emits arguments reads this and decides nothing more.
#pragma once

#include "launcher/base/paths.h"
#include "launcher/host/facts.h"
#include "launcher/plan/choice.h"
#include "launcher/plan/confidential.h"
#include "launcher/plan/host_record.h"
#include "launcher/plan/limits.h"
#include "launcher/plan/pinning.h"
#include "launcher/plan/plan.h"
#include "launcher/qemu/capabilities.h"
#include "launcher/qemu/firmware.h"
#include "profiles/profile.h"

#include <optional>

namespace hv::plan {

struct Flash {
  std::string code;
  std::string code_format = "raw";
  std::string vars;           ///< The guest's own variable store.
  std::string vars_template;  ///< What it starts as.
  std::string vars_format = "raw";
  bool smm = false;  ///< Secure boot on x86: only SMM may write the store.
};

/// A PCI function of the host, and where the guest sees it.
struct PassedFunction {
  vfio::PciAddress address;
  std::string driver;         ///< vfio-pci, or a variant of it.
  std::string former_driver;  ///< Empty: none.
  std::string rom{};          ///< Empty: the device's own.
  bool primary_gpu = false;
  unsigned port = 0;      ///< Which of the root ports for passed devices.
  unsigned function = 0;  ///< Behind it.
  bool multifunction = false;
  Cause cause;
};

/// A mediated device, and where the guest sees it.
struct PassedMdev {
  MakeMdev mdev;
  unsigned port = 0;  ///< As of functions.
  Cause cause;
};

/// A function that the host gives up because its IOMMU group is passed.
struct Sibling {
  vfio::PciAddress address;
  std::string former_driver;
  Cause cause;
};

/// A NUMA node of the guest: which vCPUs it has, and where its memory comes from.
struct GuestNode {
  CpuSet vcpus;
  std::uint64_t memory_mib = 0;
  std::vector<std::uint32_t> host_nodes{};  ///< Empty: any.
  profiles::NumaPolicy policy = profiles::NumaPolicy::preferred;
  std::vector<std::uint64_t> distances{};  ///< To each node; empty: the guest's own idea of it.
  Cause cause{};
};

/// What `-cpu` gets after the model.
struct CpuSetting {
  std::string name;
  std::string value;  ///< "on", "off", a number, a text.
  Cause cause;
};

/// What follows from toggles, beyond the machine's own shape.
struct Features {
  std::vector<CpuSetting> cpu;
  bool enforce = false;          ///< QEMU must end if the CPU lacks one of them.
  std::string kernel_irqchip{};  ///< "split"; empty: as QEMU has it.
  bool keep_pit = true;          ///< False: the timer may not be re-injected.
  bool virtualization = false;   ///< aarch64: the guest has EL2.
  bool mte = false;              ///< aarch64: RAM with tags.
  std::string memory_option{};   ///< Of the RAM's object, such as "guest-memfd"; empty: none.
  std::vector<FeatureState> states;
};

struct Machine {
  profiles::Profile profile;
  const qemu::Capabilities* qemu = nullptr;
  Paths paths;

  Choice<std::string> accelerator;  ///< "kvm" or "tcg".
  Choice<std::string> type;         ///< Versioned where QEMU versions it: "pc-q35-7.2".
  Choice<std::string> cpu_model;
  Features features;
  bool amd_threads = false;  ///< AMD's way to tell the guest of its threads must be asked for.
  Choice<Cpus> cpus;
  Choice<std::uint64_t> memory_mib;
  std::uint64_t huge_page_kib = 0;  ///< RAM from huge pages of this size; 0: ordinary pages.
  std::vector<HugePages> huge_pages;
  Choice<std::vector<std::uint32_t>> memory_nodes;  ///< Host nodes; empty: any.
  bool strict_nodes = false;                        ///< From nowhere else, whatever happens.
  std::vector<GuestNode> guest_nodes;               ///< Empty: the guest sees no nodes.
  Cause distances;                                  ///< Why the nodes are so far apart.
  std::optional<Pins> pins;
  std::vector<PassedFunction> passed;
  std::vector<Sibling> siblings;
  std::vector<Step> hand_over;          ///< What frees the devices passed of the host's screen.
  std::vector<Step> virtual_functions;  ///< What makes and sets those among the functions passed.
  std::vector<PassedMdev> mdevs;
  bool iommufd = false;                     ///< VFIO by IOMMUFD, not by groups.
  Choice<std::uint64_t> locked_memory_mib;  ///< RLIMIT_MEMLOCK; 0: as it is.
  Choice<std::string> uuid;
  Choice<std::string> mac;
  Choice<std::string> bridge;                ///< Empty: no tap.
  std::optional<Choice<std::uint64_t>> cid;  ///< Of vsock.
  /// On which `watch` hears over vsock that the guest is up; 0: it does not listen.
  std::uint32_t notify_port = 0;
  std::optional<Choice<Flash>> flash;
  std::optional<Choice<std::string>> bios;  ///< A firmware image that is memory, not flash.
  std::optional<Choice<ConfidentialGuest>> confidential;
  std::string kernel;  ///< Full paths; empty: none.
  std::string initrd;
  std::string disk;  ///< The disk image; empty: none.
  std::string disk_base;
  std::string disk_base_format;  ///< "raw" or "qcow2".
  std::string iso;
  std::string seed;       ///< The cloud-init seed image; empty: none.
  std::string user_data;  ///< What it is made of; empty: the user's own seed.
  std::string meta_data;
  std::string network_config;
  Choice<profiles::DisplayKind> display;
  std::vector<LimitValue> limits;
  std::vector<Warning> warnings;

  /// What to emit for "windows", "win11" or "Windows Server", and not for "darwin".
  [[nodiscard]] bool is_windows() const;
  /// Whether `memory_options` has this toggle on.
  [[nodiscard]] bool wants_memory(std::string_view option) const;
  [[nodiscard]] bool kvm() const { return accelerator.value == "kvm"; }
  /// A file of its own for each guest: whoever opens it sees the screen.
  [[nodiscard]] std::string looking_glass_file() const {
    return "/dev/shm/looking-glass-" + profile.name.value;
  }
  [[nodiscard]] std::string run_file(std::string_view name) const {
    return paths.run_of(profile.name.value) + "/" + std::string(name);
  }
};

/// The suite's configuration, as far as a plan depends on it.
struct Config {
  struct Zone {
    std::string name;
    std::string bridge;
    bool allow_hostdev = false;
  };
  std::vector<Zone> zones;
  std::string default_bridge = "br0";
};

/// All that a plan follows from. The same inputs give the same plan.
struct Inputs {
  const profiles::Profile& profile;
  const qemu::Capabilities& qemu;
  const qemu::FirmwareSet& firmware;
  const host::HostFacts& host;
  const Paths& paths;
  const Config& config;
  const Record& record;
  std::string base_format = "qcow2";         ///< What the disk's base image is, if there is one.
  std::vector<Claims> claims{};              ///< Of the guests that run.
  std::vector<vfio::PciAddress> had{};       ///< This guest has them now, or had when it crashed.
  std::vector<vfio::PciAddress> made_vfs{};  ///< Cards whose virtual functions hvlaunch made.
  std::vector<HostRecord> baseline{};        ///< Hosts that the guest may move between.
};

/// Settles what the profile leaves open. Reports all that this QEMU or this
/// host cannot give, at once. Pure.
[[nodiscard]] std::expected<Machine, Errors> resolve(const Inputs& inputs);

/// The part of it that a confidential guest's measurement follows from. Nothing
/// is asked of this host: the guest may start on another one. Pure.
[[nodiscard]] std::expected<Machine, Errors> resolve_launch(const Inputs& inputs);

/// The plan for a machine. Pure; cannot fail.
[[nodiscard]] Plan make_plan(const Machine& machine);

}  // namespace hv::plan
