// SPDX-License-Identifier: MIT
#include "launcher/plan/resolver.h"

#include <charconv>

namespace hv::plan {
namespace {

/// Not 0 to 2, which are the hypervisor, the loopback and the host, and below
/// 2^31, for programs that take addresses as signed numbers.
std::uint64_t cid_of(const std::string& uuid) {
  constexpr std::uint64_t reserved = 3;
  constexpr std::uint64_t most = std::uint64_t{1} << 31U;
  std::uint64_t number = 0;
  (void)std::from_chars(uuid.data(), uuid.data() + 8, number, 16);  // A UUID begins with 8 digits.
  return reserved + number % (most - reserved);
}

/// A port of each guest's own, and none that only root may have.
std::uint32_t notify_port_of(std::uint64_t cid) {
  constexpr std::uint64_t first = 0x10000;
  constexpr std::uint64_t count = 0x70000000;
  return static_cast<std::uint32_t>(first + cid % count);
}

/// The guest is told by its kernel's command line, or by SMBIOS where firmware boots it.
void resolve_notify(Resolver& in, const profiles::Sourced<profiles::ReadyKind>& kind,
                    Machine& machine) {
  machine.notify_port = notify_port_of(machine.cid->value);
  if (!in.profile().kernel.value.empty() || machine.qemu->has_option("smbios")) return;
  in.note(
      {.fault = Fault::missing,
       .id = "no-smbios",
       .message = fmt::format("QEMU {} has no SMBIOS for {}, by which a guest learns where "
                              "'vsock-notify' is heard",
                              machine.qemu->version, to_string(in.profile().arch.value)),
       .origin = {.pointer = kind.pointer},
       .hint = "name a `kernel`, whose command line tells it; or take another way to be ready"});
}

}  // namespace

void resolve_vsock(Resolver& in, Machine& machine) {
  const auto& [enable, cid] = in.profile().vsock;
  if (!enable.value) return;
  machine.cid =
      cid.given() ? Choice<std::uint64_t>{cid.value, {.pointer = cid.pointer, .why = "as asked"}}
                  : Choice<std::uint64_t>{cid_of(in.seed_for("vsock")),
                                          {.rule = "stable-cid",
                                           .why = "derived from this host's id and the VM's name"}};
  if (const auto& ready = in.profile().ready; ready.kind.value == profiles::ReadyKind::vsock_notify)
    resolve_notify(in, ready.kind, machine);
  if (!in.host().vhost_vsock)
    in.note({.fault = Fault::missing,
             .id = "no-vhost-vsock",
             .message = "there is no /dev/vhost-vsock",
             .origin = {.pointer = enable.pointer},
             .hint = "`modprobe vhost_vsock`, or leave vsock out"});
}

}  // namespace hv::plan
