// SPDX-License-Identifier: MIT
//
// A host on which nothing is wrong, for tests of `doctor` to break.
#pragma once

#include "launcher/host/doctor.h"
#include "tests/host_cpus.h"
#include "tests/pci_tree.h"

inline void write_right_host(const TempTree& tree) {
  tree.write("/etc/os-release", "ID=debian\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\n");
  tree.write("/etc/passwd", "root:x:0:0::/root:/bin/sh\nana:x:1000:1000:Ana:/home/ana:/bin/sh\n");
  tree.write("/etc/group", "root:x:0:\nkvm:x:104:ana\nana:x:1000:\n");
  tree.write("/proc/self/status",
             "Name:\thvlaunch\nUid:\t1000\t1000\t1000\t1000\nGid:\t1000\t1000\t1000\t1000\n"
             "Groups:\t104 1000 \nCapEff:\t0000000000000000\n");
  tree.write("/proc/self/limits",
             "Limit                     Soft Limit           Hard Limit           Units     \n"
             "Max locked memory         8388608              unlimited            bytes     \n");
  tree.write("/proc/cpuinfo",
             "processor\t: 0\nvendor_id\t: GenuineIntel\nflags\t\t: fpu pdpe1gb vmx ept\n");
  tree.write("/proc/meminfo", "MemTotal: 33554432 kB\nHugepagesize: 2048 kB\n");
  tree.write("/proc/cmdline", "BOOT_IMAGE=/vmlinuz root=/dev/sda1 intel_iommu=on iommu=pt quiet\n");
  tree.write("/proc/sys/kernel/osrelease", "6.1.0-50-amd64\n");
  tree.write("/proc/interrupts", " 24: 0 IR-PCI-MSI 327680-edge xhci_hcd\n");
  tree.write("/lib/modules/6.1.0-50-amd64/modules.dep",
             "kernel/drivers/vfio/pci/vfio-pci.ko.xz: kernel/drivers/vfio/vfio.ko.xz\n"
             "kernel/arch/x86/kvm/kvm-intel.ko: kernel/arch/x86/kvm/kvm.ko\n"
             "kernel/drivers/vhost/vhost_net.ko:\n");
  tree.write("/lib/modules/6.1.0-50-amd64/modules.builtin", "kernel/drivers/net/tun.ko\n");
  tree.write("/sys/module/kvm_intel/parameters/nested", "Y\n");
  tree.write("/sys/module/vfio_pci/refcnt", "0\n");
  tree.write("/sys/firmware/acpi/tables/DMAR", "");
  tree.write("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", "0\n");
  tree.write("/sys/kernel/mm/hugepages/hugepages-1048576kB/free_hugepages", "0\n");
  tree.write("/sys/class/net/br0/bridge/bridge_id", "x\n");
  for (const auto* const node :
       {"/dev/kvm", "/dev/net/tun", "/dev/vhost-net", "/dev/vfio/vfio", "/dev/vfio/14"})
    tree.write(node, "", 0666);
  tree.write("/dev/kmsg", "6,339,5140900,-;DMAR: IOMMU enabled\n");
  tree.write("/var/lib/hypervisor/x", "");
  write_cpus(tree,
             "group package=0 die=0 node=0 cores=0-3 threads=0-3 l2=1024 l3=32768\n"
             "node 0 memory=32768 free=16384 distances=10 2048kB=64/60/0 1048576kB=2/1/0\n");
  make_pci_tree(tree,
                "root pci0000:00\n"
                "  00:01.0 0604 8086:a70d driver=pcieport group=1\n"
                "    01:00.0 0300 10de:1e84 driver=nouveau group=14 reset=bus\n"
                "    01:00.1 0403 10de:10f8 driver=snd_hda_intel group=14 reset=bus\n"
                "  00:19.0 0200 8086:1a1c driver=e1000e group=10 reset=flr\n");
}

/// What a tree cannot show: a device that answers, and programs.
inline void make_right(hv::host::DoctorFacts& facts) {
  facts.host.architecture = "x86_64";
  if (facts.dev_kvm.there) facts.host.kvm = {.usable = true};
  facts.qemus = {{.architecture = "x86_64",
                  .path = "/usr/bin/qemu-system-x86_64",
                  .version = "7.2.22 (Debian)",
                  .kvm = true,
                  .installed = true,
                  .firmware = "/usr/share/qemu/firmware/60-edk2-x86_64.json",
                  .secure_boot = "/usr/share/qemu/firmware/50-edk2-x86_64-secure.json"},
                 {.architecture = "riscv64", .problem = "there is no 'qemu-system-riscv64'"}};
  for (const auto* const name : {"qemu-img", "xorriso", "swtpm", "modprobe"})
    facts.programs[name] = std::string("/usr/bin/") + name;
}

inline hv::host::DoctorFacts read_host(const TempTree& tree) {
  const hv::Paths paths{.profiles = {"/var/lib/hypervisor/vm-profiles"},
                        .config = "/etc/hypervisor",
                        .state = "/var/lib/hypervisor",
                        .runtime = "/run/hvlaunch",
                        .cache = "/var/cache/hvlaunch",
                        .firmware_config = ""};
  auto facts = hv::host::read_doctor_facts(tree.root(), paths);
  make_right(facts);
  return facts;
}
