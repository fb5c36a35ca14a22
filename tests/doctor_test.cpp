// SPDX-License-Identifier: MIT
#include "launcher/commands/doctor.h"

#include "tests/doctor_host.h"

#include <doctest/doctest.h>
#include <boost/json.hpp>

#include <algorithm>
#include <filesystem>
#include <set>

namespace {

using namespace hv::host;
using hv::commands::Colours;
using hv::commands::Remark;

void remove(const TempTree& tree, const char* file) {
  std::filesystem::remove_all(tree.path(file));
}

/// As this host would be without an IOMMU: no function has a group.
void without_iommu(DoctorFacts& facts) {
  facts.devices->iommu = false;
  facts.devices->interrupt_remapping = false;
  for (auto& function : facts.devices->functions) function.iommu_group.reset();
}

void forbid(DeviceNode& node, std::uint32_t group, bool for_group = true) {
  node = {
      .path = node.path, .there = true, .usable = false, .group = group, .for_group = for_group};
}

void forbid_kvm(DoctorFacts& facts) {
  forbid(facts.dev_kvm, 104);
  facts.host.kvm = {.reason = "you may not open /dev/kvm"};
}

void be_root(const TempTree& tree) {
  tree.write("/proc/self/status",
             "Uid:\t0\t0\t0\t0\nGid:\t0\t0\t0\t0\nGroups:\t0 \nCapEff:\t000001ffffffffff\n");
}

constexpr auto nothing = [](const TempTree&) {};
constexpr auto as_read = [](DoctorFacts&) {};

struct Row {
  std::string what;
  void (*prepare)(const TempTree&);
  void (*adjust)(DoctorFacts&);
  std::string_view id;
  Status status;
  std::string_view found;
  std::string_view remedy;
};

const Finding& finding_of(const std::vector<Checked>& all, std::string_view id) {
  const auto found =
      std::ranges::find(all, id, [](const Checked& checked) { return checked.check->id; });
  REQUIRE(found != all.end());
  return found->finding;
}

void check_rows(std::span<const Row> rows) {
  for (const auto& row : rows) {
    CAPTURE(row.what);
    const TempTree tree;
    write_right_host(tree);
    row.prepare(tree);
    auto facts = read_host(tree);
    row.adjust(facts);
    const auto all = examine(facts, host_needs());
    const auto& [status, found, remedy] = finding_of(all, row.id);
    CAPTURE(found);
    CAPTURE(remedy);
    CHECK_EQ(to_string(status), to_string(row.status));
    CHECK(found.contains(row.found));
    CHECK(remedy.contains(row.remedy));
    if (row.status == Status::ok) CHECK(remedy.empty());
    for (const auto& [check, finding] : all)
      if (finding.status == Status::warn || finding.status == Status::fail) {
        CAPTURE(check->id);
        CHECK_FALSE(finding.found.empty());
        CHECK_FALSE(finding.remedy.empty());
      }
  }
}

constexpr auto ok = Status::ok;
constexpr auto unknown = Status::unknown;
constexpr auto warn = Status::warn;
constexpr auto fail = Status::fail;

}  // namespace

TEST_CASE("nothing is wrong with a host that has all") {
  const TempTree tree;
  write_right_host(tree);
  const auto facts = read_host(tree);
  for (const auto& [check, finding] : examine(facts, host_needs())) {
    CAPTURE(check->id);
    CAPTURE(finding.found);
    // A user who is not root makes no taps.
    CHECK_EQ(to_string(finding.status), to_string(check->id == "tun" ? warn : ok));
    CHECK_FALSE(finding.found.empty());
  }
}

TEST_CASE("checks have names of their own") {
  std::set<std::string_view> ids;
  for (const auto& check : all_checks()) CHECK(ids.insert(check.id).second);
  CHECK_GT(ids.size(), 25);
}

