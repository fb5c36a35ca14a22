# SPDX-License-Identifier: MIT
"""What `systemd-analyze security` says of the units, and that they do their work with it."""
import json

import machine
from test_guest_devices import KEPT
from test_units import LEFT, UNIT, WATCH, UnitCase

# docs/security.md has the reason of each point.
MOST = {UNIT: 46, WATCH: 19, "hvlaunch-recover.service": 49}


class Exposure(UnitCase):
    def test_the_units_are_exposed_no_more_than_they_need(self):
        for unit, most in MOST.items():
            said = self.host.run(["systemd-analyze", "security", f"--threshold={most}", "--no-pager", unit])
            self.assertEqual(said.status, 0, f"{unit}: more than {most / 10}\n{said.out}{said.err}")
        # A threshold that is exceeded fails.
        self.assertNotEqual(self.host.run(["systemd-analyze", "security", "--threshold=1", UNIT]).status, 0)

    def test_qemu_gets_a_device_and_recover_gives_it_back_within_the_units(self):
        self.profile("web", hostdevs=[machine.NIC], hugepages={"size": "2M"}, numa={"nodeset": "1"})
        before = self.host.snapshot()
        self.systemctl("start", UNIT)
        self.assertEqual(self.host.driver(machine.NIC), "vfio-pci")
        main, = self.show("MainPID")
        status = dict(line.split(":", 1) for line in self.host.read(f"/proc/{main}/status").splitlines())
        self.assertEqual((status["NoNewPrivs"].strip(), status["Seccomp"].strip()), ("1", "2"))
        # Read-only to QEMU, had it a way to it at all.
        mounts = self.host.read(f"/proc/{main}/mountinfo")
        for place in ("/sys/fs/cgroup", "/proc/sys", "/usr"):
            self.assertRegex(mounts, rf" {place} ro,", f"{place} is not read-only")
        self.guest_says("web")
        self.assertEqual(json.loads(self.hv("stop", "--json", "web").out)["by"], "acpi")
        self.wait_for_state("inactive", WATCH)
        self.assert_unchanged(before, ignore=LEFT)
        # Ended with all that could have cleaned up.
        self.hv("start", "/var/lib/hypervisor/vm-profiles/web.json")
        self.host.run("pkill -KILL -x hvlaunch; pkill -KILL -x qemu-system-x86", check=True)
        self.systemctl("start", "hvlaunch-recover.service")
        self.assertEqual(self.host.driver(machine.NIC), before.values.get(f"driver {machine.NIC}", "e1000e"))
        self.assert_unchanged(before, ignore=[*LEFT, *KEPT])
