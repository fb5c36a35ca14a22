// SPDX-License-Identifier: MIT
//
// The fields that take something of the host: huge pages, CPUs, devices.
#include "profiles/profile.h"

#include <doctest/doctest.h>

using namespace hv::profiles;

namespace {

std::expected<Profile, hv::Errors> parse(std::string_view members) {
  return parse_profile(
      {"p", fmt::format(R"({{"name": "a", "cpus": 4, "memory_mb": 512, {}}})", members)});
}

Profile parsed(std::string_view members) {
  auto profile = parse(members);
  if (!profile) CAPTURE(hv::describe(profile.error().front()));
  REQUIRE(profile.has_value());
  return *std::move(profile);
}

HostDevice device_of(std::string_view entry) {
  const auto profile = parsed(fmt::format(R"("hostdevs": [{}])", entry));
  REQUIRE_EQ(profile.host_devices.size(), 1);
  return profile.host_devices.front();
}

}  // namespace

TEST_CASE("huge pages are wanted if anything but no is said of them") {
  struct Row {
    const char* text;
    bool enable;
    std::uint64_t size_kib;
    HugePagePolicy policy;
    const char* pointer;
  };
  constexpr Row rows[] = {
      {"true", true, 0, HugePagePolicy::require, "/hugepages"},
      {"false", false, 0, HugePagePolicy::require, "/hugepages"},
      {"{}", false, 0, HugePagePolicy::require, ""},
      {R"({"size": "2M"})", true, 2048, HugePagePolicy::require, "/hugepages/size"},
      {R"({"size": 2048})", true, 2048, HugePagePolicy::require, "/hugepages/size"},
      {R"({"size": "1GiB"})", true, 1048576, HugePagePolicy::require, "/hugepages/size"},
      {R"({"size": "64K"})", true, 64, HugePagePolicy::require, "/hugepages/size"},
      {R"({"policy": "prefer"})", true, 0, HugePagePolicy::prefer, "/hugepages/policy"},
      {R"({"policy": "off"})", false, 0, HugePagePolicy::off, "/hugepages/policy"},
      {R"({"policy": "off", "size": "1G"})", false, 1048576, HugePagePolicy::off,
       "/hugepages/size"},
      {R"({"enable": false, "size": "1G"})", false, 1048576, HugePagePolicy::require,
       "/hugepages/enable"},
      {R"({"enable": true, "policy": "off"})", false, 0, HugePagePolicy::off, "/hugepages/enable"},
  };
  for (const auto& [text, enable, size_kib, policy, pointer] : rows) {
    CAPTURE(text);
    const auto pages = parsed(fmt::format(R"("hugepages": {})", text)).huge_pages;
    CHECK_EQ(pages.enable.value, enable);
    CHECK_EQ(pages.enable.pointer, pointer);
    CHECK_EQ(pages.size_kib.value, size_kib);
    CHECK_EQ(pages.policy.value, policy);
  }
}

