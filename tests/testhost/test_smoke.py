# SPDX-License-Identifier: MIT
"""The test host is what machine.py says, and real enough for what comes after."""
import errno
import unittest

import machine
import boot
from hostcase import HostCase
from qemu_process import QmpError

# What a guest reads from the first register of an e1000e and of an xHCI.
E1000E = "8086:10d3 class=020000 bar0="
E1000E_CONTROL = "reads=00140241"
XHCI = "1b36:000d class=0c0330 bar0="
XHCI_CAPABILITIES = "reads=01000040"


class Devices(HostCase):
    def test_has_the_devices_where_they_are_said_to_be(self):
        drivers = {machine.NIC: "e1000e", machine.DUAL[0]: "e1000e", machine.DUAL[1]: "e1000e", machine.GPU[0]: None,
                   machine.GPU[1]: None, machine.PLAIN: None, machine.NET: "virtio-pci", machine.SRIOV: "igb",
                   machine.BRIDGED_DISK: "virtio-pci", machine.BRIDGED_NIC: None, machine.FAR: "e1000e"}
        self.assertEqual({address: self.host.driver(address) for address in drivers}, drivers)

    def test_groups_functions_and_what_is_behind_a_bridge(self):
        group = self.host.group
        self.assertEqual(group(machine.DUAL[0]), group(machine.DUAL[1]))
        self.assertEqual(group(machine.GPU[0]), group(machine.GPU[1]))
        bridged = {group(address) for address in (machine.BRIDGE, machine.BRIDGED_DISK, machine.BRIDGED_NIC)}
        self.assertEqual(len(bridged), 1)
        alone = [group(address) for address in (machine.NIC, machine.PLAIN, machine.NET, machine.SRIOV, machine.FAR)]
        self.assertNotIn(None, alone)
        self.assertEqual(len({*alone, group(machine.DUAL[0]), group(machine.GPU[0]), *bridged}), 8)

    def test_has_two_nodes_with_huge_pages_and_a_device_near_the_second(self):
        self.assertEqual(self.host.read(f"/sys/bus/pci/devices/{machine.FAR}/numa_node"), "1")
        self.assertEqual(self.host.read(f"/sys/bus/pci/devices/{machine.NIC}/numa_node"), "-1")
        for node, cpus in enumerate(("0-1", "2-3")):
            place = f"/sys/devices/system/node/node{node}"
            self.assertEqual(self.host.read(f"{place}/cpulist"), cpus)
            self.assertEqual(self.host.read(f"{place}/hugepages/hugepages-1048576kB/free_hugepages"), "1")
            self.host.write(f"{place}/hugepages/hugepages-2048kB/nr_hugepages", "128")
            self.assertEqual(self.host.read(f"{place}/hugepages/hugepages-2048kB/free_hugepages"), "128")

    def test_makes_virtual_functions(self):
        self.host.write(f"/sys/bus/pci/devices/{machine.SRIOV}/sriov_numvfs", "2")
        functions = self.host.survey(f"/sys/bus/pci/devices/{machine.SRIOV}/virtfn*")
        groups = {self.host.group(target.rsplit("/", 1)[1]) for _, target in functions.values()}
        self.assertEqual(len(groups - {None}), 2)

    def test_takes_an_nvme(self):
        address = self.host.plug_nvme()
        self.assertEqual(self.host.driver(address), "nvme")
        self.assert_holds_files("/dev/nvme0n1")

    def test_has_a_disk_behind_the_bridge(self):
        [disk] = self.host.survey(f"/sys/bus/pci/devices/{machine.BRIDGED_DISK}/virtio*/block/*")
        self.assert_holds_files("/dev/" + disk.rsplit("/", 1)[1])

    def assert_holds_files(self, disk):
        self.host.run(f"mkfs.ext4 -q {disk} && mount {disk} /mnt && echo text >/mnt/file && umount /mnt", check=True)
        done = self.host.run(f"mount {disk} /mnt && cat /mnt/file", check=True)
        self.assertEqual(done.out, "text\n")

    def test_has_systemd_and_cgroups(self):
        units = self.host.run(["systemctl", "is-system-running"])
        self.assertEqual(units.out, "running\n")
        done = self.host.run("systemd-run --wait --pipe -q -p AllowedCPUs=2 grep Cpus_allowed_list /proc/self/status",
                             check=True)
        self.assertEqual(done.out.split(), ["Cpus_allowed_list:", "2"])


class Agent(HostCase):
    def test_tells_how_a_command_ended(self):
        done = self.host.run("echo out; echo err >&2; exit 3")
        self.assertEqual((done.status, done.out, done.err), (3, "out\n", "err\n"))
        self.assertEqual(self.host.run("kill -9 $$").status, "signal-9")
        self.assertEqual(self.host.run("sleep 100", timeout=1).status, "timeout")
        self.assertEqual(self.host.run(["cat"], stdin="text").out, "text")

    def test_does_several_things_at_once(self):
        waits = self.host.begin("sleep 1000", timeout=1000)
        self.assertEqual(self.host.run(["echo", "meanwhile"]).out, "meanwhile\n")
        waits.kill()
        self.assertEqual(waits.wait().status, "signal-9")

    def test_carries_files_whole(self):
        data = bytes(range(256)) * 40000
        self.host.write("/tmp/data", data, mode=0o640)
        self.assertEqual(self.host.read_bytes("/tmp/data"), data)
        self.assertEqual(self.host.run(["stat", "-c", "%a %s", "/tmp/data"]).out, f"640 {len(data)}\n")

    def test_says_why_the_kernel_takes_no_value(self):
        with self.assertRaises(OSError) as refused:
            self.host.write("/sys/bus/pci/drivers/e1000e/unbind", "0000:44:00.0")
        self.assertEqual(refused.exception.errno, errno.ENODEV)
        with self.assertRaises(FileNotFoundError):
            self.host.read("/sys/absent")

    def test_has_a_host_of_its_own_each_time(self):
        self.host.write("/tmp/mine", "text")
        with boot.fresh_host() as other:
            with self.assertRaises(FileNotFoundError):
                other.read("/tmp/mine")
            other.write("/tmp/mine", "other")
        self.assertEqual(self.host.read("/tmp/mine"), "text")


