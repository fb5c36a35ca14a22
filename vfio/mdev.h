// SPDX-License-Identifier: MIT
//
// Mediated devices: slices of a device that its own driver makes, like vGPUs
// (Documentation/driver-api/vfio-mediated-device.rst).
#pragma once

#include "launcher/base/journal.h"
#include "vfio/bind.h"

#include <cstdint>

namespace hv::vfio {

/// A kind of slice that a parent device can make.
struct MdevType {
  std::string id;    ///< "i915-GVTg_V5_4", "nvidia-63", as the directory is called.
  std::string name;  ///< For people; may be empty.
  std::uint64_t available = 0;

  friend bool operator==(const MdevType&, const MdevType&) = default;
};

/// By id. `parent` is a name of /sys/class/mdev_bus: "0000:00:02.0", "mtty".
/// Error: no-mdev-parent.
[[nodiscard]] Result<std::vector<MdevType>> read_mdev_types(const Root& root,
                                                            const std::string& parent);

struct Mdev {
  std::string parent;
  std::string type;
  std::string uuid;
};

/// Makes a mediated device, and records its end first. Errors: no-mdev-parent,
/// no-mdev-type, no-mdev-instance, mdev-exists, not-obeyed.
[[nodiscard]] Result<> make_mdev(const Root& root, const Mdev& mdev, Journal& journal,
                                 std::chrono::milliseconds patience = bind_patience);

/// "/sys/bus/mdev/devices/<uuid>", for QEMU's sysfsdev.
[[nodiscard]] std::string mdev_path(std::string_view uuid);

}  // namespace hv::vfio
