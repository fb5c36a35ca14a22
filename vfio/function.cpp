// SPDX-License-Identifier: MIT
#include "vfio/function.h"

#include <algorithm>

namespace hv::vfio {

const Function* Devices::find(const PciAddress& address) const {
  const auto found = std::ranges::lower_bound(functions, address, {}, &Function::address);
  return found != functions.end() && found->address == address ? &*found : nullptr;
}

std::vector<const Function*> Devices::group(std::uint64_t number) const {
  std::vector<const Function*> members;
  for (const auto& function : functions)
    if (function.iommu_group == number) members.push_back(&function);
  return members;
}

}  // namespace hv::vfio
