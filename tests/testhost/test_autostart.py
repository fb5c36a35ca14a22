# SPDX-License-Identifier: MIT
"""systemd makes of the generator's units what profiles, config.json and the kernel's
command line ask for. In the guests' place are short scripts: it is their order that counts."""
import json
import unittest

from hostcase import HostCase
from testhost import REPOSITORY

UNITS = "/usr/lib/systemd/system"
ORDER = "/run/order"
# Ready after a while; `bad` fails; the end is noted as well.
STAND_IN = f"""[Unit]
PartOf=hvlaunch.target
CollectMode=inactive-or-failed
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=sh -c 'echo "%i begins" >>{ORDER}; busybox usleep 200000; test %i != bad || exit 1; echo "%i is ready" >>{ORDER}'
ExecStop=sh -c 'echo "%i ends" >>{ORDER}; busybox usleep 200000'
"""


class Autostart(HostCase):
    def setUp(self):
        self.host.write(f"{UNITS}/hvlaunch@.service", STAND_IN, mode=0o644)
        self.host.write(f"{UNITS}/hvlaunch.target", (REPOSITORY / "systemd/hvlaunch.target").read_bytes(), mode=0o644)
        self.host.run(f"mkdir -p {UNITS}-generators /etc/hypervisor && "
                      f"ln -sf ../../../bin/hvlaunch {UNITS}-generators/hvlaunch-generator", check=True)
        features = {"boot_autostart_delay_ms": 1, "boot_autostart_delay_between_groups_ms": 1,
                    "boot_autostart_groups_order": ["storage", "apps"]}
        self.host.write("/etc/hypervisor/config.json", json.dumps({"features": features}), mode=0o644)
        self.profile("nas-1.a", autostart=True, autostart_group="storage")
        self.profile("bad", autostart=True, autostart_group="apps", autostart_priority=1)
        self.profile("db", autostart=True, autostart_group="apps", autostart_priority=2)
        self.profile("web", autostart=True)
        self.profile("lab", autostart_group="apps", autostart_priority=9)

    def boot_with(self, words):
        """As at a boot with these words, as far as units go: the generators run again."""
        self.host.write("/run/cmdline", f"quiet {words}\n", mode=0o644)
        self.host.run("umount -q /proc/cmdline; mount --bind /run/cmdline /proc/cmdline && systemctl daemon-reload",
                      check=True)

    def wanted(self):
        done = self.host.run("systemctl list-dependencies --plain --no-pager hvlaunch.target", check=True)
        return {line.strip()[9:-8] for line in done.out.splitlines() if "hvlaunch@" in line}

    def test_starts_what_the_kernel_command_line_says(self):
        usual = {"nas-1.a", "bad", "db", "web"}
        for words, guests in (("", usual), ("hvlaunch.autostart=web,db", {"web", "db"}),
                              ("hvlaunch.autostart=+lab", usual | {"lab"}), ("hvlaunch.autostart=off", set()),
                              ("hvlaunch.rescue", set()), ("hvlaunch.menu=off", usual),
                              ("hvlaunch.autostart=web,gone,../x", {"web"})):
            with self.subTest(words=words):
                self.boot_with(words)
                self.assertEqual(self.wanted(), guests)
                listed = json.loads(self.hv("autostart", "list", "--json").out)
                self.assertEqual({start["vm"] for start in listed["starts"]}, guests)
        log = self.host.run("dmesg").out
        self.assertIn("hvlaunch-generator: '../x' cannot be the name of a VM", log)
        self.assertIn("hvlaunch-generator: there is no VM 'gone'", log)

    def test_starts_the_next_when_those_before_are_ready_or_have_failed(self):
        self.boot_with("hvlaunch.autostart=+lab")
        verified = self.host.run("cd /run/systemd/generator && systemd-analyze verify --man=no hvlaunch-autostart-*.service "
                                 "hvlaunch@web.service hvlaunch.target")
        self.assertEqual((verified.status, verified.out + verified.err), (0, ""))
        wants = self.host.run("systemctl show -P Wants multi-user.target", check=True)
        self.assertIn("hvlaunch.target", wants.out.split())
        self.host.run("systemctl start hvlaunch.target", check=True)
        up = [f"{vm} {what}" for vm in ("nas-1.a", "bad", "db", "lab", "web") for what in ("begins", "is ready")]
        up.remove("bad is ready")
        self.assertEqual(self.host.read(ORDER).splitlines(), up)
        records = self.host.survey("/var/lib/hypervisor/records/*.start")
        self.assertEqual(len(records), 5)
        self.host.write(ORDER, "")
        # What a shutdown does, which stops them all at once.
        self.host.run("systemctl stop hvlaunch.target && systemctl stop hvlaunch@nas-1.a", check=True)
        self.assertEqual(self.host.read(ORDER).splitlines(), [f"{vm} ends" for vm in ("web", "lab", "db", "nas-1.a")])

    def test_ends_the_note_of_a_start_that_came_to_an_end(self):
        note = "/var/lib/hypervisor/records/lab.start"
        self.host.run(f"rm {UNITS}/hvlaunch@.service && systemctl daemon-reload", check=True)
        self.hv("autostart", "begin", "lab")
        self.assertTrue(self.host.read(note).startswith("1 "))
        self.hv("start", "lab")
        self.assertEqual(self.host.survey(note), {})
        self.hv("autostart", "begin", "lab")
        self.hv("kill", "lab")
        self.hv("cleanup", "lab")
        self.assertEqual(self.host.survey(note), {})

    def test_leaves_out_what_is_wrong_and_what_takes_the_host_down(self):
        for number in range(20):
            self.host.write(f"/var/lib/hypervisor/vm-profiles/wrong{number}.json", '{"autostart": tru', mode=0o644)
        self.host.run("mkfifo /var/lib/hypervisor/vm-profiles/fifo.json; "
                      "mkdir /var/lib/hypervisor/vm-profiles/folder.json", check=True)
        self.host.run("mkdir -p /var/lib/hypervisor/records", check=True)
        self.host.write("/var/lib/hypervisor/records/db.start", "2 a-boot-before", mode=0o640)
        self.boot_with("")
        self.assertEqual(self.wanted(), {"nas-1.a", "bad", "web"})
        log = self.host.run("dmesg").out
        self.assertRegex(log, "hvlaunch-generator: and [0-9]+ more: `hvlaunch autostart list` shows them")
        self.assertIn("the host went down 2 times running", self.hv("autostart", "list").out)
        self.hv("autostart", "reset", "db")
        self.boot_with("")
        self.assertEqual(self.wanted(), {"nas-1.a", "bad", "db", "web"})


if __name__ == "__main__":
    unittest.main()