TEST_CASE("doctor on processor and KVM") {
  const Row rows[] = {
      {"AMD",
       [](const TempTree& tree) {
         tree.write("/proc/cpuinfo", "vendor_id\t: AuthenticAMD\nflags\t\t: fpu svm npt\n");
       },
       as_read, "cpu", ok, "AMD-V (svm)", ""},
      {"Intel without vmx",
       [](const TempTree& tree) {
         tree.write("/proc/cpuinfo", "vendor_id\t: GenuineIntel\nflags\t\t: fpu sse\n");
       },
       as_read, "cpu", fail, "neither vmx nor svm", "enable VT-x"},
      {"AMD without svm",
       [](const TempTree& tree) {
         tree.write("/proc/cpuinfo", "vendor_id\t: AuthenticAMD\nflags\t\t: fpu sse\n");
       },
       as_read, "cpu", fail, "neither vmx nor svm", "enable SVM"},
      {"a guest without vmx",
       [](const TempTree& tree) {
         tree.write("/proc/cpuinfo", "vendor_id\t: GenuineIntel\nflags\t\t: fpu hypervisor sse\n");
       },
       as_read, "cpu", fail, "neither", "itself a guest: turn on nested"},
      {"ARM", nothing, [](DoctorFacts& facts) { facts.host.architecture = "aarch64"; }, "cpu", ok,
       "aarch64", ""},
      {"module not loaded",
       [](const TempTree& tree) {
         remove(tree, "/sys/module/kvm_intel");
         remove(tree, "/dev/kvm");
       },
       as_read, "kvm-module", fail, "kvm_intel is not loaded", "`modprobe kvm_intel`"},
      {"no /dev/kvm: the module's cure",
       [](const TempTree& tree) {
         remove(tree, "/sys/module/kvm_intel");
         remove(tree, "/dev/kvm");
       },
       as_read, "kvm", fail, "there is no /dev/kvm", "`modprobe kvm_intel`"},
      {"a kernel without KVM",
       [](const TempTree& tree) {
         remove(tree, "/sys/module/kvm_intel");
         remove(tree, "/dev/kvm");
         tree.write("/lib/modules/6.1.0-50-amd64/modules.dep", "kernel/fs/ext4/ext4.ko:\n");
       },
       as_read, "kvm", fail, "there is no /dev/kvm", "`apt install linux-image-amd64`"},
      {"/lib/modules of another kernel",
       [](const TempTree& tree) {
         remove(tree, "/sys/module/kvm_intel");
         remove(tree, "/dev/kvm");
         remove(tree, "/lib/modules");
       },
       as_read, "kvm-module", unknown, "/lib/modules shows nothing of kernel 6.1.0-50-amd64",
       "reboot"},
      {"a container without the device", [](const TempTree& tree) { remove(tree, "/dev/kvm"); },
       as_read, "kvm", fail, "kvm_intel is loaded, but there is no /dev/kvm", "--device /dev/kvm"},
      {"not in the group", nothing,
       [](DoctorFacts& facts) {
         forbid_kvm(facts);
         facts.caller.groups = {1000};
         facts.caller.known_groups[1].members.clear();
       },
       "kvm", fail, "you may not open /dev/kvm", "`usermod -aG kvm ana`, and log in again"},
      {"in the group from the next login on", nothing,
       [](DoctorFacts& facts) {
         forbid_kvm(facts);
         facts.caller.groups = {1000};
       },
       "kvm", fail, "you may not open /dev/kvm", "log in again"},
      {"a device of root's alone", nothing,
       [](DoctorFacts& facts) {
         forbid_kvm(facts);
         forbid(facts.dev_kvm, 0, false);
       },
       "kvm", fail, "you may not open", "chgrp kvm /dev/kvm"},
      {"root, kept from it by a container", be_root,
       [](DoctorFacts& facts) {
         facts.host.kvm = {.reason = "you may not open /dev/kvm"};
         facts.dev_kvm.usable = true;
       },
       "kvm", fail, "you may not open", "DeviceAllow="},
      {"no KVM behind the device", nothing,
       [](DoctorFacts& facts) {
         facts.host.kvm = {.reason = "/dev/kvm does not speak version 12"};
       },
       "kvm", fail, "version 12", "ls -l /dev/kvm"},
      {"nested off",
       [](const TempTree& tree) { tree.write("/sys/module/kvm_intel/parameters/nested", "N\n"); },
       as_read, "nested", warn, "guests cannot run guests", "options kvm_intel nested=1"},
      {"nested off on AMD",
       [](const TempTree& tree) {
         remove(tree, "/sys/module/kvm_intel");
         tree.write("/proc/cpuinfo", "vendor_id\t: AuthenticAMD\nflags\t\t: fpu svm npt\n");
         tree.write("/sys/module/kvm_amd/parameters/nested", "0\n");
       },
       as_read, "nested", warn, "guests cannot run guests", "options kvm_amd nested=1"},
      {"KVM not loaded: nested is unknown",
       [](const TempTree& tree) { remove(tree, "/sys/module/kvm_intel"); }, as_read, "nested",
       unknown, "", ""},
  };
  check_rows(rows);
}

