# SPDX-License-Identifier: MIT
"""A `watch` that hangs is ended by systemd and started again; its guest does not notice."""
from test_units import UNIT, WATCH, UnitCase

QUICK = """mkdir -p /etc/systemd/system/hvlaunch-watch@.service.d
printf '[Service]\\nWatchdogSec=4s\\nTimeoutAbortSec=1s\\n' >/etc/systemd/system/hvlaunch-watch@.service.d/quick.conf
systemctl daemon-reload
"""


class Watchdog(UnitCase):
    def test_a_watch_that_hangs_is_replaced(self):
        self.profile("web")
        self.host.run(QUICK, check=True)
        self.systemctl("start", UNIT)
        self.guest_says("web")
        qemu, = self.show("MainPID")
        first, = self.show("MainPID", unit=WATCH)
        # It has shown that it lives for twice as long as it may be silent.
        began, = self.show("ExecMainStartTimestampMonotonic", unit=WATCH)
        self.wait_until(f"[ $(systemctl show -p WatchdogTimestampMonotonic --value {WATCH}) -gt {int(began) + 8_000_000} ]")
        self.assertEqual(self.show("MainPID", unit=WATCH), (first,))
        self.host.run(f"kill -STOP {first}", check=True)
        self.wait_until(f"[ $(systemctl show -p MainPID --value {WATCH}) != {first} ] && systemctl -q is-active {WATCH}")
        self.assertEqual(self.show("MainPID", "ActiveState"), (qemu, "active"))
        self.assertIn("watchdog", self.host.run(f"journalctl -o cat --no-pager -u {WATCH}", check=True).out.lower())
        self.assertIn("running", self.hv("qmp", "web", "query-status").out)
        self.systemctl("stop", UNIT)
