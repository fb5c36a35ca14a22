# SPDX-License-Identifier: MIT
"""Guests while the host sleeps: all that systemd does before it suspends, and after. The
kernel itself is not suspended, for nobody could wake it: a look at the guests is there instead.
"""
import json

import machine
from test_units import UnitCase

SLEEP = "hvlaunch-sleep.service"
SUSPEND = "systemd-suspend.service"
INSTEAD = """mkdir -p /etc/systemd/system/{unit}.d
printf '[Service]\\nExecStart=\\nExecStart=/bin/sh -c "hvlaunch list --json >/run/asleep.json"\\n' \\
  >/etc/systemd/system/{unit}.d/instead.conf
"""


class HostSleep(UnitCase):
    def setUp(self):
        # As the package installs it.
        self.host.run("mkdir -p /etc/systemd/system/sleep.target.requires && ln -s /usr/lib/systemd/system/"
                      f"{SLEEP} /etc/systemd/system/sleep.target.requires/", check=True)
        self.host.run(INSTEAD.format(unit=SUSPEND) + "systemctl daemon-reload", check=True)

    def states(self, text=None):
        rows = json.loads(text or self.hv("list", "--json").out)
        return {row["name"]: row["state"] for row in rows}

    def suspend(self):
        """The states that guests have while the host sleeps; afterwards it is awake again."""
        self.systemctl("start", SUSPEND)
        asleep = self.states(self.host.read("/run/asleep.json"))
        self.wait_for_state("inactive", SLEEP)
        return asleep

    def test_guests_are_paused_shut_down_or_left_alone_as_they_say(self):
        self.profile("web")
        self.profile("db", host_sleep="shutdown")
        self.profile("held")
        for name in ("web", "db", "held"):
            self.hv("start", name)
            self.guest_says(name)
        self.hv("pause", "held")
        self.assertEqual(self.suspend(), {"web": "paused", "db": "stopped", "held": "paused"})
        self.assertEqual(self.states(), {"web": "running", "db": "stopped", "held": "paused"})
        self.assertEqual(self.host.run("ls -A /run/hvlaunch/web").out.count("asleep"), 0)

    def test_a_guest_with_devices_keeps_the_host_awake_and_says_so(self):
        self.profile("gpu", hostdevs=[machine.NIC])
        self.profile("web")
        self.hv("start", "gpu")
        self.hv("start", "web")
        failed = self.systemctl("start", SUSPEND, exit=1)
        self.assertIn("depend", failed.err.lower())
        self.assertEqual(self.states(), {"gpu": "running", "web": "running"})
        said = self.host.run(["journalctl", "-o", "cat", "--no-pager", "-u", SLEEP], check=True).out
        self.assertIn("'gpu' keeps this host from being suspended", said)
        self.assertIn("hint: `hvlaunch stop gpu`", said)
        self.assertFalse(self.host.run(["test", "-e", "/run/asleep.json"]).ok)
        self.hv("stop", "gpu")
        self.assertEqual(self.suspend(), {"gpu": "stopped", "web": "paused"})
        self.assertEqual(self.states()["web"], "running")

    def test_without_guests_nothing_is_in_the_way(self):
        self.assertEqual(self.suspend(), {})
