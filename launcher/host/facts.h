// SPDX-License-Identifier: MIT
//
// What this host is, as far as a plan depends on it: a snapshot, plain data.
#pragma once

#include "launcher/base/error.h"
#include "launcher/base/root.h"
#include "launcher/host/cpu_facts.h"
#include "launcher/host/topology.h"
#include "vfio/function.h"
#include "vfio/hand_over.h"
#include "vfio/mdev.h"
#include "vfio/quarantine.h"
#include "vfio/selector.h"
#include "vfio/sriov.h"

#include <cstdint>
#include <string>
#include <vector>

namespace hv::host {

/// Huge pages of one size on all nodes (Documentation/admin-guide/mm/hugetlbpage.rst).
/// Those of one node: Node::pools.
struct HugePagePool {
  std::uint64_t page_kib = 0;
  std::uint64_t reserved = 0;  ///< Free pages that are promised already.
};

/// What is read only for guests that ask for it.
struct Needs {
  std::vector<vfio::Selector> devices{};
  std::vector<vfio::Quarantined> quarantined{};     ///< Of any.
  std::vector<vfio::Selector> virtual_functions{};  ///< Of these devices.
  std::vector<vfio::Selector> mdevs{};              ///< Which of these devices can make.
  std::optional<vfio::DisplayWish> display{};       ///< What shows the host's screen.
  bool nodes = false;     ///< NUMA nodes with their memory and huge pages.
  bool topology = false;  ///< CPUs, caches and nodes.
  bool cpu = false;       ///< What CPU, kernel and KVM can give guests.
};

/// A device whose driver makes mediated devices.
struct MdevParent {
  vfio::PciAddress address;
  std::vector<vfio::MdevType> types;
};

struct Kvm {
  bool usable = false;
  std::string reason{};  ///< Why not.
  std::string cure{};    ///< What would make it so.
};

struct HostFacts {
  std::string architecture;  ///< "x86_64", as uname says.
  std::string cpu_vendor;    ///< "AuthenticAMD"; empty where the kernel names none.
  std::uint64_t cpus = 1;    ///< Online.
  std::uint64_t memory_mib = 0;
  Kvm kvm;
  std::vector<std::uint64_t> numa_nodes;
  std::uint64_t default_huge_page_kib = 0;  ///< 0: no huge pages on this kernel.
  std::vector<HugePagePool> huge_pages;     ///< Needs::nodes.
  std::vector<Node> nodes;                  ///< Needs::nodes.
  Topology topology;                        ///< Needs::topology.
  vfio::Devices devices;                    ///< Needs::devices, and their virtual functions.
  vfio::DisplayStack display;               ///< Needs::display.
  std::vector<vfio::PhysicalFunction> physical_functions;  ///< Needs::virtual_functions.
  std::vector<MdevParent> mdev_parents;                    ///< Needs::mdevs.
  std::vector<std::string> mdevs;  ///< UUIDs of those that are there; Needs::mdevs.
  CpuFacts cpu;                    ///< Needs::cpu.
  std::string machine_id;
  std::vector<std::string> bridges;  ///< Network interfaces that are bridges.
  bool vhost_net = false;
  bool vhost_vsock = false;
};

/// Reads them from /proc, /sys, /dev and /etc/machine-id. What is not there is
/// left at its default: a container without sysfs can still run TCG guests.
[[nodiscard]] HostFacts read_facts(const Root& root, const Needs& needs = {});

/// The part of them that Needs::devices and what goes with it ask for.
void read_device_facts(const Root& root, const Needs& needs, HostFacts& facts);

/// Whether KVM can really run guests here: the device opens, speaks version 12
/// of its interface, and on x86 the CPU has VMX or SVM (Documentation/virt/kvm/api.rst).
[[nodiscard]] Kvm read_kvm(const Root& root, const std::string& architecture);

/// "0-3,8" as the kernel writes sets of CPUs and nodes.
[[nodiscard]] std::vector<std::uint64_t> parse_cpu_list(std::string_view text);

}  // namespace hv::host
