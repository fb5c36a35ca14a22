# SPDX-License-Identifier: MIT
"""Functions taken from real drivers by hand, and given back exactly."""
import unittest

import machine
from hostcase import HostCase

DEVICES = "/sys/bus/pci/devices"
JOURNALS = "/run/hvlaunch/.vfio"
# hvlaunch's own directory, which the first command makes.
IGNORED = ["^/run/hvlaunch$"]


class ByHand(HostCase):
    def test_gives_a_nic_back_to_its_driver(self):
        self.assert_comes_back(machine.NIC, "e1000e")

    def test_gives_a_function_back_that_had_no_driver(self):
        self.assert_comes_back(machine.PLAIN, None)

    def test_gives_a_disk_back(self):
        address = self.host.plug_nvme()
        self.assert_comes_back(address, "nvme")

    def test_gives_a_virtual_function_back(self):
        self.host.write(f"{DEVICES}/{machine.SRIOV}/sriov_numvfs", "2")
        self.host.run(["udevadm", "settle"])
        [(_, target)] = self.host.survey(f"{DEVICES}/{machine.SRIOV}/virtfn1").values()
        address = target.rsplit("/", 1)[1]
        self.assert_comes_back(address, self.host.driver(address))

    def test_keeps_an_override_that_was_there(self):
        for text in ("e1000e", "vfio-pci", "something else"):
            self.host.write(f"{DEVICES}/{machine.NIC}/driver_override", text)
            self.assert_comes_back(machine.NIC, "e1000e")
            self.assertEqual(self.host.read(f"{DEVICES}/{machine.NIC}/driver_override"), text)

    def assert_comes_back(self, address, driver):
        before = self.host.snapshot()
        self.hv("vfio", "bind", address)
        self.assertEqual(self.host.driver(address), "vfio-pci")
        self.assertTrue(self.host.survey(f"/dev/vfio/{self.host.group(address)}"))
        # Twice is once, and no cleanup of a guest takes it back.
        self.hv("vfio", "bind", address)
        self.hv("recover")
        self.assertEqual(self.host.driver(address), "vfio-pci")
        self.hv("vfio", "unbind", address)
        self.assertEqual(self.host.driver(address), driver)
        self.assert_unchanged(before, ignore=IGNORED)
        self.assertIn("[not-bound-by-hand]", self.hv("vfio", "unbind", address, exit=5).err)

    def test_refuses_half_a_group_and_takes_all_of_it(self):
        before = self.host.snapshot()
        one, other = machine.DUAL
        refused = self.hv("vfio", "bind", one, exit=6).err
        self.assertIn("[incomplete-group]", refused)
        self.assertIn(other, refused)
        self.assert_unchanged(before, ignore=IGNORED)
        self.hv("vfio", "bind", "--siblings", one)
        self.assertEqual((self.host.driver(one), self.host.driver(other)), ("vfio-pci", None))
        self.hv("vfio", "unbind", one)
        self.assert_unchanged(before, ignore=IGNORED)
        self.hv("vfio", "bind", one, other)
        self.assertEqual((self.host.driver(one), self.host.driver(other)), ("vfio-pci", "vfio-pci"))
        self.hv("vfio", "unbind", one, other)
        self.assert_unchanged(before, ignore=IGNORED)


class Refusals(HostCase):
    def test_says_what_is_wrong_and_changes_nothing(self):
        before = self.host.snapshot()
        rows = [(["0000:44:00.0"], 6, "no-device-here"), (["44:00"], 2, "bad-pci-address"), ([], 2, "usage"),
                (["--driver", "../x", machine.NIC], 6, "no-vfio-driver"),
                # The kernel would crash in it.
                (["--driver", "e1000e", machine.PLAIN], 6, "no-vfio-driver"),
                (["--driver", "mlx5_vfio_pci", machine.NIC], 6, "no-vfio-driver"),
                # All or none.
                ([machine.NIC, machine.DUAL[0]], 6, "incomplete-group")]
        for words, status, error in rows:
            with self.subTest(words=words):
                self.assertIn(f"[{error}]", self.hv("vfio", "bind", *words, exit=status).err)
                self.assert_unchanged(before, ignore=IGNORED)

    def test_says_that_sysfs_is_read_only(self):
        before = self.host.snapshot()
        self.host.run("mount -o remount,bind,ro /sys", check=True)
        self.assertIn("[read-only-sysfs]", self.hv("vfio", "bind", machine.NIC, exit=7).err)
        self.host.run("mount -o remount,bind,rw /sys", check=True)
        self.assert_unchanged(before, ignore=IGNORED)

    def test_says_that_only_root_may(self):
        self.host.run("mkdir -m 700 /tmp/user && chown 65534:65534 /tmp/user", check=True)
        before = self.host.snapshot()
        done = self.host.run("HOME=/tmp/user XDG_RUNTIME_DIR=/tmp/user setpriv --reuid=65534 --regid=65534 "
                             f"--clear-groups hvlaunch vfio bind {machine.NIC}")
        self.assertEqual((done.status, "only root" in done.err), (7, True), done.err)
        self.assert_unchanged(before, ignore=IGNORED)

    def test_does_not_wait_for_a_program_that_has_the_device(self):
        before = self.host.snapshot()
        self.hv("vfio", "bind", machine.NIC)
        group = f"/dev/vfio/{self.host.group(machine.NIC)}"
        user = self.host.begin(f"exec 3<>{group}; echo open >/run/opened; exec sleep 1000", timeout=1000)
        self.wait_for_text("/run/opened", "open")
        self.assertIn("[function-in-use]", self.hv("vfio", "unbind", machine.NIC, exit=5, timeout=20).err)
        self.assertEqual(self.host.driver(machine.NIC), "vfio-pci")
        user.kill()
        user.wait()
        self.host.run(["rm", "/run/opened"], check=True)
        self.hv("vfio", "unbind", machine.NIC)
        self.assert_unchanged(before, ignore=IGNORED)

    def test_forgets_a_device_that_was_pulled_out(self):
        address = self.host.plug_nvme()
        self.hv("vfio", "bind", address)
        self.host.unplug("slot1")
        self.host.run(f"until [ ! -e {DEVICES}/{address} ]; do busybox usleep 50000; done", check=True)
        self.hv("vfio", "unbind", address)
        self.assertEqual(self.host.survey(f"{JOURNALS}*"), {})


if __name__ == "__main__":
    unittest.main()