TEST_CASE("doctor on devices for guests") {
  const Row rows[] = {
      {"Intel without intel_iommu=on",
       [](const TempTree& tree) { tree.write("/proc/cmdline", "root=/dev/sda1 quiet\n"); },
       without_iommu, "iommu", warn, "intel_iommu=on is not on the kernel's command line",
       "add intel_iommu=on to GRUB_CMDLINE_LINUX in /etc/default/grub, run `update-grub`"},
      {"Intel, VT-d off in the firmware",
       [](const TempTree& tree) {
         remove(tree, "/sys/firmware/acpi/tables/DMAR");
         tree.write("/sys/firmware/acpi/tables/FACP", "");
       },
       without_iommu, "iommu", warn, "no ACPI table DMAR", "enable VT-d in the firmware setup"},
      {"Intel, on and refused", nothing, without_iommu, "iommu", warn, "VT-d is off", "dmesg"},
      {"with sm_on beside on",
       [](const TempTree& tree) { tree.write("/proc/cmdline", "intel_iommu=sm_on,on\n"); },
       without_iommu, "iommu", warn, "VT-d is off", "dmesg"},
      {"turned off by hand",
       [](const TempTree& tree) { tree.write("/proc/cmdline", "amd_iommu=off\n"); }, without_iommu,
       "iommu", warn, "amd_iommu=off is on the kernel's command line", "take amd_iommu=off out of"},
      {"AMD, off in the firmware",
       [](const TempTree& tree) {
         tree.write("/proc/cpuinfo", "vendor_id\t: AuthenticAMD\nflags\t\t: fpu svm npt\n");
         tree.write("/proc/cmdline", "quiet\n");
         remove(tree, "/sys/firmware/acpi/tables/DMAR");
         tree.write("/sys/firmware/acpi/tables/FACP", "");
       },
       without_iommu, "iommu", warn, "no ACPI table IVRS", "enable AMD-Vi in the firmware setup"},
      {"a guest without a virtual IOMMU",
       [](const TempTree& tree) {
         tree.write("/proc/cpuinfo", "vendor_id\t: GenuineIntel\nflags\t\t: hypervisor vmx\n");
         remove(tree, "/sys/firmware/acpi/tables/DMAR");
         tree.write("/sys/firmware/acpi/tables/FACP", "");
       },
       without_iommu, "iommu", warn, "no ACPI table DMAR", "intel-iommu,intremap=on"},
      {"AMD, on and refused",
       [](const TempTree& tree) {
         remove(tree, "/sys/firmware/acpi/tables/DMAR");
         tree.write("/sys/firmware/acpi/tables/IVRS", "");
       },
       without_iommu, "iommu", warn, "AMD-Vi is off", "enable AMD-Vi in the firmware setup; if it"},
      {"VT-d under an AMD CPU, as QEMU makes it",
       [](const TempTree& tree) {
         tree.write("/proc/cpuinfo", "vendor_id\t: AuthenticAMD\nflags\t\t: fpu svm npt\n");
         tree.write("/sys/class/iommu/dmar0/intel-iommu/version", "1:0\n");
       },
       as_read, "iommu", ok, "VT-d is on", ""},
      {"a container without PCI", [](const TempTree& tree) { remove(tree, "/sys/bus/pci"); },
       as_read, "iommu", unknown, "no PCI devices are visible", ""},
      {"no interrupt remapping",
       [](const TempTree& tree) { tree.write("/proc/interrupts", " 24: 0 PCI-MSI xhci_hcd\n"); },
       as_read, "interrupt-remapping", warn, "no device be passed", "x2APIC"},
      {"interrupt remapping turned off",
       [](const TempTree& tree) {
         tree.write("/proc/interrupts", " 24: 0 PCI-MSI xhci_hcd\n");
         tree.write("/proc/cmdline", "intel_iommu=on intremap=off\n");
       },
       as_read, "interrupt-remapping", warn, "intremap=off", "take intremap=off out of"},
      {"unsafe interrupts allowed",
       [](const TempTree& tree) {
         tree.write("/proc/interrupts", " 24: 0 PCI-MSI xhci_hcd\n");
         tree.write("/sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts", "Y\n");
       },
       as_read, "interrupt-remapping", warn, "any interrupt of the host", "trust only"},
      {"groups", nothing, as_read, "groups", ok,
       "2 with devices for guests, 1 of them with one alone", ""},
      {"functions of one card are one device", nothing, as_read, "acs", ok, "group of its own", ""},
      {"several slots in a group", nothing,
       [](DoctorFacts& facts) {
         for (auto& function : facts.devices->functions)
           if (function.iommu_group == 10U) function.iommu_group = 14;
       },
       "acs", warn,
       "group 14 has 3 devices that must be passed together: 0000:00:19.0, 0000:01:00.0", "slot"},
      {"groups split on paper only",
       [](const TempTree& tree) {
         tree.write("/proc/cmdline", "intel_iommu=on pcie_acs_override=downstream\n");
       },
       as_read, "acs", warn, "can reach the memory", "take pcie_acs_override out of"},
      {"a device in quarantine", nothing,
       [](DoctorFacts& facts) {
         facts.devices->functions.back().out_of_order = "its driver hangs";
       },
       "quarantine", warn, "its driver hangs", "hvlaunch vfio clear"},
      {"no device in quarantine", nothing, as_read, "quarantine", ok, "no device is out of order",
       ""},
      {"VFIO's module is loaded when needed",
       [](const TempTree& tree) { remove(tree, "/sys/module/vfio_pci"); }, as_read, "vfio-module",
       ok, "loaded when a device is taken", ""},
      {"a kernel without VFIO",
       [](const TempTree& tree) {
         remove(tree, "/sys/module/vfio_pci");
         tree.write("/lib/modules/6.1.0-50-amd64/modules.dep", "kernel/fs/ext4/ext4.ko:\n");
       },
       as_read, "vfio-module", warn, "has no module vfio_pci", "linux-image-amd64"},
      {"a group that is root's", nothing,
       [](DoctorFacts& facts) { forbid(facts.vfio_groups.at(0), 0, false); }, "vfio-access", warn,
       "you may not open /dev/vfio/14", "SUBSYSTEM==\"vfio\""},
      {"no device is bound", [](const TempTree& tree) { remove(tree, "/dev/vfio/14"); }, as_read,
       "vfio-access", warn, "which takes root", "hvlaunch vfio bind"},
  };
  check_rows(rows);
}

