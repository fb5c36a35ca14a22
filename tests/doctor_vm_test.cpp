// SPDX-License-Identifier: MIT
#include "launcher/commands/doctor.h"

#include "tests/doctor_host.h"

#include <doctest/doctest.h>

#include <algorithm>

namespace {

using hv::commands::Context;
using hv::commands::Remark;
using hv::commands::Report;
using hv::host::Status;

/// A VM of this host whose QEMU is not there, so that it is the same everywhere.
Report report_on(const TempTree& tree, const std::string& fields) {
  tree.write("/profiles/web.json", R"({"name": "web", "cpus": 2, "memory_mb": 1024, "disk_gb": 0,)"
                                   "\n"
                                   R"( "qemu": {"binary": "/absent/qemu"})" +
                                       fields + "}\n");
  const Context context{.root = tree.root(),
                        .paths = {.profiles = {"/profiles"},
                                  .config = "/etc/hypervisor",
                                  .state = "/var/lib/hypervisor",
                                  .runtime = "/run/hvlaunch",
                                  .cache = "/var/cache/hvlaunch",
                                  .firmware_config = ""}};
  auto facts = read_host(tree);
  return hv::commands::report_on_vm(context, std::move(facts), "web").value();
}

const Remark& find(const Report& report, std::string_view id) {
  const auto found = std::ranges::find(report.remarks, id, &Remark::id);
  REQUIRE_MESSAGE(found != report.remarks.end(), "no remark ", std::string(id));
  return *found;
}

bool has(const Report& report, std::string_view id) {
  return std::ranges::find(report.remarks, id, &Remark::id) != report.remarks.end();
}

}  // namespace

TEST_CASE("doctor shows a plan's errors as they are") {
  const TempTree tree;
  write_right_host(tree);
  const auto report = report_on(tree, "");
  CHECK_EQ(report.vm, "web");
  const auto& missing = find(report, "qemu-missing");
  CHECK(missing.finding.status == Status::fail);
  CHECK_FALSE(missing.finding.remedy.empty());
  CHECK(has(report, "directories"));
  // What it does not need is not looked at.
  for (const auto* const id : {"iommu", "hugepages-need", "swtpm", "bridges", "qemu-others"})
    CHECK_FALSE(has(report, id));
}

TEST_CASE("doctor shows a profile's errors with their places") {
  const TempTree tree;
  write_right_host(tree);
  const auto report = report_on(tree, ",\n \"netwrok\": 1");
  const auto& wrong = find(report, "unknown-member");
  CHECK(wrong.finding.status == Status::fail);
  CHECK_EQ(wrong.origin.line, 3);
  CHECK_EQ(wrong.origin.pointer, "/netwrok");
  CHECK(wrong.finding.remedy.contains("network"));
}

TEST_CASE("doctor looks at what a VM needs, and at no more") {
  struct Row {
    std::string fields;
    std::string_view id;
    bool there;
  };
  const Row rows[] = {
      {"", "kvm", true},
      {R"(, "accel": "tcg")", "kvm", false},
      {R"(, "arch": "riscv64")", "kvm", false},
      {R"(, "tpm": {"enable": true})", "swtpm", true},
      {R"(, "network": {"mode": "bridge", "bridge": "br0"})", "tun", true},
      {R"(, "network": {"mode": "bridge", "bridge": "br0"})", "vhost-net", false},
      {R"(, "network": {"mode": "bridge", "bridge": "br0", "vhost": true})", "vhost-net", true},
      {R"(, "hostdevs": ["0000:00:19.0"])", "iommu", true},
      {R"(, "hostdevs": ["0000:00:19.0"])", "memlock", true},
      {R"(, "cloud_init": {"user_data_path": "u"})", "xorriso", true},
  };
  for (const auto& [fields, id, there] : rows) {
    CAPTURE(fields);
    CAPTURE(id);
    const TempTree tree;
    write_right_host(tree);
    const auto report = report_on(tree, fields);
    CHECK_EQ(has(report, id), there);
  }
}

TEST_CASE("a VM that can do without KVM does not fail for want of it") {
  const TempTree tree;
  write_right_host(tree);
  std::filesystem::remove(tree.path("/dev/kvm"));
  CHECK(find(report_on(tree, ""), "kvm").finding.status == Status::warn);
  CHECK(find(report_on(tree, R"(, "accel": "kvm")"), "kvm").finding.status == Status::fail);
}

TEST_CASE("doctor judges a VM's devices") {
  const TempTree tree;
  write_right_host(tree);
  const auto one = report_on(tree, R"(, "hostdevs": ["0000:00:19.0"])");
  CHECK_EQ(
      find(one, "device").finding.found,
      "class 0200: device 8086:1a1c; group 10, alone in it; the host's driver lets it go: e1000e");
  const auto half = report_on(tree, ",\n \"hostdevs\": [\"0000:01:00.0\"]");
  const auto& refused = find(half, "incomplete-group");
  CHECK(refused.finding.status == Status::fail);
  CHECK_EQ(refused.title, "0000:01:00.0");
  CHECK(refused.finding.found.contains("0000:01:00.1"));
  CHECK_EQ(refused.origin.line, 3);
  CHECK_FALSE(has(half, "device"));
  const auto whole = report_on(tree, R"(, "hostdevs": ["0000:01:00.0", "0000:01:00.1"])");
  CHECK_FALSE(has(whole, "incomplete-group"));
  CHECK(
      find(report_on(tree, R"(, "hostdevs": ["0000:77:00.0"])"), "no-device-here").finding.status ==
      Status::fail);
}

TEST_CASE("doctor shows what a VM takes of memory and CPUs") {
  hv::plan::Plan plan;
  plan.steps.push_back(
      {hv::plan::HugePages{.node = 1, .page_kib = 2048, .pages = 512, .free = 60}, {}});
  plan.pins = {.vcpus = {hv::CpuSet{4}, hv::CpuSet{5}}, .emulator = hv::CpuSet{0, 1}};
  std::vector<hv::commands::Remark> remarks;
  hv::commands::add_taken(plan, remarks);
  REQUIRE_EQ(remarks.size(), 2);
  CHECK_EQ(remarks[0].id, "hugepages-need");
  CHECK_EQ(remarks[0].finding.found, "have 512 huge pages of 2 MiB free on node 1, by making 452");
  CHECK_EQ(remarks[1].finding.found, "vCPUs on CPU 4 5; QEMU on CPU 0-1");
}
