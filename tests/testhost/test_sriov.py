# SPDX-License-Identifier: MIT
"""Virtual functions and mediated devices: made for guests, and gone with them."""
import unittest

import machine
from hostcase import HostCase

CARD = f"/sys/bus/pci/devices/{machine.SRIOV}"
IGBVF = "8086:10ca class=020000"
MACS = ("52:54:00:12:34:56", "52:54:00:12:34:57")
# What hvlaunch knows of QEMU and of the VMs stays, and so does a module that udev loads for virtual functions.
IGNORED = ["^/var/lib/hypervisor/", "^/run/hvlaunch$", "^/sys/bus/pci/drivers/igbvf"]
# Below the tiny guest's QEMU, a mediated device of mtty is a serial port of this kind.
MTTY = "4348:3253"


class VirtualFunctions(HostCase):
    def virtual_functions(self):
        """Their addresses, by index."""
        links = self.host.survey(f"{CARD}/virtfn*")
        return [links[path][1].rsplit("/", 1)[1] for path in sorted(links)]

    def macs(self):
        [interface] = self.host.survey(f"{CARD}/net/*")
        shown = self.host.run(["ip", "link", "show", "dev", interface.rsplit("/", 1)[1]], check=True).out
        return [line.split("ether ")[1].split()[0] for line in shown.splitlines() if line.strip().startswith("vf ")]

    def vf_profile(self, name, **vf):
        self.profile(name, hostdevs=[{"address": machine.SRIOV, "vf": vf}])

    def test_makes_one_with_its_mac_for_a_guest(self):
        before = self.host.snapshot()
        self.vf_profile("web", count=2, mac=MACS[0], vlan=7)
        self.hv("start", "web")
        self.assertIn(IGBVF, self.guest_says("web"))
        first, second = self.virtual_functions()
        self.assertEqual((self.host.driver(first), self.host.driver(second)), ("vfio-pci", None))
        self.assertEqual(self.macs()[0], MACS[0])
        self.hv("stop", "web")
        self.assertEqual(self.virtual_functions(), [])
        self.assert_unchanged(before, ignore=IGNORED)

    def test_gives_two_guests_one_each(self):
        before = self.host.snapshot()
        for name, mac in zip(("one", "two"), MACS):
            self.vf_profile(name, count=2, mac=mac)
            self.hv("start", name)
        functions = self.virtual_functions()
        self.assertEqual([self.host.driver(address) for address in functions], ["vfio-pci", "vfio-pci"])
        self.assertEqual(tuple(self.macs()), MACS)
        self.vf_profile("three", count=2)
        self.assertIn("[no-free-vf]", self.hv("start", "three", exit=5).err)
        # They are there for as long as one of the two guests is, whichever.
        self.hv("stop", "one")
        self.assertEqual(self.virtual_functions(), functions)
        self.assertEqual(self.host.driver(functions[0]), None)
        self.hv("stop", "two")
        self.assertEqual(self.virtual_functions(), [])
        self.assert_unchanged(before, ignore=IGNORED)

    def test_gives_guests_that_start_at_once_one_each(self):
        before = self.host.snapshot()
        names = ("one", "two", "three")
        for name in names:
            self.vf_profile(name, count=3)
        starts = [self.host.begin(["hvlaunch", "start", name], timeout=180) for name in names]
        for start in starts:
            done = start.wait()
            self.assertEqual(done.status, 0, done.err)
        self.assertEqual([self.host.driver(address) for address in self.virtual_functions()], ["vfio-pci"] * 3)
        for name in names:
            self.hv("stop", name)
        self.assertEqual(self.virtual_functions(), [])
        self.assert_unchanged(before, ignore=IGNORED)

    def test_leaves_those_that_were_there_as_they_were(self):
        self.host.write(f"{CARD}/sriov_numvfs", "3")
        self.host.run(["udevadm", "settle"])
        macs = self.macs()
        before = self.host.snapshot()
        self.vf_profile("web", mac=MACS[0])
        self.hv("start", "web")
        self.assertIn(MACS[0], self.macs())
        self.hv("stop", "web")
        self.assertEqual((len(self.virtual_functions()), self.macs()), (3, macs))
        self.assert_unchanged(before, ignore=IGNORED)

    def test_destroys_them_after_a_crash(self):
        before = self.host.snapshot()
        self.vf_profile("web", count=1, mac=MACS[0])
        self.hv("start", "web")
        self.host.run("pkill -KILL -f '[h]vlaunch watch'; pkill -KILL qemu-system", check=True)
        self.host.run("until ! pgrep qemu-system; do busybox usleep 50000; done", check=True)
        self.hv("recover")
        self.assertEqual(self.virtual_functions(), [])
        self.assert_unchanged(before, ignore=IGNORED)


class MediatedDevices(HostCase):
    def test_makes_one_for_a_guest(self):
        """mtty's devices are no PCI functions, and a profile names PCI functions: in this host one
        of its names is that of such a device."""
        if not self.host.survey("/sys/class/mdev_bus/mtty"):
            self.skipTest("missing: mtty in the test host's kernel: HV_TESTHOST_KERNEL, tests/testhost/build-kernel")
        self.host.run("mount -t tmpfs none /sys/class/mdev_bus && "
                      f"ln -s /sys/devices/virtual/mtty/mtty /sys/class/mdev_bus/{machine.PLAIN}", check=True)
        before = self.host.snapshot()
        self.profile("web", hostdevs=[{"address": machine.PLAIN, "mdev": "mtty-2"}])
        self.hv("start", "web")
        self.assertIn(MTTY, self.guest_says("web"))
        self.assertEqual(len(self.host.survey("/sys/bus/mdev/devices/*")), 1)
        self.hv("stop", "web")
        self.assertEqual(self.host.survey("/sys/bus/mdev/devices/*"), {})
        self.assert_unchanged(before, ignore=IGNORED)


if __name__ == "__main__":
    unittest.main()