TEST_CASE("doctor on memory") {
  const Row rows[] = {
      {"pools by node", nothing, as_read, "hugepages", ok,
       "2 MiB: 60 of 64 free on node 0; 1 GiB: 1 of 2 free on node 0", ""},
      {"no huge pages", nothing,
       [](DoctorFacts& facts) {
         for (auto& pool : facts.nodes.at(0).pools) pool.pages = pool.free = 0;
       },
       "hugepages", warn, "none are reserved", "for each GiB of a guest 512: `sysctl"},
      {"a kernel without them", nothing,
       [](DoctorFacts& facts) {
         facts.host.huge_pages.clear();
         facts.host.default_huge_page_kib = 0;
       },
       "hugepages", warn, "this kernel has none", "CONFIG_HUGETLBFS"},
      {"no 1 GiB pages at boot", nothing,
       [](DoctorFacts& facts) {
         for (auto& pool : facts.nodes.at(0).pools)
           if (pool.page_kib > 2048) pool.pages = pool.free = 0;
       },
       "hugepages-1g", warn, "none are reserved", "add hugepagesz=1G hugepages=4 to GRUB"},
      {"a CPU without 1 GiB pages",
       [](const TempTree& tree) {
         tree.write("/proc/cpuinfo", "vendor_id\t: GenuineIntel\nflags\t\t: fpu vmx ept\n");
       },
       as_read, "hugepages-1g", ok, "no pages of that size", ""},
      {"a small limit",
       [](const TempTree& tree) {
         tree.write("/proc/self/limits",
                    "Max locked memory         8388608              8388608              bytes\n");
       },
       as_read, "memlock", warn, "your limit is 8 MiB", "@kvm - memlock unlimited"},
      {"a limit that is enough",
       [](const TempTree& tree) {
         tree.write("/proc/self/limits", "Max locked memory   8388608    2147483648   bytes\n");
       },
       as_read, "memlock", ok, "up to 2 GiB", ""},
      {"a limit that is not enough for this guest", nothing,
       [](DoctorFacts& facts) {
         facts.memlock_kib = 2U << 20U;
         facts.guest_memory_mib = 4096;
       },
       "memlock", warn, "this guest needs 5 GiB", "memlock"},
      {"root", be_root, [](DoctorFacts& facts) { facts.memlock_kib = 64; }, "memlock", ok,
       "CAP_IPC_LOCK", ""},
  };
  check_rows(rows);
}

