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

}  // namespace

void resolve_vsock(Resolver& in, Machine& machine) {
  const auto& [enable, cid] = in.profile().vsock;
  if (!enable.value) return;
  machine.cid =
      cid.given() ? Choice<std::uint64_t>{cid.value, {.pointer = cid.pointer, .why = "as asked"}}
                  : Choice<std::uint64_t>{cid_of(in.seed_for("vsock")),
                                          {.rule = "stable-cid",
                                           .why = "derived from this host's id and the VM's name"}};
  if (!in.host().vhost_vsock)
    in.note({.fault = Fault::missing,
             .id = "no-vhost-vsock",
             .message = "there is no /dev/vhost-vsock",
             .origin = {.pointer = enable.pointer},
             .hint = "`modprobe vhost_vsock`, or leave vsock out"});
}

}  // namespace hv::plan
