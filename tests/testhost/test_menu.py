# SPDX-License-Identifier: MIT
"""The menu's service on the first terminal of a host that systemd runs: seen as the kernel
shows that terminal's screen, and used by the keyboard."""
import time
import unittest
from pathlib import Path

from hostcase import PATIENCE
from test_units import UnitCase
from testhost import REPOSITORY

SUITE = Path(REPOSITORY, "scripts/suite")
PLACE = "/usr/lib/hvlaunch/suite"
MENU = "hypervisor-menu.service"


class Menu(UnitCase):
    def setUp(self):
        if not self.host.run("test -c /dev/tty1").ok:
            self.skipTest("this kernel has no virtual terminals; with HV_TESTHOST_KERNEL= it is Debian's, which has")
        self.host.run(f"mkdir -p {PLACE}/lib /etc/hypervisor; ln -sfn {PLACE}/hypervisor-menu /usr/bin/hypervisor-menu",
                      check=True)
        self.host.write(f"{PLACE}/hypervisor-menu", (SUITE / "hypervisor-menu").read_bytes(), mode=0o755)
        for part in SUITE.glob("lib/*.sh"):
            self.host.write(f"{PLACE}/lib/{part.name}", part.read_bytes(), mode=0o644)
        self.host.write(f"/usr/lib/systemd/system/{MENU}", (REPOSITORY / "systemd/system" / MENU).read_bytes(),
                        mode=0o644)
        self.host.run("systemctl daemon-reload", check=True)

    def ask_qemu(self):
        """What QEMU can do is asked once, with a patience that is not that of a busy machine."""
        for _ in range(6):
            if self.hv("caps", exit=None).status != 8:
                return
        self.hv("caps")

    def screen(self):
        """What stands on the first terminal: 80 columns, as the kernel keeps them."""
        text = self.host.read_bytes("/dev/vcs1").decode("latin-1")
        return "\n".join(text[i:i + 80].rstrip() for i in range(0, len(text), 80))

    def see(self, text, timeout=PATIENCE):
        deadline = time.monotonic() + timeout
        while text not in (screen := self.screen()):
            if time.monotonic() > deadline:
                self.fail(f"no {text!r} on the screen:\n{screen}\n{self._logs()}\n"
                          + self.host.run(f"systemctl status --no-pager -l {MENU}").out)
            time.sleep(0.1)
        return screen

    def press(self, *keys):
        """Keys of the host's own keyboard, by QEMU's names."""
        for key in keys:
            self.host.qemu.qmp("send-key", keys=[{"type": "qcode", "data": key}])

    def boot_with(self, words):
        """As at a boot with these words, as far as systemd's conditions go."""
        self.host.write("/run/cmdline", f"quiet {words}\n", mode=0o644)
        self.host.run("umount -q /proc/cmdline; mount --bind /run/cmdline /proc/cmdline", check=True)

    # page: quick-install#menu-service
    def test_shows_the_vms_on_the_first_terminal_and_starts_one_by_keys(self):
        self.profile("web")
        self.ask_qemu()
        verified = self.host.run(f"systemd-analyze verify --man=no {MENU} 2>&1")
        self.assertEqual((verified.status, verified.out), (0, ""))
        self.systemctl("start", MENU)
        screen = self.see("More Options")
        self.assertIn("web     stopped", screen)
        self.assertIn("Start GNOME management session", screen)
        self.assertIn("Log in at this console", screen)
        self.press("ret")
        self.see("web is stopped")
        self.press("ret")
        self.see("web runs")
        self.assertEqual(self.show("ActiveState"), ("active",))
        self.assertEqual(self.host.read("/var/lib/hypervisor/last-vm"), "web")
        self.assertIn("vm_start web : exit 0", self.host.read("/var/log/hypervisor/menu.log"))
        # The menu ends, and comes again; the guest stays.
        self.systemctl("restart", MENU)
        self.see("1 CPU, 256 MiB")  # running, or too slow to say so
        main, = self.show("MainPID", unit=MENU)
        self.host.run(f"kill -KILL {main}", check=True)
        self.wait_until(f"[ \"$(systemctl show -P NRestarts {MENU})\" = 1 ] && systemctl -q is-active {MENU}")
        self.see("1 CPU, 256 MiB")  # running, or too slow to say so
        self.assertEqual(self.show("ActiveState"), ("active",))

    def test_leaving_it_is_a_login_and_then_it_is_there_again(self):
        self.profile("web")
        self.host.write("/usr/bin/login", "#!/bin/sh\nprintf 'testhost login: '; read -r name\n", mode=0o755)
        self.systemctl("start", MENU)
        self.see("Log in at this console")
        self.press("end", "ret")
        self.see("testhost login:")
        self.press("ret")
        self.see("More Options")

    # page: quick-install#menu-autostart
    def test_counts_down_to_the_last_vm_once_a_boot(self):
        self.profile("web")
        self.ask_qemu()
        self.host.write("/var/lib/hypervisor/last-vm", "web\n", mode=0o644)
        self.host.write("/etc/hypervisor/config.json", '{"features": {"autostart_timeout_sec": 600}}', mode=0o644)
        self.systemctl("start", MENU)
        self.see("any key stops it")
        self.press("spc")
        self.see("Log in at this console")
        self.assertEqual(self.show("ActiveState"), ("inactive",))
        self.systemctl("restart", MENU)
        self.see("Log in at this console")
        # As after a reboot, and nobody there.
        self.systemctl("stop", MENU)
        self.host.run("rm -r /run/hypervisor-menu", check=True)
        self.host.write("/etc/hypervisor/config.json", '{"features": {"autostart_timeout_sec": 1}}', mode=0o644)
        self.systemctl("start", MENU)
        self.see("1 CPU, 256 MiB")  # running, or too slow to say so
        self.assertEqual(self.show("ActiveState"), ("active",))
        self.assertEqual(self.host.survey("/var/lib/hypervisor/records/web.start"), {})

    def test_the_kernel_command_line_turns_it_off_or_leaves_nothing_but_it(self):
        self.profile("web")
        self.boot_with("hvlaunch.menu=off")
        self.systemctl("start", MENU)
        self.assertEqual(self.show("ActiveState", "ConditionResult", unit=MENU), ("inactive", "no"))
        self.host.write("/var/lib/hypervisor/last-vm", "web\n", mode=0o644)
        self.boot_with("hvlaunch.rescue")
        self.systemctl("start", MENU)
        self.see("Log in at this console")
        self.assertEqual(self.show("ActiveState"), ("inactive",))

    def test_is_off_until_it_is_enabled_and_left_alone_if_it_keeps_failing(self):
        self.profile("web")
        self.assertEqual(self.host.run(f"systemctl is-enabled {MENU}").out.strip(), "disabled")
        self.systemctl("enable", MENU)
        self.systemctl("start", MENU)
        self.see("More Options")
        self.host.write(f"{PLACE}/hypervisor-menu", "#!/bin/sh\nexit 1\n", mode=0o755)
        self.host.run(f"systemctl restart {MENU}", timeout=PATIENCE)
        self.wait_until(f"[ \"$(systemctl show -P ActiveState {MENU})\" = failed ]", PATIENCE)


if __name__ == "__main__":
    unittest.main()
