// SPDX-License-Identifier: MIT
//
// Drivers of VFIO for one kind of device, which can do more with it than
// vfio-pci: migrate it, or give it all of its memory. Modules name what they are
// for with aliases "vfio_pci:v000015B3d0000101Esv*sd*bc*sc*i*"
// (Documentation/driver-api/vfio-pci-device-specific-driver-acceptance.rst).
#pragma once

#include "launcher/base/root.h"
#include "vfio/function.h"

namespace hv::vfio {

/// What modules.alias says: "alias vfio_pci:… mlx5_vfio_pci" a line. Of others, nothing.
[[nodiscard]] std::vector<Variant> parse_variants(std::string_view aliases);

/// What modules.builtin.modinfo says: "mlx5_vfio_pci.alias=vfio_pci:…", ended by NUL.
[[nodiscard]] std::vector<Variant> parse_builtin_variants(std::string_view modinfo);

/// All of the kernel that runs; none where its modules are not to be seen.
[[nodiscard]] std::vector<Variant> read_variants(const Root& root);

/// The driver that is made for the function, the one that names it most
/// exactly; vfio-pci if there is none.
[[nodiscard]] std::string guest_driver(const Devices& devices, const Function& function);

}  // namespace hv::vfio
