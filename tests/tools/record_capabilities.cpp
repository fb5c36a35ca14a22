// SPDX-License-Identifier: MIT
//
// Probes a QEMU and prints what it can do, as the data in tests/capabilities:
//
//     record_capabilities qemu-system-x86_64 > tests/capabilities/7.2-x86_64.json
//     record_capabilities build/qemus/10.0/bin/qemu-system-x86_64 >
//     tests/capabilities/10.0-x86_64.json
//
// KVM is recorded as absent, so that the data does not depend on the host.
#include "launcher/qemu/capabilities.h"

#include <chrono>
#include <cstdio>
#include <cstdlib>

namespace {

hv::Result<std::string> record(const char* name) {
  const char* const path = std::getenv("PATH");
  const auto binary = TRY(hv::qemu::find_binary(name, path != nullptr ? path : ""));
  auto capabilities = TRY(hv::qemu::probe(binary, std::chrono::seconds(10), {.emulation = true}));
  capabilities.kvm = false;
  return to_json(capabilities);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    fmt::print(stderr, "usage: record_capabilities QEMU\n");
    return static_cast<int>(hv::Fault::usage);
  }
  const auto text = record(argv[1]);
  if (!text) {
    fmt::print(stderr, "{}\n", hv::describe(text.error()));
    return static_cast<int>(text.error().fault);
  }
  fmt::print("{}", *text);
  return 0;
}
