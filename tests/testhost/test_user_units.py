# SPDX-License-Identifier: MIT
"""A user's guests as units of the user's own systemd, without anybody logged in."""
import json
from pathlib import Path

from hostcase import BARE, PATIENCE
from test_units import LEFT, UnitCase
from testhost import REPOSITORY

UID = 1000
HOME = "/home/tester"
RUNTIME = f"/run/user/{UID}"
UNIT = "hvlaunch@web.service"
# The user's manager comes with the first guest and stays.
USER = [*LEFT, r"user-1000", r"user@1000", r"user\.slice", RUNTIME, "systemd", r"\(sd-pam\)", "dbus"]


class UserUnits(UnitCase):
    def as_user(self, *words, exit=0):
        done = self.host.run(["setpriv", f"--reuid={UID}", f"--regid={UID}", "--init-groups", "env", "-i", f"HOME={HOME}",
                              f"XDG_RUNTIME_DIR={RUNTIME}", "PATH=/usr/bin:/bin", *words], timeout=PATIENCE)
        if exit is not None:
            self.assertEqual(done.status, exit, f"{done}\n{self._user_logs()}")
        return done

    def _user_logs(self):
        said = self.host.run(f"journalctl -o cat -n 40 --no-pager _UID={UID}; ls -lR {RUNTIME}/hvlaunch; "
                             f"systemctl status --no-pager user@{UID}.service")
        return said.out + said.err

    def linger(self):
        """As `loginctl enable-linger`; there is no PAM here."""
        for file in Path(REPOSITORY, "systemd/user").glob("hvlaunch*"):
            self.host.write(f"/usr/lib/systemd/user/{file.name}", file.read_text(), mode=0o644)
        self.host.run(f"mkdir -p /run/systemd/system/user@{UID}.service.d; mkdir -p {HOME}/.config/hvlaunch/vm-profiles; "
                      f"chown -R {UID}:{UID} {HOME}; chmod 0666 /dev/kvm", check=True)
        self.host.write(f"/run/systemd/system/user@{UID}.service.d/no-pam.conf",
                        f"[Service]\nPAMName=\nEnvironment=XDG_RUNTIME_DIR={RUNTIME} HOME={HOME}\n", mode=0o644)
        self.systemctl("daemon-reload")
        self.systemctl("start", f"user@{UID}.service")

    def user_profile(self, **fields):
        whole = {"name": "web", "cpus": 1, "memory_mb": 256, "kernel": BARE, "disk_gb": 0, "network": {"mode": "none"},
                 "display": {"type": "none"}, "console": "serial", **fields}
        self.host.write(f"{HOME}/.config/hvlaunch/vm-profiles/web.json", json.dumps(whole), mode=0o644)

    def show_user(self, *names):
        said = self.as_user("systemctl", "--user", "show", UNIT, *(f"-p{name}" for name in names)).out
        values = dict(line.split("=", 1) for line in said.splitlines())
        return tuple(values[name] for name in names)

    def test_a_users_guest_is_a_unit_of_the_users_manager(self):
        self.linger()
        self.user_profile(limits={"cpu_quota_percent": 150, "pids_max": 200})
        before = self.host.snapshot()
        self.as_user("hvlaunch", "--user", "start", "web")
        main, state = self.show_user("MainPID", "ActiveState")
        self.assertEqual(state, "active")
        self.assertEqual(self.host.read(f"/proc/{main}/comm").strip(), "qemu-system-x86")
        group = self.host.read(f"/proc/{main}/cgroup").strip().split("::")[1]
        self.assertTrue(group.endswith("/hvlaunch@web.service/guest"), group)
        self.assertEqual(self.host.read(f"/sys/fs/cgroup{group}/cpu.max").strip(), "150000 100000")
        self.assertEqual(self.host.read(f"/sys/fs/cgroup{group}/pids.max").strip(), "200")
        self.as_user("hvlaunch", "--user", "limits", "web", "--set", "pids_max=300")
        self.assertEqual(self.host.read(f"/sys/fs/cgroup{group}/pids.max").strip(), "300")
        self.wait_for_text(f"{RUNTIME}/hvlaunch/web/console.log", "bare: ready")
        status = json.loads(self.as_user("hvlaunch", "--user", "status", "--json", "web").out)
        self.assertEqual((str(status["pid"]), status["watched"]), (main, True))
        # By systemctl: the guest is asked.
        self.as_user("systemctl", "--user", "stop", UNIT)
        self.assertEqual(self.show_user("ActiveState", "Result"), ("inactive", "success"))
        self.assertIn("stopped by hvlaunch (acpi)", self.as_user("hvlaunch", "--user", "status", "web").out)
        # And the other way round.
        self.as_user("systemctl", "--user", "start", UNIT)
        self.as_user("hvlaunch", "--user", "stop", "--force", "web")
        self.assertEqual(self.show_user("ActiveState", "NRestarts"), ("inactive", "0"))
        # What systemd does not delegate to users.
        self.user_profile(limits={"io_weight": 50})
        self.assertIn("Delegate=cpu io memory pids", self.as_user("hvlaunch", "--user", "start", "web", exit=6).err)
        self.assertEqual(self.show_user("ActiveState", "NRestarts"), ("inactive", "0"))
        self.assert_unchanged(before, ignore=USER)
