# SPDX-License-Identifier: MIT
"""Devices of the host that a guest gets by its profile, and what is refused."""
import unittest

import machine
from hostcase import HostCase
from test_smoke import E1000E, E1000E_CONTROL, XHCI, XHCI_CAPABILITIES

DEVICES = "/sys/bus/pci/devices"
NVME = "1b36:0010 class=010802 bar0="
# What hvlaunch knows of QEMU and of the VM, and its own directory with the locks of
# those who start at the same time, which must not go while another may wait for one.
KEPT = ["^/var/lib/hypervisor/", "^/run/hvlaunch$"]


class Passing(HostCase):
    def test_gives_a_nic_and_a_disk_that_was_plugged_in(self):
        disk = self.host.plug_nvme()
        self.profile("web", hostdevs=[machine.NIC, {"address": disk, "id": "1b36:0010"}])
        before = self.host.snapshot()
        said = self.assert_starts("web", {machine.NIC: "vfio-pci", disk: "vfio-pci"})
        self.assertRegex(said, f"{E1000E}.*{E1000E_CONTROL}")
        self.assertRegex(said, f"{NVME}[0-9a-f]* reads=")
        self.hv("stop", "--force", "web")
        self.assertEqual((self.host.driver(machine.NIC), self.host.driver(disk)), ("e1000e", "nvme"))
        self.assert_unchanged(before, ignore=KEPT)

    def test_gives_all_functions_of_a_card_as_one_card(self):
        self.profile("web", hostdevs=[{"address": machine.DUAL[0], "all_functions": True},
                                      {"id": "1b36:000d"}])
        before = self.host.snapshot()
        said = self.assert_starts("web", {machine.DUAL[0]: "vfio-pci", machine.DUAL[1]: "vfio-pci",
                                          machine.PLAIN: "vfio-pci"})
        nics = [line.split()[2] for line in said.splitlines() if E1000E in line and E1000E_CONTROL in line]
        self.assertEqual([nic.split(".")[1] for nic in nics], ["0", "1"])
        self.assertEqual(nics[0].split(".")[0], nics[1].split(".")[0])
        self.assertRegex(said, f"{XHCI}.*{XHCI_CAPABILITIES}")
        self.hv("stop", "web")
        # One of them had no driver.
        self.assertIsNone(self.host.driver(machine.PLAIN))
        self.assert_unchanged(before, ignore=KEPT)

    def test_keeps_an_override_and_a_device_bound_by_hand(self):
        self.host.write(f"{DEVICES}/{machine.NIC}/driver_override", "something else")
        self.hv("vfio", "bind", machine.FAR)
        self.profile("web", hostdevs=[machine.NIC, machine.FAR])
        before = self.host.snapshot()
        self.assert_starts("web", {machine.NIC: "vfio-pci", machine.FAR: "vfio-pci"})
        self.hv("stop", "web")
        self.assertEqual(self.host.driver(machine.FAR), "vfio-pci")
        self.assert_unchanged(before, ignore=KEPT)

    def assert_starts(self, name, drivers):
        """The guest's console; the functions have these drivers."""
        self.hv("start", name)
        self.assertEqual({address: self.host.driver(address) for address in drivers}, drivers)
        return self.guest_says(name)


class Siblings(HostCase):
    def test_refuses_a_group_that_the_host_uses_and_takes_one_that_it_does_not(self):
        wish = {"address": machine.BRIDGED_NIC}
        [disk] = self.host.survey(f"{DEVICES}/{machine.BRIDGED_DISK}/virtio*/block/*")
        disk = "/dev/" + disk.rsplit("/", 1)[1]
        # Without the kernel's thread that initializes it later, and lives on for a while.
        quiet = "noinit_itable,no_prefetch_block_bitmaps"
        self.host.run(f"mkfs.ext4 -q {disk} && mount -o {quiet} {disk} /mnt", check=True)
        self.profile("web", hostdevs=[wish])
        self.profile("all", hostdevs=[{**wish, "siblings": "bind"}])
        before = self.host.snapshot()
        refused = self.hv("start", "web", exit=6).err
        self.assertIn("[incomplete-group]", refused)
        self.assertIn(machine.BRIDGED_DISK, refused)
        used = self.hv("start", "all", exit=6).err
        self.assertIn(machine.BRIDGED_DISK, used)
        self.assertIn("/mnt", used)
        self.assert_unchanged(before, ignore=KEPT)

        self.host.run("umount /mnt", check=True)
        before = self.host.snapshot()
        self.hv("start", "web", exit=6)
        self.hv("start", "all")
        self.assertEqual((self.host.driver(machine.BRIDGED_NIC), self.host.driver(machine.BRIDGED_DISK)),
                         ("vfio-pci", None))
        self.assertIn("8086:100e", self.guest_says("all"))
        self.hv("stop", "all")
        self.assertEqual(self.host.driver(machine.BRIDGED_DISK), "virtio-pci")
        self.assert_unchanged(before, ignore=KEPT)


