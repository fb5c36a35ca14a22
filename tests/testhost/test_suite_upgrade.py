#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The suite's upgrade commands under a real systemd: the timer of the update checker, the
notice at login, the broadcast, and an upgrade from the check to the end with a guest that
runs through it. Nix and git are stand-ins, all else is real."""
import json
import unittest
from pathlib import Path

from hostcase import PATIENCE, HostCase
from testhost import REPOSITORY

OLD, NEW = "b51242d7d43689db2f3be91bd05d5b24fbb469c4", "8fd9daa3db09ced9700431c5b7ad0e8ba199b575"
SUITE = Path(REPOSITORY, "scripts/suite")
TOOLS = "/nix/store/tools/bin"
NOTICE, MOTD = "/var/lib/hypervisor/update-available", "/etc/motd.d/updates-available"
RESULT = "/var/lib/hypervisor/upgrade-test-result"
# What a NixOS host's programs do, as far as the suite sees it; each notes its words.
STAND_INS = {
    "git": 'cat /run/head',
    "nixos-version": "cat /run/current-system/nixos-version",
    "nix": 'case "$*" in\n"flake lock"*) for last; do :; done; cp /run/new.lock "${last#path:}/flake.lock" ;;\n'
           '*eval*) echo \'{"release":"26.05","stateVersion":"26.05"}\' ;;\nesac',
    "nixos-rebuild": '[ ! -e /run/breaks ] || systemctl start broken.service\n'
                     '[ "$1" = test ] || ln -sfn /nix/store/new /nix/var/nix/profiles/system\n'
                     "ln -sfn /nix/store/new /run/current-system",
}


def lock_of(revision, date):
    return json.dumps({"nodes": {"root": {"inputs": {"nixpkgs": "nixpkgs"}}, "nixpkgs": {
        "locked": {"type": "github", "owner": "NixOS", "repo": "nixpkgs", "rev": revision, "lastModified": date},
        "original": {"type": "github", "owner": "NixOS", "repo": "nixpkgs", "ref": "nixos-26.05"}}},
        "root": "root", "version": 7})


class UpgradeCase(HostCase):
    @property
    def host(self):
        is_new = self._host is None
        host = super().host
        if is_new:
            self.install_suite(host)
            self.make_nixos(host)
            host.run("systemctl daemon-reload", check=True)
        return host

    def install_suite(self, host):
        for file in [*SUITE.glob("hv*"), *SUITE.glob("lib/*.sh")]:
            host.run("mkdir -p /usr/lib/hvlaunch/suite/lib", check=True)
            name = file.relative_to(SUITE)
            host.write(f"/usr/lib/hvlaunch/suite/{name}", file.read_text(), mode=0o755)
            if name.parent == Path("."):
                host.run(f"ln -s ../lib/hvlaunch/suite/{name} /usr/bin/{name}", check=True)
        for file in [*Path(REPOSITORY, "systemd/nixos").iterdir(), *Path(REPOSITORY, "systemd/system").glob("hvlaunch*")]:
            host.write(f"/usr/lib/systemd/system/{file.name}", file.read_text(), mode=0o644)

    def make_nixos(self, host):
        host.run(f"mkdir -p {TOOLS} /nix/store/old/bin /nix/store/new /nix/var/nix/profiles /etc/nixos /etc/hypervisor && "
                 "for one in old new; do mkdir /nix/store/$one/sw && ln -s ../../tools/bin /nix/store/$one/sw/bin; done && "
                 "ln -s /nix/store/old /run/current-system && ln -s /nix/store/old /nix/var/nix/profiles/system", check=True)
        for tool, does in STAND_INS.items():
            host.write(f"{TOOLS}/{tool}", f'#!/bin/sh\necho "{tool} $*" >>/run/calls\n{does}\n', mode=0o755)
        host.write("/nix/store/old/bin/switch-to-configuration",
                   "#!/bin/sh\nln -sfn /nix/store/old /run/current-system\n", mode=0o755)
        host.write("/nix/store/old/nixos-version", f"26.05.20260531.{OLD[:7]}")
        host.write("/nix/store/new/nixos-version", f"26.05.20261101.{NEW[:7]}")
        host.write("/run/head", f"{NEW}\trefs/heads/nixos-26.05\n")
        host.write("/run/new.lock", lock_of(NEW, 1793500000))
        host.write("/etc/nixos/flake.nix", '{ inputs.hypervisor.url = "path:/etc/hypervisor"; }\n')
        host.write("/etc/hypervisor/flake.nix", '{\n  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-26.05";\n}\n')
        host.write("/etc/hypervisor/flake.lock", lock_of(OLD, 1780203844))
        # What Debian's installation of PAM would have made.
        for kind in ("auth", "account", "session", "password"):
            host.write(f"/etc/pam.d/common-{kind}", f"{kind} required pam_permit.so\n")
        host.run("rm -rf /var/run && ln -s /run /var/run && : >/run/utmp", check=True)

    def suite(self, *words, exit=0):
        result = self.host.run(list(words), timeout=PATIENCE)
        self.assertEqual(result.status, exit, str(result))
        return result.out + result.err

    def check_by_unit(self):
        done = self.host.run("systemctl start nixos-update-checker.service", timeout=PATIENCE)
        self.assertTrue(done.ok, self.journal("nixos-update-checker.service"))

    def journal(self, unit):
        """As an administrator would look."""
        self.host.run("journalctl --sync")
        return self.host.run(f"journalctl -o short -u {unit} -n 50 --no-pager").out

    def log_in(self, number):
        """Somebody logs in and stays; what the terminal shows is in the file."""
        log = f"/run/session{number}.log"
        self.host.begin(f"mkfifo /run/keys{number}; exec 9<>/run/keys{number}; "
                        f"exec script -qfc 'login -f root' {log} <&9", timeout=600)
        return log


class Checker(UpgradeCase):
    # page: upgrade-management#monthly
    # page: upgrade-management#check-fails-logs
    def test_the_timer_comes_on_the_first_of_the_month_and_its_run_is_in_the_journal(self):
        show = "systemctl show -P NextElapseUSecRealtime nixos-update-checker.timer"
        self.host.run("systemctl start nixos-update-checker.timer", check=True)
        # Within the hour over which hosts are spread.
        self.assertRegex(self.host.run(show, check=True).out, r"^\w+ \d+-\d\d-01 0[01]:")
        self.host.run("mkdir /run/systemd/system/nixos-update-checker.timer.d", check=True)
        self.host.write("/run/systemd/system/nixos-update-checker.timer.d/now.conf", "[Timer]\nRandomizedDelaySec=0\n")
        self.host.run("systemctl daemon-reload && systemctl restart nixos-update-checker.timer", check=True)
        elapses = self.host.run(show, check=True).out.strip()
        self.assertRegex(elapses, r"^\w+ \d+-\d\d-01 00:00:00")
        self.assertFalse(self.host.run(["test", "-e", NOTICE]).ok)
        self.host.run(["date", "--set", elapses], check=True)
        self.wait_for_text("/var/log/hypervisor/update-checker.log", "there are updates:")
        self.host.run("busybox timeout 60 sh -c 'until [ \"$(systemctl is-active nixos-update-checker.service)\" = inactive ]; "
                      "do busybox usleep 50000; done'", check=True)
        self.assertIn(f"to: {NEW}", self.host.read(NOTICE))
        self.assertIn("there are updates:", self.journal("nixos-update-checker.service"))
        self.assertIn("ls-remote https://github.com/NixOS/nixpkgs", self.host.read("/run/calls"))
        following = self.host.run(show, check=True).out.strip()
        self.assertRegex(following, r"^\w+ \d+-\d\d-01 00:00:00")
        self.assertNotEqual(following, elapses)

    # page: upgrade-management#check-motd
    # page: upgrade-management#check-broadcast
    def test_whoever_logs_in_reads_of_it_and_whoever_is_logged_in_is_told(self):
        before = self.log_in(1)
        self.wait_for_text(before, "#")
        self.assertNotIn("Updates", self.host.read(before))
        self.check_by_unit()
        self.assertIn("Broadcast message", told := self.wait_for_text(before, "sudo hv-upgrade-test"))
        self.assertIn("Updates of NixOS are available (nixos-26.05)", told)
        after = self.log_in(2)
        self.wait_for_text(after, "#")
        self.assertIn("Updates of NixOS are available (nixos-26.05).", self.host.read(after))
        # NixOS' own login reads one file.
        self.host.write("/etc/pam.d/login", f"auth required pam_permit.so\naccount required pam_permit.so\n"
                                            f"session required pam_permit.so\nsession optional pam_motd.so motd={MOTD}\n")
        self.wait_for_text(nixos := self.log_in(3), "#")
        self.assertIn("Updates of NixOS are available", self.host.read(nixos))
        # None any more: nobody reads of it.
        self.host.write("/run/head", f"{OLD}\trefs/heads/nixos-26.05\n")
        self.check_by_unit()
        self.wait_for_text(later := self.log_in(4), "#")
        self.assertNotIn("Updates", self.host.read(later))


class Upgrade(UpgradeCase):
    # page: upgrade-management#verify-vms
    # page: upgrade-management#hv-system-status
    # page: upgrade-management#hv-vm-list
    # page: upgrade-management#audit-journal
    # page: upgrade-management#test-log
    def test_from_the_check_to_the_end_with_a_guest_that_runs_on(self):
        self.profile("web")
        # What a QEMU can do is asked once; in an emulated host on a busy machine that may take two tries.
        if self.hv("caps", exit=None).status:
            self.hv("caps")
        self.hv("start", "web")
        self.suite("hv-check-updates")
        status = json.loads(self.host.run(["hv", "system-status", "--json"], timeout=PATIENCE).out)
        self.assertEqual((status["upgrades"]["available"], status["guests"][0]["state"]), (NEW, "running"))
        self.assertRegex(self.suite("hv", "vm-list"), r"web +running")
        self.assertIn("no upgrade was tested", self.suite("hv-system-upgrade", exit=1))
        self.assertIn("The upgrade test has passed", self.suite("hv-upgrade-test"))
        self.assertIn("guests: 1 running", self.host.read(RESULT))
        self.assertIn("hvlaunch@web.service", self.host.read("/var/lib/hypervisor/upgrade/after/active"))
        self.assertEqual(self.host.run("readlink /nix/var/nix/profiles/system").out.strip(), "/nix/store/old")
        self.assertIn(f"26.05.20261101.{NEW[:7]} boots from now on", self.suite("hv-system-upgrade"))
        self.assertEqual(json.loads(self.host.read("/etc/hypervisor/flake.lock")), json.loads(lock_of(NEW, 1793500000)))
        self.assertFalse(self.host.run(["test", "-e", NOTICE, "-o", "-e", MOTD]).ok)
        self.assertRegex(self.journal("nixos-rebuild"), r"upgrade refused: no upgrade was tested(.|\n)*upgrade begins: (.|\n)*upgrade done: ")
        self.assertRegex(self.journal("nixos-upgrade.service"), r"test begins: (.|\n)*test passed: ")
        self.assertRegex(self.hv("list").out, r"web +running")

    # page: upgrade-management#failed-stays
    # page: upgrade-management#test-services
    def test_a_service_that_breaks_is_seen_and_the_system_goes_back(self):
        self.host.write("/run/systemd/system/broken.service", "[Service]\nType=oneshot\nExecStart=false\n")
        self.host.run("systemctl daemon-reload; touch /run/breaks", check=True)
        said = self.suite("hv-upgrade-test", exit=1)
        self.assertIn("broken.service has failed since the upgrade was activated", said)
        self.assertIn("problem: services", self.host.read(RESULT))
        self.assertEqual(self.host.run("readlink /run/current-system").out.strip(), "/nix/store/old")
        self.assertIn("the last test has failed", self.suite("hv-system-upgrade", exit=1))


if __name__ == "__main__":
    unittest.main()
