// SPDX-License-Identifier: MIT
//
// What the commands `vfio …` share.
#pragma once

#include "launcher/commands/cli.h"
#include "vfio/function.h"
#include "vfio/groups.h"
#include "vfio/names.h"

#include <boost/json/fwd.hpp>

namespace hv::commands {

/// The operands as addresses. Errors: bad-pci-address.
[[nodiscard]] Result<std::vector<vfio::PciAddress>> addresses_of(const Arguments& arguments);

/// What `--driver` says, or the driver of VFIO that this kernel has for the function.
[[nodiscard]] std::string driver_of(const vfio::Devices& devices, const vfio::Function& function,
                                    const Arguments& arguments);

/// "VGA compatible controller: NVIDIA Corporation AD102".
[[nodiscard]] std::string title_of(const vfio::Names& names, const vfio::Function& function);

/// Devices as people read them, ordered by group; lines of at most `width`
/// where words allow. Bus bridges are left out unless named or `bridges`.
[[nodiscard]] std::string device_table(const vfio::Devices& devices, const vfio::Names& names,
                                       const std::vector<const vfio::Function*>& shown,
                                       std::size_t width);

/// The same for programs: docs/vfio.md.
[[nodiscard]] boost::json::value devices_as_json(const vfio::Devices& devices,
                                                 const vfio::Names& names,
                                                 const std::vector<const vfio::Function*>& shown);

/// Words in lines of at most `width`, each behind `indent` spaces.
[[nodiscard]] std::string wrapped(std::string_view text, std::size_t indent, std::size_t width);

}  // namespace hv::commands