TEST_CASE("ways to say where vCPUs run") {
  const auto wish = [](std::string_view text) {
    return parsed(fmt::format(R"("pinning": {})", text)).pinning;
  };
  auto pinning = wish(R"("one-l3")");
  CHECK_EQ(std::get<Placement>(pinning.vcpus.value), Placement::one_l3);
  CHECK_EQ(pinning.vcpus.pointer, "/pinning");
  CHECK(pinning.given());

  pinning = wish(R"({"place": "spread", "smt": "pair", "exclusive": false, "emulator": "0-1",
                     "iothreads": "2", "helpers": "3"})");
  CHECK_EQ(std::get<Placement>(pinning.vcpus.value), Placement::spread);
  CHECK_EQ(pinning.vcpus.pointer, "/pinning/place");
  CHECK_EQ(pinning.smt.value, Smt::pair);
  CHECK_EQ(pinning.exclusive.value, false);
  CHECK_EQ(pinning.emulator.value, hv::CpuSet{0, 1});
  CHECK_EQ(pinning.emulator.pointer, "/pinning/emulator");
  CHECK_EQ(pinning.iothreads.value, hv::CpuSet{2});
  CHECK_EQ(pinning.helpers.value, hv::CpuSet{3});

  pinning = wish(R"({"near": "65:00.0"})");
  CHECK_EQ(std::get<NearDevice>(pinning.vcpus.value).device, "0000:65:00.0");

  pinning = wish(R"({"vcpus": ["4", "12,13", "5-6"]})");
  const auto list = std::get<PinList>(pinning.vcpus.value);
  REQUIRE_EQ(list.cpus.size(), 3);
  CHECK_EQ(list.cpus[1].value, hv::CpuSet{12, 13});
  CHECK_EQ(list.cpus[1].pointer, "/pinning/vcpus/1");
  CHECK_FALSE(list.repeats);
  CHECK_EQ(pinning.vcpus.pointer, "/pinning/vcpus");

  pinning = wish(R"({"cpus": "8-15"})");
  CHECK_EQ(std::get<PinPool>(pinning.vcpus.value).cpus.size(), 8);
  CHECK_FALSE(pinning.exclusive.value.has_value());

  for (const auto* const nothing : {"{}", R"({"emulator": "0"})"}) {
    pinning = wish(nothing);
    CHECK_FALSE(pinning.vcpus.given());
  }
}

TEST_CASE("devices are told by their address or by what they are") {
  auto device = device_of(R"("01:00.0")");
  CHECK_EQ(to_string(device.address.value.value()), "0000:01:00.0");
  CHECK_EQ(device.driver.value, "");
  CHECK_EQ(device.siblings.value, hv::vfio::Siblings::refuse);
  CHECK_FALSE(device.all_functions.value);
  CHECK_FALSE(device.even_if_used.value);
  CHECK_FALSE(device.primary_gpu.value);
  CHECK_FALSE(device.virtual_function.given());

  device = device_of(R"({"id": "10DE:2684", "class": "0300", "slot": "3", "serial": "00-15",
      "path": "pci0000:00/01.0/00.0", "all_functions": true, "siblings": "bind",
      "even_if_used": true, "driver": "mlx5_vfio_pci", "rom": "/roms/a.rom", "primary_gpu": true})");
  CHECK_EQ(device.pointer, "/hostdevs/0");
  CHECK_FALSE(device.address.given());
  CHECK_EQ(to_string(device.id.value.value()), "10de:2684");
  CHECK_EQ(device.class_code.value, "0300");
  CHECK_EQ(device.slot.value, "3");
  CHECK_EQ(device.serial.value, "00-15");
  CHECK_EQ(device.path.value, "pci0000:00/01.0/00.0");
  CHECK(device.all_functions.value);
  CHECK_EQ(device.siblings.value, hv::vfio::Siblings::bind);
  CHECK(device.even_if_used.value);
  CHECK_EQ(device.driver.value, "mlx5_vfio_pci");
  CHECK_EQ(device.rom.value, "/roms/a.rom");
  CHECK(device.primary_gpu.value);

  device = device_of(R"({"address": "0000:66:00.0",
      "vf": {"count": 8, "mac": "52:54:00:12:34:56", "vlan": 100}})");
  CHECK(device.virtual_function.given());
  CHECK_EQ(device.virtual_function.value.count.value, 8);
  CHECK_EQ(device.virtual_function.value.mac.value, "52:54:00:12:34:56");
  CHECK_EQ(device.virtual_function.value.vlan.value, 100);
  CHECK_EQ(device_of(R"({"class": "03", "mdev": "nvidia-63"})").mdev.value, "nvidia-63");
}

