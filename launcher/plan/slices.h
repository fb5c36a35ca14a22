// SPDX-License-Identifier: MIT
//
// Parts of devices that stand for themselves: virtual functions (SR-IOV) and
// mediated devices.
#pragma once

#include "launcher/plan/resolver.h"

namespace hv::plan {

/// The virtual function that an entry of `hostdevs` gets.
struct ChosenVf {
  const profiles::HostDevice* device;
  vfio::PciAddress address;
  vfio::PciId id{};  ///< What it will be, if it is not there yet.
};

/// The function that an entry means; notes why if there is none.
[[nodiscard]] const vfio::Function* choose_function(Resolver& in,
                                                    const profiles::HostDevice& device);

/// A virtual function for each entry that asks for one, and the steps that make
/// and set them. `whole` are the functions that other entries take.
[[nodiscard]] std::vector<ChosenVf> resolve_vfs(Resolver& in,
                                                const std::vector<vfio::PciAddress>& whole,
                                                Machine& machine);

/// Adds those that are not there yet as what the kernel will show.
void add_future_vfs(const std::vector<ChosenVf>& vfs, vfio::Devices& devices);

void resolve_mdevs(Resolver& in, Machine& machine);

/// The first root port for passed devices that none has.
[[nodiscard]] unsigned next_port(const Machine& machine);

}  // namespace hv::plan
