// SPDX-License-Identifier: MIT
//
// How long the PCI functions of a start, and all of a host, take to read, and how
// long a plan takes that passes eight of them: the median of many, on a tree of
// 500 functions.
#include "launcher/plan/machine.h"
#include "launcher/plan/needs.h"
#include "tests/pci_tree.h"
#include "vfio/scan.h"

#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <iterator>

namespace {

template <class Work>
double median_ms(std::size_t rounds, Work work) {
  std::vector<double> times;
  for (std::size_t i = 0; i < rounds; ++i) {
    const auto start = std::chrono::steady_clock::now();
    work();
    const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - start;
    times.push_back(took.count());
  }
  const auto middle = times.begin() + static_cast<std::ptrdiff_t>(rounds / 2);
  std::ranges::nth_element(times, middle);
  return *middle;
}

std::vector<hv::vfio::PciAddress> eight_functions() {
  std::vector<hv::vfio::PciAddress> eight;
  for (std::uint16_t domain = 0; domain < 8; ++domain)
    eight.push_back({.domain = domain, .bus = 3, .device = 0, .function = 1});
  return eight;
}

hv::profiles::Source profile_with(const std::vector<hv::vfio::PciAddress>& functions) {
  std::string devices;
  for (const auto& function : functions)
    devices += fmt::format(R"({}{{"address": "{}", "siblings": "bind"}})",
                           devices.empty() ? "" : ", ", to_string(function));
  return {.name = "bench.json",
          .text = fmt::format(R"({{"name": "bench", "cpus": 2, "memory_mb": 1024, "accel": "tcg",
                                  "firmware": "bios", "display": {{"type": "none"}},
                                  "hostdevs": [{}]}})",
                              devices)};
}

/// The whole way from the profile's text to the plan, but for what a host's other
/// files and QEMU say.
bool make_plan(const hv::Root& root, const hv::profiles::Source& source,
               const hv::qemu::Capabilities& qemu) {
  const auto profile = hv::profiles::parse_profile(source);
  if (!profile) return false;
  const hv::qemu::FirmwareSet firmware;
  const hv::Paths paths{.profiles = {},
                        .config = "/etc/hypervisor",
                        .state = "/var/lib/hypervisor",
                        .runtime = "/run/hvlaunch",
                        .cache = "/var/cache/hvlaunch",
                        .firmware_config = {}};
  const hv::plan::Config config;
  const hv::plan::Record record;
  const auto host = hv::host::read_facts(root, hv::plan::needs_of(*profile));
  const auto machine = hv::plan::resolve({.profile = *profile,
                                          .qemu = qemu,
                                          .firmware = firmware,
                                          .host = host,
                                          .paths = paths,
                                          .config = config,
                                          .record = record});
  if (!machine) {
    for (const auto& error : machine.error()) fmt::print(stderr, "{}\n", error.message);
    return false;
  }
  return hv::plan::make_plan(*machine).claims.functions.size() >= 8;
}

}  // namespace

int main() {
  using namespace hv::vfio;
  const TempTree tree;
  make_pci_tree(tree, large_host());
  const auto root = tree.root();
  std::vector<Selector> eight;
  for (const auto& address : eight_functions()) eight.push_back({.address = address});
  const std::vector<Selector> by_id{{.id = PciId{.vendor = 0x15b3, .device = 0x1017}}};

  std::size_t read = 0;
  const auto count = [&](const hv::Result<Devices>& devices) { read += devices->functions.size(); };
  fmt::print("vfio_read_8 {:.2f} ms\n", median_ms(201, [&] { count(read_devices(root, eight)); }));
  fmt::print("vfio_read_by_id {:.2f} ms\n",
             median_ms(51, [&] { count(read_devices(root, by_id)); }));
  fmt::print("vfio_read_all {:.2f} ms\n", median_ms(51, [&] { count(read_all_devices(root)); }));

  std::ifstream in(TESTS_DIR "/capabilities/7.2-x86_64.json");
  const std::string text{std::istreambuf_iterator<char>(in), {}};
  const auto qemu = hv::qemu::capabilities_from_json(text);
  const auto source = profile_with(eight_functions());
  if (!qemu || !make_plan(root, source, *qemu)) return 1;
  fmt::print("plan_8_of_500 {:.2f} ms (<= 5 ms)\n",
             median_ms(201, [&] { read += make_plan(root, source, *qemu) ? 1U : 0U; }));
  return read != 0 ? 0 : 1;
}