TEST_CASE("doctor on network, programs and system") {
  const Row rows[] = {
      {"root makes taps", be_root, as_read, "tun", ok, "you may open it", ""},
      {"no tun", [](const TempTree& tree) { remove(tree, "/dev/net/tun"); }, as_read, "tun", warn,
       "there is no /dev/net/tun", "let it have the device"},
      {"no vhost-net", [](const TempTree& tree) { remove(tree, "/dev/vhost-net"); }, as_read,
       "vhost-net", warn, "there is no /dev/vhost-net", "`modprobe vhost_net`"},
      {"vhost-net of a group", nothing,
       [](DoctorFacts& facts) {
         forbid(facts.dev_vhost_net, 104);
         facts.caller.known_groups[1].members.clear();
         facts.caller.groups = {1000};
       },
       "vhost-net", warn, "you may not open /dev/vhost-net", "`usermod -aG kvm ana`"},
      {"no bridge", [](const TempTree& tree) { remove(tree, "/sys/class/net/br0"); }, as_read,
       "bridges", warn, "this host has none", "ip link add br0"},
      {"no QEMU", nothing,
       [](DoctorFacts& facts) {
         facts.qemus[0] = {.architecture = "x86_64", .problem = "there is no 'qemu-system-x86_64'"};
       },
       "qemu", fail, "there is no", "`apt install qemu-system-x86`"},
      {"a QEMU that does not start", nothing,
       [](DoctorFacts& facts) {
         facts.qemus[0].problem = "it died";
         facts.qemus[0].cure = "mend it";
       },
       "qemu", fail, "it died", "mend it"},
      {"other QEMUs", nothing, as_read, "qemu-others", ok, "not installed: riscv64", ""},
      {"no firmware", nothing,
       [](DoctorFacts& facts) {
         facts.qemus[0].firmware.clear();
         facts.qemus[0].no_firmware = "no UEFI firmware for x86_64";
       },
       "firmware", warn, "no UEFI firmware", "`apt install ovmf`"},
      {"no Secure Boot", nothing, [](DoctorFacts& facts) { facts.qemus[0].secure_boot.clear(); },
       "firmware", warn, "none with Secure Boot", "`apt install ovmf`"},
      {"no swtpm", nothing, [](DoctorFacts& facts) { facts.programs["swtpm"].clear(); }, "swtpm",
       warn, "swtpm is not installed", "`apt install swtpm`"},
      {"no qemu-img", nothing, [](DoctorFacts& facts) { facts.programs.clear(); }, "qemu-img", warn,
       "qemu-img is not installed", "`apt install qemu-utils`"},
      {"a user outside the group", nothing,
       [](DoctorFacts& facts) {
         facts.caller.groups = {1000};
         facts.caller.known_groups[1].members.clear();
       },
       "user", warn, "ana is not in the group kvm", "`usermod -aG kvm ana`"},
      {"a directory of others", nothing,
       [](DoctorFacts& facts) { facts.directories.at(1).usable = false; }, "directories", fail,
       "you cannot write to /var/lib/hypervisor", "ls -ld /var/lib/hypervisor"},
      {"the words that tell", nothing, as_read, "command-line", ok,
       "6.1.0-50-amd64 on Debian GNU/Linux 12 (bookworm); intel_iommu=on iommu=pt", ""},
      {"a kernel that complains",
       [](const TempTree& tree) {
         tree.write("/dev/kmsg", "4,5,1,-;kvm: VMX disabled by BIOS\n SUBSYSTEM=x\n");
       },
       as_read, "kernel-log", warn, "kvm: VMX disabled by BIOS", "firmware"},
      {"a log that only root reads", [](const TempTree& tree) { remove(tree, "/dev/kmsg"); },
       as_read, "kernel-log", unknown, "only root may read it", "sudo"},
  };
  check_rows(rows);
}

