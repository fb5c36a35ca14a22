// SPDX-License-Identifier: MIT
#include "launcher/plan/cage.h"

#include "launcher/base/hash.h"
#include "launcher/base/text.h"
#include "launcher/plan/machine.h"
#include "launcher/plan/resolver.h"

#include <algorithm>

namespace hv::plan {
namespace {

class Builder {
 public:
  explicit Builder(const Machine& machine) : machine_(machine), profile_(machine.profile) {
    cage_.confinement = profile_.confinement.value;
    if (machine.paths.system && cage_.confinement != profiles::Confinement::off)
      cage_.user = user_of(profile_.name.value);
  }

  Cage build() && {
    add_accelerator();
    add_boot();
    add_confidential();
    add_disks();
    add_network();
    add_display();
    add_memory();
    add_passed();
    add_extra();
    return std::move(cage_);
  }

 private:
  void grant(const std::string& path, Access access, Cause cause) {
    if (!path.empty())
      cage_.grants.push_back({.path = path, .access = access, .cause = std::move(cause)});
  }

  void add_accelerator() {
    cage_.makes_code = !machine_.kvm();
    if (machine_.kvm()) grant("/dev/kvm", Access::device, machine_.accelerator.cause);
  }

  void add_boot() {
    grant(machine_.kernel, Access::read, {.pointer = profile_.kernel.pointer, .why = "the kernel"});
    grant(machine_.initrd, Access::read,
          {.pointer = profile_.initrd.pointer, .why = "the initial RAM disk"});
  }

  void add_confidential() {
    if (!machine_.confidential) return;
    const auto& [guest, cause] = *machine_.confidential;
    if (machine_.bios) grant(machine_.bios->value, Access::read, machine_.bios->cause);
    grant(guest.owner_certificate, Access::read, cause);
    grant(guest.session, Access::read, cause);
    if (guest.technology != profiles::Technology::tdx)
      grant("/dev/sev", Access::device, cause);
    else if (!profile_.confidential.quote_socket.value.empty())
      cage_.unix_sockets = cage_.connects = true;
  }

  void add_disks() {
    const auto io = profile_.disk.io.value;
    cage_.io_uring = io == profiles::DiskIo::io_uring;
    cage_.native_aio = io == profiles::DiskIo::native;
  }

  void add_network() {
    const bool user = profile_.network.mode.value == profiles::NetworkMode::user ||
                      (profile_.network.mode.value == profiles::NetworkMode::bridge &&
                       machine_.bridge.value.empty());
    if (!user) return;
    cage_.internet = cage_.connects = true;
    const auto cause = cause_of(profile_.network.mode, "network", "where the guest's names are");
    for (const auto* const file : {"/etc/resolv.conf", "/etc/hosts", "/run/systemd/resolve"})
      grant(file, Access::read, cause);
  }

  void add_display() {
    if (machine_.display.value == profiles::DisplayKind::none) return;
    cage_.unix_sockets = true;
    grant(machine_.paths.display_of(profile_.name.value), Access::make_sockets,
          machine_.display.cause);
  }

  void add_memory() {
    cage_.places_memory = !machine_.memory_nodes.value.empty() ||
                          std::ranges::any_of(machine_.guest_nodes, [](const GuestNode& node) {
                            return !node.host_nodes.empty();
                          });
    cage_.locks_memory = machine_.locked_memory_mib.value != 0;
    if (profile_.looking_glass.enable.value)
      grant(machine_.looking_glass_file(), Access::write,
            {.pointer = profile_.looking_glass.enable.pointer, .why = "Looking Glass"});
  }

  void add_passed() {
    if (machine_.passed.empty() && machine_.mdevs.empty()) return;
    const Cause vfio{.rule = "vfio", .why = "through it devices are passed"};
    grant(machine_.iommufd ? "/dev/iommu" : "/dev/vfio/vfio", Access::device, vfio);
    for (const auto& function : machine_.passed) {
      grant("/sys/bus/pci/devices/" + to_string(function.address), Access::function,
            function.cause);
      grant(function.rom, Access::read, function.cause);
    }
    for (const auto& [mdev, port, cause] : machine_.mdevs)
      grant(vfio::mdev_path(mdev.uuid), Access::function, cause);
  }

  /// Nobody reads what `qemu.extra_args` mean: whatever looks like a path in
  /// them is granted, and sockets of every kind.
  void add_extra() {
    const auto& extra = profile_.extra_arguments;
    if (extra.empty()) return;
    cage_.internet = cage_.unix_sockets = cage_.connects = true;
    for (const auto& [reason, arguments] : extra)
      for (const auto& argument : arguments)
        for (auto word : split(argument.value, ',')) {
          word.remove_prefix(std::min(word.find('/'), word.size()));
          grant(std::string(word), Access::device,
                {.pointer = argument.pointer, .why = reason.value});
        }
  }

  const Machine& machine_;
  const profiles::Profile& profile_;
  Cage cage_;
};

std::string_view verb(Access access) {
  switch (access) {
    case Access::read: return "read";
    case Access::write: return "read and write";
    case Access::device: return "use";
    case Access::function: return "use the VFIO device of";
    case Access::make_sockets: return "make sockets in";
  }
  std::unreachable();
}

}  // namespace

std::uint32_t user_of(std::string_view vm) {
  constexpr std::uint32_t first = 0x70000000;
  constexpr std::uint32_t count = 0x10000000;
  return first + static_cast<std::uint32_t>(hash_of(vm) % count);
}

Cage cage_of(const Machine& machine) {
  return Builder(machine).build();
}

std::string describe(const Grant& grant) {
  return fmt::format("{} {}", verb(grant.access), grant.path);
}

}  // namespace hv::plan