TEST_CASE("what is wrong or contradicts itself is said where it stands") {
  struct Row {
    const char* members;
    const char* expected;  ///< pointer, id and message of the only error.
  };
  constexpr Row rows[] = {
      {R"("hugepages": {"size": "63K"})",
       "/hugepages/size out-of-range 63 is not a whole number from 64 to "},
      {R"("hugepages": {"size": "huge"})", "/hugepages/size bad-value 'huge' is not a size like"},
      {R"("hugepages": {"policy": "maybe"})", "/hugepages/policy bad-value 'maybe' is not one"},
      {R"("hugepages": {"sise": "1G"})", "/hugepages/sise unknown-member unknown member 'sise'"},
      {R"("hugepages": 5)", "/hugepages wrong-type expected a string or an object, found 5"},
      {R"("pinning": "one-core")", "/pinning bad-value 'one-core' is not one"},
      {R"("pinning": {"cpus": "4-2"})", "/pinning/cpus bad-value '4-2' is not a set of CPUs"},
      {R"("pinning": {"vcpus": ["4", "x"]})",
       "/pinning/vcpus/1 bad-value 'x' is not a set of CPUs"},
      {R"("pinning": {"place": "one-l3", "cpus": "0-3"})",
       "/pinning/place conflict 'place', 'near', 'vcpus' and 'cpus' exclude each other"},
      {R"("pinning": "one-l3", "cpu_pinning": [1])",
       "/cpu_pinning conflict 'cpu_pinning' and 'pinning' both say where vCPUs run"},
      {R"("pinning": {"near": "gpu"})", "/pinning/near bad-pci-address 'gpu' is not a PCI address"},
      {R"("pinning": {"smt": "no"})", "/pinning/smt bad-value 'no' is not one"},
      {R"("hostdevs": [{}])", "/hostdevs/0 conflict nothing says which device is meant"},
      {R"("hostdevs": [{"all_functions": true}])",
       "/hostdevs/0 conflict nothing says which device is meant"},
      {R"("hostdevs": [{"id": "10de"}])", "/hostdevs/0/id bad-pci-id '10de' is not a vendor and"},
      {R"("hostdevs": [{"class": "0x03"}])",
       "/hostdevs/0/class bad-value '0x03' is not a class of PCI devices"},
      {R"("hostdevs": [{"class": "030"}])", "/hostdevs/0/class bad-value '030' is not a class of"},
      {R"("hostdevs": [{"slot": "3", "siblings": "ignore"}])",
       "/hostdevs/0/siblings bad-value 'ignore' is not one"},
      {R"("hostdevs": [{"slot": "3", "rom": "../vbios"}])",
       "/hostdevs/0/rom bad-value '../vbios' is not a path"},
      {R"("hostdevs": [{"slot": "3", "driver": "../../evil"}])",
       "/hostdevs/0/driver bad-value '../../evil' is not a model's name"},
      {R"("hostdevs": ["01:00.0", {"address": "0000:01:00.0"}])",
       "/hostdevs/1/address conflict '0000:01:00.0' is in the list already"},
      {R"("hostdevs": [{"slot": "3", "primary_gpu": true}, {"slot": "4", "primary_gpu": true}])",
       "/hostdevs/1/primary_gpu conflict only one device can be the 'primary_gpu'"},
      {R"("hostdevs": [{"slot": "3", "vf": {}, "all_functions": true}])",
       "/hostdevs/0/all_functions conflict 'all_functions' is for whole devices"},
      {R"("hostdevs": [{"slot": "3", "vf": {}, "mdev": "nvidia-63"}])",
       "/hostdevs/0/mdev conflict 'mdev' and 'vf' exclude each other"},
      {R"("hostdevs": [{"slot": "3", "vf": {"vlan": 4095}}])",
       "/hostdevs/0/vf/vlan out-of-range 4095 is not a whole number from 1 to 4094"},
  };
  for (const auto& [members, expected] : rows) {
    CAPTURE(std::string(members));
    const auto profile = parse(members);
    CHECK_FALSE(profile.has_value());
    if (profile) continue;
    CHECK_EQ(profile.error().size(), 1);
    const auto& error = profile.error().front();
    const auto text = fmt::format("{} {} {}", error.origin.pointer, error.id, error.message);
    CHECK_EQ(text.substr(0, std::string_view(expected).size()), std::string(expected));
  }
}
