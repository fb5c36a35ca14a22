// SPDX-License-Identifier: MIT
//
// What `doctor` looks at: a snapshot of this host, plain data. Nothing is
// opened that could load a module or wake a device.
#pragma once

#include "launcher/base/paths.h"
#include "launcher/host/distribution.h"
#include "launcher/host/facts.h"
#include "launcher/host/topology.h"
#include "vfio/function.h"

#include <map>
#include <optional>

namespace hv::host {

/// Who asks.
struct Caller {
  struct Group {
    std::string name;
    std::uint32_t number = 0;
    std::vector<std::string> members{};
  };
  std::uint32_t uid = 0;
  std::string name{};                   ///< The number, if /etc/passwd has no name.
  std::vector<std::uint32_t> groups{};  ///< Of this process.
  std::uint64_t capabilities = 0;       ///< Effective ones.
  std::vector<Group> known_groups{};    ///< /etc/group.

  [[nodiscard]] bool is_root() const { return uid == 0; }
  [[nodiscard]] bool has_capability(unsigned number) const {
    return (capabilities >> number & 1U) != 0;
  }
  [[nodiscard]] const Group* find_group(std::string_view group) const;
  [[nodiscard]] const Group* find_group(std::uint32_t number) const;
  /// Whether this process is in it; /etc/group alone counts from the next login.
  [[nodiscard]] bool is_in(const Group& group) const;
};

/// A file of /dev that guests need.
struct DeviceNode {
  std::string path;
  bool there = false;
  bool usable = false;      ///< Its owner, mode and ACL let this process read and write.
  std::uint32_t group = 0;  ///< That owns it,
  bool for_group = false;   ///< and may read and write.
};

enum class ModuleState : std::uint8_t {
  unknown,  ///< Not loaded, and this place does not show the kernel's modules.
  absent,
  available,  ///< Can be loaded.
  loaded,     ///< Or built in.
};

struct Directory {
  std::string purpose;
  std::string path;
  bool there = false;
  bool usable = false;  ///< This process can write to it, or make it.
};

/// One QEMU, or why there is none. Filled in by the caller of read_doctor_facts.
struct QemuFact {
  std::string architecture;
  std::string path{};
  std::string version{};
  bool kvm = false;
  std::string problem{};  ///< Empty: it works.
  std::string cure{};
  bool installed = false;
  std::string firmware{};  ///< Descriptor of the UEFI firmware for its usual machine; empty: none.
  std::string secure_boot{};  ///< The same with Secure Boot.
  std::string no_firmware{};  ///< Why there is none.
};

struct KernelLog {
  bool readable = false;
  std::vector<std::string> complaints{};  ///< Lines in which it says that something is off.
};

struct DoctorFacts {
  Distribution distribution;
  HostFacts host;
  Caller caller;
  bool vmx = false;  ///< Flags of the first CPU.
  bool svm = false;
  bool pages_1g = false;
  bool is_guest = false;                ///< This host is itself a guest.
  std::string kernel;                   ///< Its release.
  std::vector<std::string> parameters;  ///< Its command line, in words.
  std::map<std::string, ModuleState, std::less<>> modules;
  std::optional<bool> nested;  ///< nullopt: the kernel has no such switch.
  DeviceNode dev_kvm;
  DeviceNode dev_tun;
  DeviceNode dev_vhost_net;
  DeviceNode dev_vfio;
  std::vector<DeviceNode> vfio_groups;   ///< /dev/vfio/<number>.
  std::vector<std::string> acpi_tables;  ///< Names; empty: not shown.
  std::vector<std::string> iommus;       ///< "dmar0", "ivhd0", "smmu3.0x…".
  std::optional<vfio::Devices> devices;  ///< nullopt: no PCI devices are visible here.
  std::vector<Node> nodes;
  std::optional<std::uint64_t> memlock_kib;  ///< The hard limit; nullopt: none.
  std::vector<Directory> directories;
  KernelLog log;

  std::vector<QemuFact> qemus;                               ///< The caller's, as the next one.
  std::map<std::string, std::string, std::less<>> programs;  ///< Paths by name; empty: not there.
  std::uint64_t guest_memory_mib = 0;  ///< Of the guest that is asked about; 0: of none.

  [[nodiscard]] ModuleState module(std::string_view name) const;
  /// Whether the command line has the word.
  [[nodiscard]] bool has_parameter(std::string_view word) const;
  [[nodiscard]] const QemuFact* find_qemu(std::string_view architecture) const;
};

[[nodiscard]] DoctorFacts read_doctor_facts(const Root& root, const Paths& paths);

}  // namespace hv::host
