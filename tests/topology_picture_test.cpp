// SPDX-License-Identifier: MIT
#include "launcher/host/topology_picture.h"

#include "launcher/commands/commands.h"
#include "tests/golden.h"
#include "tests/host_cpus.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>

using namespace hv::host;

namespace {

hv::CpuSet set_of(const char* text) {
  return hv::parse_cpu_set(text).value();
}

/// Guest and its vCPUs' CPUs, one after the other.
std::vector<PlacedVcpu> placed(
    std::initializer_list<std::pair<const char*, std::vector<const char*>>> guests) {
  std::vector<PlacedVcpu> vcpus;
  for (const auto& [name, pins] : guests)
    for (std::size_t i = 0; i < pins.size(); ++i) vcpus.push_back({name, i, set_of(pins[i])});
  return vcpus;
}

struct Case {
  const char* host;
  std::vector<PlacedVcpu> vcpus{};
  std::vector<NearDevice> devices{};
};

std::vector<Case> cases() {
  return {
      {.host = "desktop",
       .vcpus = placed({{"windows", {"2", "10", "3", "11"}}}),
       .devices = {{"0000:01:00.0", "display 10de:2684 (nvidia)", {}},
                   {"0000:01:00.1", "audio 10de:22ba (snd_hda_intel)", {}},
                   {"0000:02:00.0", "NVMe 144d:a80a (nvme)", 0}}},
      {.host = "two-socket",
       .vcpus = placed({{"database", {"32", "96", "33", "97", "34", "98", "35", "99"}}}),
       .devices = {{"0000:17:00.0", "network 15b3:1017 (mlx5_core)", 0},
                   {"0000:b1:00.0", "NVMe 144d:a824 (nvme)", 1}}},
      {.host = "epyc",
       .vcpus = placed({{"web", {"8", "72", "9", "73"}},
                        {"build", {"16-19", "16-19"}},
                        {"database", {"18", "32", "96", "33", "97"}}}),
       .devices = {{"0000:41:00.0", "display 10de:20b0", 1},
                   {"0000:c1:00.0", "NVMe 1344:51c0 (nvme)", {}}}},
      {.host = "hybrid", .vcpus = placed({{"work", {"2", "3", "4", "5"}}, {"mail", {"12"}}})},
      {.host = "arm-server"},
  };
}

void check_golden(const std::string& file, const std::string& got) {
  const auto path = std::string(TESTS_DIR "/topology/") + file;
  CAPTURE(path);
  if (std::getenv("HVLAUNCH_ACCEPT") != nullptr) std::ofstream(path) << got;
  CHECK_EQ(got, slurp(path));
}

std::size_t columns_of(std::string_view line) {
  return static_cast<std::size_t>(std::ranges::count_if(
      line, [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80; }));
}

std::size_t widest(const std::string& text) {
  std::size_t most = 0;
  for (std::size_t start = 0; start < text.size();) {
    const auto end = text.find('\n', start);
    most = std::max(most, columns_of(std::string_view(text).substr(start, end - start)));
    start = end + 1;
  }
  return most;
}

}  // namespace

TEST_CASE("golden pictures of hosts") {
  for (const auto& [name, vcpus, devices] : cases()) {
    CAPTURE(name);
    const Picture picture{.host = host_topology(name),
                          .devices = devices,
                          .vcpus = vcpus,
                          .title = std::string("Topology of ") + name};
    const auto text = topology_text(picture, Charset::utf8);
    check_golden(std::string(name) + ".txt", text);
    check_golden(std::string(name) + ".svg", topology_svg(picture));
    CHECK_LE(widest(text), 80);
    const auto ascii = topology_text(picture, Charset::ascii);
    CHECK(std::ranges::all_of(ascii, [](char c) { return c == '\n' || (c >= ' ' && c <= '~'); }));
    CHECK_EQ(widest(ascii), widest(text));
  }
}

TEST_CASE("a picture says what is offline, isolated and not ours") {
  auto host = host_topology("desktop");
  host.present.insert(16);
  host.isolated = set_of("4-7");
  host.nohz_full = set_of("5");
  host.allowed = host.allowed - set_of("0-1");
  const Picture picture{.host = host};
  for (const auto& drawn : {topology_text(picture, Charset::ascii), topology_svg(picture)})
    for (const auto* const note :
         {"offline: 16", "isolated: 4-7", "without timer tick (nohz_full): 5",
          "not for this service or session: 0-1"})
      CHECK(drawn.contains(note));
  CHECK(topology_svg(picture).contains("cpu isolated"));
  CHECK(topology_svg(picture).contains("cpu forbidden"));
}

