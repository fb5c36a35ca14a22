// SPDX-License-Identifier: MIT
//
// What a guest's QEMU may reach of the host once it runs, beside the
// descriptors that it inherits. Whoever takes QEMU over from inside the guest
// has this, and no more.
#pragma once

#include "launcher/plan/cause.h"
#include "profiles/profile.h"

#include <string>
#include <vector>

namespace hv::plan {

enum class Access : std::uint8_t {
  read,          ///< A file, or all that is in a directory.
  write,         ///< Read and write a file.
  device,        ///< Read, write and control a device node.
  function,      ///< The same, of the VFIO device of the PCI function at the path in sysfs.
  make_sockets,  ///< Make sockets in a directory, and nothing else.
};

struct Grant {
  std::string path;
  Access access = Access::read;
  Cause cause{};
};

struct Cage {
  profiles::Confinement confinement = profiles::Confinement::standard;
  std::uint32_t user = 0;  ///< QEMU's uid and gid, this guest's own; 0: whose who starts it has.
  std::vector<Grant> grants{};  ///< Besides QEMU itself and its libraries.
  bool internet = false;        ///< IPv4 and IPv6 sockets of its own.
  bool unix_sockets = false;    ///< UNIX sockets of its own.
  bool connects = false;        ///< To what listens on the host, or in the network.
  bool makes_code = false;      ///< TCG writes the code that it runs.
  bool places_memory = false;   ///< Memory and threads on NUMA nodes.
  bool locks_memory = false;
  bool io_uring = false;
  bool native_aio = false;
};

struct Machine;

/// A uid that no account of the host has: of 0x70000000 to 0x7fffffff, which
/// systemd's "Users, Groups, UIDs and GIDs" lists as unused.
[[nodiscard]] std::uint32_t user_of(std::string_view vm);

/// What the machine needs, and nothing else. Pure.
[[nodiscard]] Cage cage_of(const Machine& machine);

/// "read /boot/vmlinuz", "use the device /dev/kvm".
[[nodiscard]] std::string describe(const Grant& grant);

}  // namespace hv::plan
