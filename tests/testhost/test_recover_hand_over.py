# SPDX-License-Identifier: MIT
"""A hand-over of the host's screen that is killed half-way comes back by `recover`; what
cannot be undone now is kept, said, and undone later."""
import unittest

import machine
import test_hand_over
import test_recover
from hostcase import HostCase
from test_guest_devices import KEPT
from test_hand_over import CHANGED, UNIT, VM

DEVICES = "/sys/bus/pci/devices"
LEFT = [*CHANGED, *test_recover.LEFT]
# What starts with a unit or with a module's device needs a while after recover has asked for it.
SETTLE = f"systemctl is-active {UNIT}; udevadm settle"
READ_ONLY, WRITABLE = "mount -o remount,bind,ro /sys", "mount -o remount,bind,rw /sys"


class Killed(test_hand_over.HandOver):
    # Those are the other module's.
    test_frees_the_device_of_the_screen_and_gives_all_back = None
    test_refuses_a_module_that_the_host_needs = None

    points = test_recover.Killed.points
    kill_at = test_recover.Killed.kill_at
    picked = test_recover.Killed.picked

    def assert_comes_back(self, before, what):
        done = self.host.run(test_recover.CLEAN_UP.replace("/run/hvlaunch/all", f"/run/hvlaunch/{VM}")
                             .replace("kill all", f"kill {VM}") + SETTLE, timeout=120)
        try:
            self.assert_unchanged(before, ignore=LEFT)
            self.assertEqual(self.unit_is(), "active")
        except AssertionError as error:
            raise AssertionError(f"{what}: {error}\n{done}") from None

    def test_a_hand_over_killed_at_each_point_of_its_journal_comes_back(self):
        before = self.prepared()
        points = self.points(f"hvlaunch start --paused {VM}")
        journal = [place for place, (kind, _) in enumerate(points) if kind == "fdatasync"]
        # From before the first line of the journal to after the change that the last one is for.
        picked = self.picked(points[journal[0] - 1:journal[-1] + 6])
        self.assert_handed_over()
        self.assert_comes_back(before, "no kill")
        killed = 0
        for kind, number in picked:
            killed += self.kill_at(kind, number, f"hvlaunch start --paused {VM}")
            self.assert_comes_back(before, f"killed at {kind} {number}")
        print(f"hand-over: killed {killed} times, {len(journal)} lines of the journal")
        self.assertGreater(killed, 3)


class NotUndone(HostCase):
    def power(self):
        path = f"{DEVICES}/{machine.NIC}/power/control"
        return self.host.survey(path).get(path, ("", ""))[1].strip()

    def test_what_cannot_be_undone_is_kept_and_said_until_it_can(self):
        self.profile("web", hostdevs=[machine.NIC])
        if self.power():
            # vfio-pci leaves "on" behind; the kernel that is built for the tests may lack it.
            self.host.write(f"{DEVICES}/{machine.NIC}/power/control", "auto")
        before, power = self.host.snapshot(), self.power()
        self.hv("start", "--paused", "web")
        self.host.run(READ_ONLY, check=True)
        refused = self.hv("stop", "--force", "web", exit=None)
        self.assertNotEqual(refused.status, 0, refused)
        again = self.hv("recover", "web", exit=None)
        self.assertNotEqual(again.status, 0, again)
        self.assertIn("[read-only-sysfs]", again.err)
        self.assertIn("undoing what was done for 'web'", again.err)
        self.assertIn(machine.NIC, self.host.read("/run/hvlaunch/web/journal"))
        self.assertEqual(self.host.driver(machine.NIC), "vfio-pci")
        # Nor does a start forget it.
        self.assertIn("[read-only-sysfs]", self.hv("start", "web", exit=None).err)
        self.host.run(WRITABLE, check=True)
        self.hv("recover", "web")
        self.assertEqual((self.host.driver(machine.NIC), self.power()), ("e1000e", power))
        self.assert_unchanged(before, ignore=KEPT)

    def test_a_start_that_fails_says_what_it_could_not_undo(self):
        # A QEMU that answers the probe, and makes /sys read-only instead of running a guest.
        self.host.write("/run/odd-qemu", "#!/bin/sh\ncase \"$*\" in *'-machine none'*) exec qemu-system-x86_64 \"$@\";; "
                        f"esac\n{READ_ONLY}\necho odd >&2\nexit 1\n", mode=0o755)
        self.profile("web", hostdevs=[machine.NIC], confine="off", qemu={"binary": "/run/odd-qemu"})
        before = self.host.snapshot()
        failed = self.hv("start", "web", exit=None)
        self.assertNotEqual(failed.status, 0, failed)
        self.assertIn("odd", failed.err)
        self.assertIn("and not undone: ", failed.err)
        self.assertIn(machine.NIC, self.host.read("/run/hvlaunch/web/journal"))
        self.host.run(WRITABLE, check=True)
        self.hv("recover", "web")
        self.assertEqual(self.host.driver(machine.NIC), "e1000e")
        self.assert_unchanged(before, ignore=KEPT)


if __name__ == "__main__":
    unittest.main()
