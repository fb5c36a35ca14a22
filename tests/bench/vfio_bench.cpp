// SPDX-License-Identifier: MIT
//
// How long the PCI functions of a start, and all of a host, take to read: the
// median of many, on a tree of 500 functions.
#include "tests/pci_tree.h"
#include "vfio/scan.h"

#include <fmt/core.h>

#include <algorithm>
#include <chrono>

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

}  // namespace

int main() {
  using namespace hv::vfio;
  const TempTree tree;
  make_pci_tree(tree, large_host());
  const auto root = tree.root();
  std::vector<Selector> eight;
  for (std::uint16_t domain = 0; domain < 8; ++domain)
    eight.push_back(
        {.address = PciAddress{.domain = domain, .bus = 3, .device = 0, .function = 1}});
  const std::vector<Selector> by_id{{.id = PciId{.vendor = 0x15b3, .device = 0x1017}}};

  std::size_t read = 0;
  const auto count = [&](const hv::Result<Devices>& devices) { read += devices->functions.size(); };
  fmt::print("vfio_read_8 {:.2f} ms\n", median_ms(201, [&] { count(read_devices(root, eight)); }));
  fmt::print("vfio_read_by_id {:.2f} ms\n",
             median_ms(51, [&] { count(read_devices(root, by_id)); }));
  fmt::print("vfio_read_all {:.2f} ms\n", median_ms(51, [&] { count(read_all_devices(root)); }));
  return read != 0 ? 0 : 1;
}
