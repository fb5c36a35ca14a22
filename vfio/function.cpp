// SPDX-License-Identifier: MIT
#include "vfio/function.h"

#include <algorithm>
#include <utility>

namespace hv::vfio {

std::string_view to_string(Use::Kind kind) {
  switch (kind) {
    case Use::Kind::root_disk: return "root-disk";
    case Use::Kind::filesystem: return "filesystem";
    case Use::Kind::swap: return "swap";
    case Use::Kind::stacked: return "stacked";
    case Use::Kind::route: return "route";
    case Use::Kind::display: return "display";
    case Use::Kind::guest: return "guest";
  }
  std::unreachable();
}

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