TEST_CASE("memory without CPUs, and names that would break the picture") {
  auto host = host_topology("desktop");
  host.nodes.push_back({.number = 1, .memory_mib = 1024, .free_mib = 512});
  const NearDevice devices[] = {{"0000:01:00.0", "<b>&\"\x1b[31m", 1}};
  const PlacedVcpu vcpus[] = {{"a<b", 0, {1}}};
  const Picture picture{.host = host, .devices = devices, .vcpus = vcpus};
  const auto text = topology_text(picture, Charset::utf8);
  CHECK(text.contains("Node 1  1 GiB, 512 MiB free"));
  CHECK(text.contains("Devices on no known node"));
  CHECK_FALSE(text.contains('\x1b'));
  const auto svg = topology_svg(picture);
  CHECK(svg.contains("&lt;b&gt;&amp;&quot;\\x1b[31m"));
  CHECK(svg.contains("a&lt;b vCPU 0"));
  CHECK_FALSE(svg.contains("<script"));
}

TEST_CASE("many cores fall into rows of one length") {
  struct Row {
    std::size_t count, most, expected;
  };
  constexpr Row rows[] = {{8, 8, 8},  {8, 7, 4}, {40, 19, 10}, {32, 8, 8},
                          {13, 8, 7}, {1, 8, 1}, {5, 0, 1},    {64, 12, 8}};
  for (const auto& [count, most, expected] : rows) {
    CAPTURE(count);
    CHECK_EQ(per_row(count, most), expected);
  }
}

TEST_CASE("displays, network and storage are the devices to be near to") {
  const TempTree tree;
  const auto device = [&](const std::string& address, const char* uevent, const char* node) {
    tree.write("/sys/bus/pci/devices/" + address + "/uevent", uevent);
    tree.write("/sys/bus/pci/devices/" + address + "/numa_node", node);
  };
  device("0000:01:00.0", "DRIVER=nvidia\nPCI_CLASS=30000\nPCI_ID=10DE:2684\n", "-1\n");
  device("0000:02:00.0", "PCI_CLASS=10802\nPCI_ID=144D:A80A\n", "1\n");
  device("0000:03:00.0", "PCI_CLASS=20000\nPCI_ID=8086:1533\n", "0\n");
  device("0000:04:00.0", "PCI_CLASS=40300\nPCI_ID=10DE:22BA\n", "0\n");
  device("0000:05:00.0", "PCI_CLASS=60400\nPCI_ID=8086:1901\n", "0\n");
  const auto devices = read_near_devices(tree.root());
  REQUIRE_EQ(devices.size(), 3);
  CHECK_EQ(devices[0].description, "display 10de:2684 (nvidia)");
  CHECK_FALSE(devices[0].node.has_value());
  CHECK_EQ(devices[1].description, "NVMe 144d:a80a");
  CHECK_EQ(devices[1].node, 1);
  CHECK_EQ(devices[2].description, "network 8086:1533");
  CHECK(read_near_devices(TempTree().root()).empty());
}

TEST_CASE("topology --svg draws into a file") {
  const TempTree tree;
  write_host_cpus(tree, "hybrid");
  tree.write("/proc/sys/kernel/hostname", "laptop\n");
  tree.write("/reports/old", "");
  hv::commands::Context context{.root = tree.root(), .directory = "/reports"};
  context.json = false;
  const auto drawn = [&](const char* file) {
    hv::commands::Arguments arguments;
    arguments.options["svg"] = {file};
    return hv::commands::topology_command(context, arguments);
  };
  REQUIRE(drawn("host.svg").has_value());
  CHECK(tree.read("/reports/host.svg").contains("<title>Topology of laptop</title>"));
  CHECK(drawn("/reports/other.svg").has_value());
  CHECK_EQ(drawn("").error()[0].id, "usage");
  CHECK_FALSE(drawn("missing/host.svg").has_value());
  context.directory.clear();
  CHECK_EQ(drawn("host.svg").error()[0].id, "no-directory");
}
