// SPDX-License-Identifier: MIT
//
// Virtual functions of a PCI function (SR-IOV). The kernel makes all of them at
// once and destroys all of them at once, and they may be other people's: those
// that are there are used, and only what hvlaunch made is ever destroyed.
//
//   TRY(vfio::make_vfs(root, address, 4, journal));
//   const auto physical = TRY(vfio::read_physical_function(root, address));
//   const auto* const vf = TRY(vfio::choose_vf(physical, claimed));
#pragma once

#include "launcher/base/journal.h"
#include "vfio/bind.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace hv::vfio {

struct VirtualFunction {
  std::uint64_t index = 0;  ///< As "virtfn<index>", and as `ip link` counts them.
  PciAddress address;
  std::string driver{};  ///< Empty: none.

  friend bool operator==(const VirtualFunction&, const VirtualFunction&) = default;
};

struct PhysicalFunction {
  PciAddress address;
  std::uint64_t vfs_total = 0;
  std::uint64_t offset = 0;  ///< Where the kernel will put them; 0: it does not tell.
  std::uint64_t stride = 0;
  std::uint16_t vf_device = 0;         ///< The id of all of them; 0: the kernel does not tell.
  bool drivers_autoprobe = true;       ///< Whether the host's drivers take new ones.
  std::string network_interface{};     ///< Empty: it is no network card, or has no driver.
  std::vector<VirtualFunction> vfs{};  ///< By index.
};

/// Errors: no-device-here, no-sriov.
[[nodiscard]] Result<PhysicalFunction> read_physical_function(const Root& root,
                                                              const PciAddress& address);

/// Where a virtual function is, or will be: counted from the card's own address
/// by its offset and stride (PCI Express 6.0, 9.2.1.2). Nothing if it cannot be known.
[[nodiscard]] std::optional<PciAddress> vf_address(const PhysicalFunction& physical,
                                                   std::uint64_t index);

/// Makes `count` virtual functions without drivers, and records their end
/// first. If there are some already, however many, they stay and nothing is
/// done. Errors: too-many-vfs, no-vfs, not-obeyed, and those of bind().
[[nodiscard]] Result<> make_vfs(const Root& root, const PciAddress& address, std::uint64_t count,
                                Journal& journal,
                                std::chrono::milliseconds patience = bind_patience);

/// The first virtual function that no guest has, one without a driver rather
/// than one that the host's driver has. Error: no-free-vf.
[[nodiscard]] Result<const VirtualFunction*> choose_vf(const PhysicalFunction& physical,
                                                       std::span<const PciAddress> claimed);

/// What a virtual function of a network card is to have. It loses it when it is
/// destroyed.
struct VfNetwork {
  std::string mac{};                    ///< Empty: what the card gives it.
  std::optional<std::uint16_t> vlan{};  ///< 0: none.
};

/// The program that sets it, through the card's own interface and before a
/// guest has the function: "ip link set dev eth7 vf 1 mac …". Empty: nothing to
/// set. Error: no-vf-network.
[[nodiscard]] Result<std::vector<std::string>> vf_network_command(const PhysicalFunction& physical,
                                                                  std::uint64_t index,
                                                                  const VfNetwork& network);

/// What the card says that a virtual function has (rtnetlink(7), IFLA_VFINFO_LIST).
/// The MAC address is empty, and there is no VLAN, where it does not say.
[[nodiscard]] Result<VfNetwork> read_vf_network(const std::string& network_interface,
                                                std::uint64_t index);

/// The same from the kernel's answer to RTM_GETLINK.
[[nodiscard]] VfNetwork parse_vf_network(std::span<const std::byte> answer, std::uint64_t index);

/// Takes make_vfs() back (Undo::Kind::remove_vfs): destroys them, unless one has
/// a driver. Then somebody uses it: a guest that came later, whose own journal
/// has the same entry, or the host. Safe to do twice.
[[nodiscard]] Result<> remove_vfs(const Root& root, const PciAddress& address,
                                  std::chrono::milliseconds patience = bind_patience);

}  // namespace hv::vfio
