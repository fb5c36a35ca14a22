# SPDX-License-Identifier: MIT
"""A device that the host's screen is on goes to a guest, and comes back with the
display manager, the consoles and the modules that it had."""
import unittest

import machine
from hostcase import HostCase
from test_guest_devices import KEPT

VM = "games"
UNIT = "fake-login.service"
MODULE = "igb"
# A service has another process and another number each time it runs.
CHANGED = [*KEPT, "^/run/hvlaunch/", r"^process sleep "]


class HandOver(HostCase):
    def unit_is(self):
        return self.host.run(["systemctl", "is-active", UNIT]).out.strip()

    def has_module(self):
        return self.host.run(f"test -e /sys/module/{MODULE}/initstate").status == 0

    def consoles(self):
        return {path: self.host.read(path).strip() for path in self.host.survey("/sys/class/vtconsole/*/bind")
                if "frame buffer" in self.host.read(path.replace("/bind", "/name"))}

    def prepared(self):
        self.host.write(f"/run/systemd/system/{UNIT}", "[Service]\nExecStart=/bin/sleep 10000\n", mode=0o644)
        self.host.run(f"systemctl daemon-reload && systemctl start {UNIT}; modprobe {MODULE}", check=True)
        self.host.run(["udevadm", "settle"])
        # The kernel that is built for these tests has its drivers built in.
        self.modules = [MODULE] if self.has_module() else []
        self.profile(VM, hostdevs=[{"address": machine.SRIOV,
                                    "hand_over": {"display_manager": UNIT, "modules": self.modules}}])
        return self.host.snapshot()

    def assert_handed_over(self):
        self.assertEqual(self.host.driver(machine.SRIOV), "vfio-pci")
        self.assertEqual(self.unit_is(), "inactive")
        self.assertFalse(self.modules and self.has_module())
        self.assertNotIn("1", self.consoles().values())

    def assert_back(self, before):
        self.assertEqual(self.unit_is(), "active")
        self.assertEqual(self.host.driver(machine.SRIOV), MODULE)
        self.assert_unchanged(before, ignore=CHANGED)

    def test_frees_the_device_of_the_screen_and_gives_all_back(self):
        before = self.prepared()
        plan = self.hv("plan", VM).out
        steps = [plan.index(words) for words in (f"stop the display manager {UNIT}",
                                                 *(f"unload the module {module}" for module in self.modules),
                                                 f"bind {machine.SRIOV} to 'vfio-pci'")]
        self.assertEqual(steps, sorted(steps))
        self.hv("start", VM)
        self.assert_handed_over()
        self.guest_says(VM)
        self.hv("stop", "--force", VM)
        self.assert_back(before)

        # The guest and all that watches it die.
        self.hv("start", "--paused", VM)
        self.assert_handed_over()
        self.host.run("pkill -KILL '(hvlaunch|qemu-system-x86)'; "
                      "until ! pgrep -x qemu-system-x86; do busybox usleep 20000; done")
        self.hv("recover")
        self.assert_back(before)

    def test_refuses_a_module_that_the_host_needs(self):
        self.profile(VM, hostdevs=[{"address": machine.NIC, "hand_over": {"modules": ["e1000e"]}}])
        before = self.host.snapshot()
        refused = self.hv("start", VM, exit=6).err
        self.assertIn("[module-stays]", refused)
        self.assertIn(machine.FAR, refused)
        self.assert_unchanged(before, ignore=KEPT)


if __name__ == "__main__":
    unittest.main()
