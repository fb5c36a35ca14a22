# SPDX-License-Identifier: MIT
"""Many guests' units at once: broken ones, and an upgrade of hvlaunch under those that run."""
from test_units import LEFT, UnitCase

GUESTS = [f"g{number}" for number in range(6)]
BROKEN = [f"bad{number}" for number in range(20)]


def unit(vm):
    return f"hvlaunch@{vm}.service"


class Many(UnitCase):
    def test_an_upgrade_under_guests_that_run_disturbs_none(self):
        for vm in GUESTS:
            self.profile(vm, memory_mb=256)
        before = self.host.snapshot()
        self.systemctl("start", *map(unit, GUESTS))
        pids = {vm: self.show("MainPID", "NRestarts", unit=unit(vm)) for vm in GUESTS}
        # As a package does it: another file in the same place, and systemd reads its units again.
        self.host.run("program=$(readlink -f /usr/bin/hvlaunch); cp $program $program.new && mv $program.new $program && "
                      "systemctl daemon-reload", check=True)
        self.host.run("pkill -KILL -f '[h]vlaunch watch g[01]$'", check=True)
        for vm in GUESTS:
            self.assertIn("running", self.hv("qmp", vm, "query-status").out)
            self.wait_for_state("active", f"hvlaunch-watch@{vm}.service")
        self.assertEqual({vm: self.show("MainPID", "NRestarts", unit=unit(vm)) for vm in GUESTS}, pids)
        for vm in GUESTS:
            self.guest_says(vm)
        self.systemctl("stop", *map(unit, GUESTS))
        for vm in GUESTS:
            self.assertEqual(self.show("ActiveState", "Result", unit=unit(vm)), ("inactive", "success"))
            self.wait_for_state("inactive", f"hvlaunch-watch@{vm}.service")
        self.assert_unchanged(before, ignore=LEFT)

    def test_what_is_broken_is_tried_once_and_delays_no_other(self):
        for number, vm in enumerate(BROKEN):
            self.profile(vm, **({"memory_mb": 1} if number % 5 else {"kernel": "/no/such/kernel"}))
        self.profile("web")
        self.hv("caps")  # Known from the guests that ran before.
        self.host.run("systemctl start --no-block " + " ".join(map(unit, BROKEN)), check=True)
        self.systemctl("start", unit("web"))
        self.wait_until("[ -z \"$(systemctl list-jobs --no-legend)\" ]")
        for vm in BROKEN:
            self.assertEqual(self.show("ActiveState", "NRestarts", unit=unit(vm)), ("failed", "0"))
        self.guest_says("web")