TEST_CASE("doctor's remedies are of the distribution") {
  struct Case {
    std::string os_release;
    Family family;
    std::string_view parameters, module, group, package, option, memlock;
  };
  const Case cases[] = {
      {"ID=debian\n", Family::debian, "/etc/default/grub", "/etc/modules-load.d", "usermod -aG",
       "`apt install swtpm`", "/etc/modprobe.d", "/etc/security/limits.d"},
      {"ID=ubuntu\nID_LIKE=debian\n", Family::debian, "update-grub", "modprobe", "usermod",
       "`apt install swtpm`", "/etc/modprobe.d", "limits.d"},
      {"ID=nixos\n", Family::nixos, "boot.kernelParams = [ \"intel_iommu=on\" ];",
       "boot.kernelModules = [ \"kvm-intel\" ];", "users.users.ana.extraGroups = [ \"kvm\" ];",
       "environment.systemPackages = [ pkgs.swtpm ];", "boot.extraModprobeConfig",
       "security.pam.loginLimits"},
      {"ID=\"fedora\"\n", Family::other, "in the boot loader", "modprobe kvm_intel", "usermod",
       "install what Debian calls swtpm", "/etc/modprobe.d", "limits.d"},
      {"", Family::other, "boot loader", "modprobe", "usermod", "install", "modprobe.d", "limits"},
  };
  for (const auto& each : cases) {
    CAPTURE(each.os_release);
    const auto it = parse_os_release(each.os_release);
    CHECK(it.family == each.family);
    CHECK(add_parameters(it, "intel_iommu=on").contains(each.parameters));
    CHECK(load_module(it, "kvm_intel").contains(each.module));
    CHECK(join_group(it, "ana", "kvm").contains(each.group));
    CHECK(install(it, {"swtpm", "swtpm"}).contains(each.package));
    CHECK(set_module_option(it, "kvm_intel", "nested=1").contains(each.option));
    CHECK(lift_memlock(it, "kvm").contains(each.memlock));
  }
}

TEST_CASE("doctor knows every recorded host") {
  for (const auto& folder : std::filesystem::directory_iterator(TESTS_DIR "/hosts")) {
    if (!folder.is_directory()) continue;
    CAPTURE(folder.path().string());
    const auto root = hv::Root::open(folder.path().string()).value();
    const auto facts = read_doctor_facts(root, {});
    for (const auto& [check, finding] : examine(facts, host_needs())) {
      CAPTURE(check->id);
      CHECK_FALSE(finding.found.empty());
      if (finding.status == Status::warn || finding.status == Status::fail)
        CHECK_FALSE(finding.remedy.empty());
    }
  }
}

TEST_CASE("doctor's page and its JSON") {
  const hv::commands::Report report{
      .vm = "web",
      .remarks = {{.id = "a", .area = "One", .title = "first", .finding = {ok, "right"}},
                  {.id = "b",
                   .area = "One",
                   .title = "the second",
                   .finding = {fail, "wrong", "do `this and that and more` then"},
                   .origin = {.source = "web.json", .pointer = "/x", .line = 3, .column = 5}},
                  {.id = "c", .area = "Two", .title = "third", .finding = {unknown, "\x1b[2J"}}}};
  CHECK_EQ(report_text(report, Charset::ascii, Colours::none, 44),
           "One\n"
           "  ok   first       right\n"
           "  FAIL the second  web.json:3:5: wrong\n"
           "                   > do\n"
           "                     `this and that and more`\n"
           "                     then\n"
           "\n"
           "Two\n"
           "  ?    third       \\x1b[2J\n"
           "\n"
           "web: 1 failed, 1 right, 1 cannot be known from here\n");
  const auto coloured = report_text(report, Charset::utf8, Colours::ansi, 80);
  CHECK(coloured.contains("\033[31m✗\033[0m the second  web.json:3:5: wrong\n"));
  CHECK(coloured.contains("→ do `this and that and more` then\n"));
  CHECK_EQ(boost::json::serialize(report_as_json(report)),
           R"({"vm":"web","fail":1,"warn":0,"unknown":1,"checks":[)"
           R"({"id":"a","area":"One","title":"first","status":"ok","found":"right"},)"
           R"({"id":"b","area":"One","title":"the second","status":"fail","found":"wrong",)"
           R"("remedy":"do `this and that and more` then","file":"web.json","line":3,"column":5,)"
           R"("pointer":"/x"},)"
           R"({"id":"c","area":"Two","title":"third","status":"unknown","found":"\u001b[2J"}]})");
}