class Claims(HostCase):
    def test_gives_a_device_to_one_guest_at_a_time(self):
        before = self.host.snapshot()
        self.profile("one", hostdevs=[machine.NIC])
        self.profile("two", hostdevs=[machine.FAR, machine.NIC])
        self.hv("start", "one")
        refused = self.hv("start", "two", exit=5).err
        self.assertIn("[claimed]", refused)
        self.assertIn("'one' has " + machine.NIC, refused)
        self.assertEqual((self.host.driver(machine.NIC), self.host.driver(machine.FAR)), ("vfio-pci", "e1000e"))
        self.assertIn("one: running", self.hv("status", "one").out)
        self.hv("stop", "--force", "one")
        self.hv("start", "two")
        self.assertRegex(self.guest_says("two"), E1000E)
        self.hv("stop", "two")
        self.assert_unchanged(before, ignore=KEPT)

    def test_gives_it_to_one_of_two_that_ask_at_once(self):
        names = ("one", "two")
        for name in names:
            self.profile(name, hostdevs=[machine.NIC])
        before = self.host.snapshot()
        starts = [self.host.begin(["hvlaunch", "start", name], timeout=90) for name in names]
        ends = [start.wait() for start in starts]
        self.assertEqual(sorted(end.status for end in ends), [0, 5], "\n".join(map(str, ends)))
        winner = next(name for name, end in zip(names, ends) if end.ok)
        self.assertIn(f"'{winner}'", next(end.err for end in ends if not end.ok))
        self.hv("stop", "--force", winner)
        self.assert_unchanged(before, ignore=KEPT)


class Refusals(HostCase):
    def test_says_what_is_wrong_and_changes_nothing(self):
        rows = [([{"address": "0000:44:00.0"}], 6, "no-device-here"), ([{"id": "dead:beef"}], 6, "no-device-here"),
                ([{"address": machine.NIC, "id": "dead:beef"}], 6, "no-device-here"),
                ([{"id": "8086:10d3"}], 6, "ambiguous-device"), ([machine.DUAL[0]], 6, "incomplete-group"),
                ([machine.NIC, machine.NIC], 3, "conflict"),
                ([{"address": machine.NIC, "driver": "nothing-vfio-pci"}], 6, "no-vfio-driver"),
                ([{"address": machine.NIC, "driver": "e1000e"}], 6, "no-vfio-driver")]
        before = self.host.snapshot()
        for number, (devices, status, error) in enumerate(rows):
            with self.subTest(devices=devices):
                self.profile("web", hostdevs=devices)
                refused = self.hv("start", "web", exit=status).err
                self.assertIn(f"[{error}]", refused)
                self.assertIn("is in the list already" if status == 3 else "hint:", refused)
                self.assert_unchanged(before, ignore=KEPT)

    def test_says_that_sysfs_is_read_only(self):
        self.profile("web", hostdevs=[machine.NIC])
        before = self.host.snapshot()
        self.host.run("mount -o remount,bind,ro /sys", check=True)
        refused = self.hv("start", "web", exit=7).err
        self.host.run("mount -o remount,bind,rw /sys", check=True)
        self.assertIn("[read-only-sysfs]", refused)
        self.assertIn("hint:", refused)
        self.assert_unchanged(before, ignore=KEPT)

    def test_says_that_only_root_may(self):
        self.become_user()
        self.user_profile(hostdevs=[machine.NIC])
        before = self.host.snapshot()
        refused = self.as_user("hvlaunch start web")
        self.assertEqual((refused.status, "only root" in refused.err), (7, True), refused)
        self.assert_unchanged(before, ignore=["/tester", "/run/user"])

    def test_says_that_the_user_may_not_lock_memory(self):
        self.become_user()
        self.user_profile(hostdevs=[machine.NIC])
        self.hv("vfio", "bind", machine.NIC)
        self.host.run("chown -R tester /dev/vfio; [ ! -e /dev/iommu ] || chown tester /dev/iommu", check=True)
        before = self.host.snapshot()
        refused = self.as_user("hvlaunch start web")
        self.assertEqual((refused.status, "[memlock-limit]" in refused.err), (7, True), refused)
        self.assertIn("hint:", refused.err)
        self.assert_unchanged(before, ignore=["/tester", "/run/user"])
        # With the limit that the hint names, the device needs no root.
        started = self.as_user("hvlaunch start web", limits="prlimit --memlock=unlimited")
        self.assertEqual(started.status, 0, started)
        self.wait_for_text("/run/user/1000/hvlaunch/web/console.log", E1000E)
        self.assertEqual(self.as_user("hvlaunch stop web").status, 0)
        self.assert_unchanged(before, ignore=["/tester", "/run/user"])

    def become_user(self):
        self.host.run("mkdir -p -m 700 /run/user/1000 /tmp/tester && chown 1000:1000 /run/user/1000 /tmp/tester",
                      check=True)

    def user_profile(self, **fields):
        self.profile("web", **fields)
        self.host.run("mkdir -p /tmp/tester/.config/hvlaunch/vm-profiles && "
                      "cp /var/lib/hypervisor/vm-profiles/web.json /tmp/tester/.config/hvlaunch/vm-profiles && "
                      "chown -R 1000:1000 /tmp/tester", check=True)

    def as_user(self, command, limits=""):
        return self.host.run(f"cd /tmp/tester; HOME=/tmp/tester XDG_RUNTIME_DIR=/run/user/1000 {limits} "
                             f"setpriv --reuid=1000 --regid=1000 --groups=102 {command}", timeout=90)


if __name__ == "__main__":
    unittest.main()
