// SPDX-License-Identifier: MIT
//
// PCI functions and IOMMU groups of this host, as plain values
// (Documentation/ABI/testing/sysfs-bus-pci, Documentation/driver-api/vfio.rst).
#pragma once

#include "vfio/pci_address.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hv::vfio {

/// What of this host depends on a PCI function.
struct Use {
  enum class Kind : std::uint8_t {
    root_disk,   ///< The filesystem at "/" is on it, or below what is on it.
    filesystem,  ///< A mounted filesystem.
    swap,        ///< Active swap space.
    stacked,     ///< A member of LVM, MD, dm-crypt, bcache, … .
    route,       ///< The default route goes through it.
    display,     ///< The only display of the host.
    guest        ///< Something of hvlaunch's: a running guest has it.
  };
  Kind kind = Kind::filesystem;
  std::string holder;  ///< For people: "/dev/nvme0n1p2, mounted on /home".

  friend bool operator==(const Use&, const Use&) = default;
};

/// "root-disk", "filesystem", … .
[[nodiscard]] std::string_view to_string(Use::Kind kind);

/// One PCI function.
struct Function {
  PciAddress address;
  std::uint32_t class_code = 0;  ///< 24 bits: base class, subclass, interface (0x030000).
  std::uint16_t vendor = 0;
  std::uint16_t device = 0;
  std::uint16_t subsystem_vendor = 0;
  std::uint16_t subsystem_device = 0;
  std::string driver{};           ///< Empty: none is bound.
  std::string driver_override{};  ///< Empty: "(null)".
  std::optional<std::uint64_t> iommu_group{};
  std::optional<std::uint64_t> numa_node{};
  std::string local_cpus{};                  ///< As the kernel writes CPU lists: "0-7,16-23".
  std::vector<std::string> reset_methods{};  ///< "flr", "pm", "bus", … in the kernel's order.
  std::string slot{};                        ///< Of /sys/bus/pci/slots; empty: it names none.
  std::string serial{};                      ///< Empty: the kernel tells none.
  std::string sysfs_path{};                  ///< "/sys/devices/pci0000:00/0000:00:01.0/…".
  std::optional<PciAddress> physical_function{};  ///< Of a virtual function.
  std::uint64_t vfs_total = 0;                    ///< SR-IOV: how many it can have,
  std::uint64_t vfs = 0;                          ///< and has.
  bool boot_vga = false;
  bool firmware_memory =
      false;  ///< The firmware's own transfers (RMRR) bind its group to the host.
  std::vector<Use> uses{};
  std::string out_of_order{};  ///< Why it is in quarantine; empty: it is not.

  /// A bridge of any kind: no guest gets one.
  [[nodiscard]] bool is_bridge() const { return class_code >> 16U == 0x06; }

  /// A bridge to a bus. The kernel lets these keep their driver in a group that
  /// a guest gets; an ISA or host bridge it does not.
  [[nodiscard]] bool is_bus_bridge() const {
    const auto kind = class_code >> 8U;
    return kind == 0x0604 || kind == 0x0607 || kind == 0x0609;
  }

  /// With one of these, the kernel counts a function as free for guests.
  [[nodiscard]] bool has_guest_driver() const {
    return driver == "pci-stub" || driver.find("vfio") != std::string::npos;
  }
};

/// A driver of VFIO that is made for some devices.
struct Variant {
  std::string pattern;  ///< As in modules.alias, behind "vfio_pci:".
  std::string driver;

  friend bool operator==(const Variant&, const Variant&) = default;
};

/// The functions that matter for a question, and whether this host has an IOMMU.
struct Devices {
  std::vector<Function> functions;  ///< By address.
  bool iommu = false;               ///< There are IOMMU groups.
  bool interrupt_remapping = false;
  bool unsafe_interrupts = false;   ///< vfio_iommu_type1 was told to do without remapping.
  bool iommufd = false;             ///< /dev/iommu is there.
  std::vector<Variant> variants{};  ///< Those that this kernel has.

  [[nodiscard]] const Function* find(const PciAddress& address) const;
  /// The members of an IOMMU group, by address.
  [[nodiscard]] std::vector<const Function*> group(std::uint64_t number) const;
};

}  // namespace hv::vfio