class Faults(HostCase):
    tries = 0

    def test_tries_again_in_a_new_host_when_one_breaks(self):
        Faults.tries += 1
        if Faults.tries == 1:
            self.host.qemu.process.kill()
        self.assertEqual(self.host.run(["echo", "alive"]).out, "alive\n")
        self.assertEqual(Faults.tries, 2)

    def test_says_what_the_monitor_refuses(self):
        with self.assertRaisesRegex(QmpError, "device_add: .*no-such"):
            self.host.qemu.qmp("device_add", driver="no-such")


class Snapshots(HostCase):
    def test_shows_each_change_and_none_that_was_taken_back(self):
        before = self.host.snapshot()
        pages = "/sys/devices/system/node/node1/hugepages/hugepages-2048kB/nr_hugepages"
        self.host.write(pages, "16")
        self.host.run("mkdir -p /run/hvlaunch/web; echo x >/run/hvlaunch/web/journal; ip tuntap add hvtap mode tap; "
                      "echo 2-3 >/proc/irq/8/smp_affinity_list; mkdir /sys/fs/cgroup/web", check=True)
        sleeper = self.host.begin(["chrt", "-f", "10", "taskset", "-c", "1", "sleep", "1000"], timeout=1000)
        self.host.run("until pgrep -x sleep; do :; done", check=True)
        said = "\n".join(before.difference(self.host.snapshot()))
        for part in ("changed: nr 2048 kB pages of node 1: '0', now '16'", "changed: free 2048 kB pages of node 1",
                     "new: /run/hvlaunch/web/journal: '0644 0:0 2: x", "flags of link hvtap",
                     "changed: interrupt rtc0: 'CPUs 0-1', now 'CPUs 2-3'", "new: /sys/fs/cgroup/web/",
                     "new: process sleep: 'CPUs 1 nodes 0-1 fifo 10 nice 0'"):
            self.assertIn(part, said)
        sleeper.kill()
        sleeper.wait()
        self.host.write(pages, "0")
        self.host.run("rm -r /run/hvlaunch; ip link del hvtap; echo 0-1 >/proc/irq/8/smp_affinity_list; "
                      "rmdir /sys/fs/cgroup/web", check=True)
        self.assert_unchanged(before)


class Passing(HostCase):
    def test_gives_a_nic_to_a_guest_and_takes_it_back(self):
        self.assert_passes(machine.NIC, E1000E, E1000E_CONTROL, "e1000e")

    def test_gives_a_function_without_a_driver(self):
        self.assert_passes(machine.PLAIN, XHCI, XHCI_CAPABILITIES, None)

    def assert_passes(self, address, what, reads, driver):
        before = self.host.snapshot()
        self.bind(address, "vfio-pci")
        self.assertEqual(self.host.driver(address), "vfio-pci")
        said = self.plain_guest("-device", "pcie-root-port,id=rp0,chassis=1",
                                "-device", f"vfio-pci,host={address},bus=rp0")
        self.assertIn("hypervisor=KVMKVMKVM", said)
        [line] = [line for line in said.splitlines() if what in line]
        self.assertIn(reads, line)
        self.bind(address, "")
        self.assertEqual(self.host.driver(address), driver)
        self.assert_unchanged(before)

    def test_gives_it_through_iommufd(self):
        if not self.host.survey("/dev/iommu"):
            self.skipTest("missing: IOMMUFD in the test host's kernel: HV_TESTHOST_KERNEL, tests/testhost/build-kernel")
        self.bind(machine.NIC, "vfio-pci")
        self.assertEqual([kind for kind, _ in self.host.survey("/dev/vfio/devices/vfio*").values()], ["s"])
        said = self.plain_guest("-object", "iommufd,id=iommufd0", "-device", "pcie-root-port,id=rp0,chassis=1",
                                "-device", f"vfio-pci,host={machine.NIC},bus=rp0,iommufd=iommufd0",
                                qemu=self.host.newer_qemu())
        self.assertRegex(said, f"{E1000E}.*{E1000E_CONTROL}")


class Launching(HostCase):
    def test_runs_a_guest_under_kvm(self):
        self.profile("demo", cpus=2, cmdline="one two")
        before = self.host.snapshot()
        self.assertIn("kvm", self.hv("start", "demo").err)
        said = self.guest_says("demo")
        self.assertIn("hypervisor=KVMKVMKVM", said)
        self.assertIn("one two", said)
        self.assertIn("demo: running", self.hv("status", "demo").out)
        self.hv("stop", "demo")
        self.assertIn("demo: stopped", self.hv("status", "demo").out)
        # What it knows of QEMU and of the VM stays.
        self.assert_unchanged(before, ignore=["^/var/lib/hypervisor/", "^/run/hvlaunch$"])


if __name__ == "__main__":
    unittest.main()
