# SPDX-License-Identifier: MIT
"""Guests as units of systemd's, which is PID 1 here: systemd/ as it is installed."""
import json
import unittest
from pathlib import Path

from hostcase import PATIENCE, HostCase
from test_guest_devices import KEPT
from testhost import REPOSITORY

UNIT = "hvlaunch@web.service"
WATCH = "hvlaunch-watch@web.service"
NODE = "/sys/devices/system/node/node1/hugepages/hugepages-2048kB"
# Made for the first guest, for all; and what systemd and the kernel do by themselves.
LEFT = [*KEPT, r"hvlaunch\.slice", r"/sys/fs/cgroup/.*(subtree_control|cpu\.weight)", r"process mm_percpu_wq"]


class UnitCase(HostCase):
    @property
    def host(self):
        is_new = self._host is None
        host = super().host
        if is_new:
            for file in Path(REPOSITORY, "systemd/system").glob("hvlaunch*"):
                host.write(f"/usr/lib/systemd/system/{file.name}", file.read_text(), mode=0o644)
            host.run("systemctl daemon-reload", check=True)
        return host

    def systemctl(self, *words, exit=0):
        result = self.host.run(["systemctl", *words], timeout=PATIENCE)
        self.assertEqual(result.status, exit, f"{result}\n{self._logs()}")
        return result

    def show(self, *names, unit=UNIT):
        said = self.host.run(["systemctl", "show", unit, *(f"-p{name}" for name in names)], check=True).out
        values = dict(line.split("=", 1) for line in said.splitlines())
        return tuple(values[name] for name in names)

    def wait_until(self, condition, timeout=60):
        """A condition of the shell's, in the host."""
        done = self.host.run(f"end=$(($(date +%s) + {timeout})); until {condition}; do "
                             "[ $(date +%s) -gt $end ] && exit 1; busybox usleep 50000; done", timeout=timeout + 30)
        self.assertTrue(done.ok, f"never: {condition}\n{self._logs()}")

    def wait_for_state(self, state, unit=UNIT):
        self.wait_until(f"[ \"$(systemctl is-active {unit})\" = {state} ]")

    def ours(self):
        """The processes of hvlaunch's that run, in words."""
        return self.host.run("pgrep -a -x hvlaunch | cut -d ' ' -f 2-").out.splitlines()

    def _logs(self):
        said = self.host.run("journalctl -o cat -u 'hvlaunch*' -n 60 --no-pager; systemctl status --no-pager -l 'hvlaunch*'")
        return said.out + said.err


class Life(UnitCase):
    def test_qemu_is_the_main_process_and_systemctl_stop_is_a_clean_shutdown(self):
        self.profile("web", hugepages={"size": "2M"}, numa={"nodeset": "1"}, pinning={"vcpus": ["2"], "emulator": "1"})
        verified = self.host.run(f"systemd-analyze verify --man=no {UNIT} {WATCH} hvlaunch-recover.service 2>&1")
        self.assertEqual((verified.status, verified.out), (0, ""))
        before = self.host.snapshot()
        self.systemctl("start", UNIT)
        main, state, kept, slice_ = self.show("MainPID", "ActiveState", "NFileDescriptorStore", "Slice")
        self.assertEqual((state, slice_), ("active", "hvlaunch.slice"))
        # Nobody but QEMU holds its lock.
        self.assertEqual(kept, "0")
        self.assertEqual(self.host.read(f"/proc/{main}/comm"), "qemu-system-x86")
        self.assertIn("OFDLCK", self.host.read(f"/proc/{main}/fdinfo/3"))
        self.assertEqual(self.ours(), ["hvlaunch watch web"])
        self.assertEqual(self.show("ActiveState", unit=WATCH), ("active",))
        # The pool is set back, and QEMU's pages are surplus.
        self.assertEqual((self.host.read(f"{NODE}/nr_hugepages"), self.host.read(f"{NODE}/surplus_hugepages")),
                         ("128", "128"))
        status = json.loads(self.hv("status", "--json", "web").out)
        self.assertEqual((status["state"], str(status["pid"])), ("running", main))
        self.assertEqual(json.loads(self.hv("status", "--pins", "--json", "web").out)["drifted"], 0)
        self.guest_says("web")
        self.systemctl("stop", UNIT)
        self.assertEqual(self.show("ActiveState", "Result"), ("inactive", "success"))
        self.assertIn("stopped by hvlaunch (acpi)", self.hv("status", "web").out)
        self.wait_for_state("inactive", WATCH)
        self.assert_unchanged(before, ignore=LEFT)

    def test_commands_go_through_the_unit(self):
        self.profile("web")
        before = self.host.snapshot()
        self.hv("start", "--paused", "web")
        self.assertEqual(self.show("ActiveState"), ("active",))
        self.assertIn("web: paused", self.hv("status", "web").out)
        self.hv("start", "web", exit=5)
        self.hv("resume", "web")
        self.guest_says("web")
        stopped = json.loads(self.hv("stop", "--json", "web").out)
        self.assertEqual(stopped["by"], "acpi")
        self.assertEqual(self.show("ActiveState", "Result"), ("inactive", "success"))
        self.wait_for_state("inactive", WATCH)
        self.assert_unchanged(before, ignore=LEFT)
        # Whoever has it killed wants no other.
        self.hv("start", "web")
        self.hv("restart", "web")
        self.hv("kill", "web")
        self.assertEqual(self.show("ActiveState", "NRestarts"), ("inactive", "0"))
        # The guest ends by itself: no failure, and nobody starts it again.
        self.profile("web", cmdline="poweroff")
        self.hv("start", "web", exit=None)
        self.wait_for_state("inactive")
        self.assertEqual(self.show("Result"), ("success",))
        self.assertIn("the guest shut down", self.hv("status", "web").out)
        self.wait_for_state("inactive", WATCH)
        self.assert_unchanged(before, ignore=LEFT)

    def test_errors_of_the_stages_reach_who_started_it(self):
        self.profile("web", qemu={"extra_args": [{"reason": "a test", "args": ["-device", "no-such-device"]}]})
        before = self.host.snapshot()
        failed = self.hv("start", "web", exit=6).err
        self.assertIn("'no-such-device' is not a valid device model name", failed)
        self.assertIn("[no-device]", failed)
        self.assertEqual(self.show("ActiveState", "NRestarts"), ("inactive", "0"))
        self.assert_unchanged(before, ignore=LEFT)
        # Of prepare: the kernel gives fewer pages than it promised.
        self.profile("web", hugepages={"size": "1G"}, memory_mb=5120, numa={"nodeset": "1"})
        self.assertIn("[no-hugepages]", self.hv("start", "web", exit=6).err)
        # Of systemd: the unit itself is wrong.
        self.host.write("/usr/lib/systemd/system/hvlaunch@.service", "[Service]\nType=exec\nExecStart=/no/such\n")
        self.systemctl("daemon-reload")
        self.profile("web")
        self.assertIn("[unit-failed]", self.hv("start", "web", exit=1).err)
        self.assert_unchanged(before, ignore=LEFT)


class Window(UnitCase):
    def test_no_command_disturbs_a_start_between_its_stages(self):
        self.profile("web", hugepages={"size": "2M"}, numa={"nodeset": "1"})
        before = self.host.snapshot()
        self.host.run("hvlaunch caps >/dev/null; mkdir -p /run/systemd/system/hvlaunch@.service.d")
        # Longer than it is: one more stage between prepare and exec.
        self.host.write("/run/systemd/system/hvlaunch@.service.d/slow.conf",
                        "[Service]\nExecStartPre=busybox sleep 4\n")
        self.systemctl("daemon-reload")
        start = self.host.begin(["systemctl", "start", UNIT])
        self.wait_until("[ -e /run/hvlaunch/web/plan.json ] && pgrep -x busybox >/dev/null")
        self.assertEqual(self.ours(), [])
        kept, = self.show("NFileDescriptorStore")
        for _ in range(3):
            self.assertIn("starting", self.hv("list").out)
            self.hv("recover")
            self.hv("status", "web")
            self.assertIn("[already-running]", self.hv("prepare", "web", exit=5).err)
        self.assertEqual(kept, "4")
        start.wait(check=True)
        self.assertEqual(self.show("ActiveState", "NFileDescriptorStore", "NRestarts"), ("active", "0", "0"))
        self.hv("stop", "--force", "web")
        # A stage that dies between the two: its unit cleans up, and nobody keeps the lock.
        start = self.host.begin(["systemctl", "start", UNIT])
        self.wait_until("[ -e /run/hvlaunch/web/plan.json ] && pgrep -x busybox >/dev/null")
        self.host.run("pkill -KILL -x busybox", check=True)
        self.assertEqual(start.wait().status, 1)
        self.systemctl("stop", UNIT)
        self.host.run(f"systemctl reset-failed {UNIT}")
        self.host.run("rm -r /run/systemd/system/hvlaunch@.service.d; systemctl daemon-reload", check=True)
        self.wait_for_state("inactive", WATCH)
        self.assert_unchanged(before, ignore=[*LEFT, "resv_hugepages"])


class Killed(UnitCase):
    def test_a_killed_process_of_ours_harms_no_guest_and_a_killed_guest_is_started_again(self):
        self.profile("web", ready={"type": "serial-match", "text": "never", "timeout_seconds": 600})
        before = self.host.snapshot()
        start = self.host.begin(["systemctl", "start", UNIT])
        self.wait_until(f"[ \"$(systemctl show -P StatusText {UNIT})\" = \"waiting for 'never' on its console\" ]")
        self.assertEqual(self.show("ActiveState"), ("activating",))
        main, = self.show("MainPID")
        self.guest_says("web")
        self.host.run("pkill -KILL -f '[h]vlaunch await'; pkill -KILL -f '[h]vlaunch watch'", check=True)
        start.wait(check=True)
        self.wait_until(f"[ $(systemctl show -P NRestarts {WATCH}) = 1 ] && systemctl -q is-active {WATCH}")
        self.assertEqual(self.show("ActiveState", "MainPID"), ("active", main))
        self.assertIn("running", self.hv("qmp", "web", "query-status").out)
        # Of the guest itself.
        self.profile("web")
        for number in range(3):
            self.host.run(f"kill -KILL $(systemctl show -P MainPID {UNIT})", check=True)
            self.wait_until(f"[ $(systemctl show -P NRestarts {UNIT}) = {number + 1} ] && systemctl -q is-active {UNIT}")
        self.host.run(f"kill -KILL $(systemctl show -P MainPID {UNIT})", check=True)
        self.wait_for_state("failed")
        self.assertIn("killed", self.hv("status", "web").out)
        # Who starts it by hand wants it.
        self.hv("start", "web")
        # A ladder that dies leaves the rest to systemd.
        self.profile("web")
        stop = self.host.begin(["systemctl", "stop", UNIT])
        self.host.run("pkill -KILL -f '[h]vlaunch powerdown'")
        stop.wait(check=True)
        self.host.run(f"systemctl reset-failed {UNIT}")
        self.wait_for_state("inactive", WATCH)
        self.assert_unchanged(before, ignore=LEFT)


class Ready(UnitCase):
    def test_what_comes_after_the_guest_starts_when_it_is_ready(self):
        self.profile("web", ready={"type": "serial-match", "text": "bare: ready"})
        before = self.host.snapshot()
        self.host.write("/run/systemd/system/client.service",
                        f"[Unit]\nRequires={UNIT}\nAfter={UNIT}\n[Service]\nType=oneshot\n"
                        "ExecStart=grep -q 'bare: ready' /run/hvlaunch/web/console.log\n")
        self.systemctl("daemon-reload")
        self.systemctl("start", "client.service")
        # Stopped together, as at the host's shutdown: the guest is asked first, and its end is seen.
        self.systemctl("stop", "hvlaunch.slice")
        self.assertEqual(self.show("ActiveState", "Result"), ("inactive", "success"))
        self.assertIn("stopped by hvlaunch (acpi)", self.hv("status", "web").out)
        # Too late: the guest goes on, and who waits is told.
        self.profile("web", ready={"type": "tcp", "address": "127.0.0.1:9", "timeout_seconds": 1})
        late = self.hv("start", "web", exit=8).err
        self.assertIn("'web' runs, but waited 1 s in vain for 127.0.0.1:9 to take connections", late)
        self.assertEqual(self.show("ActiveState"), ("active",))
        self.hv("stop", "--force", "web")
        # Not ready yet, and asked all the same.
        self.profile("web", ready={"type": "serial-match", "text": "never", "timeout_seconds": 600})
        start = self.host.begin(["systemctl", "start", UNIT])
        self.wait_until("pgrep -f '[h]vlaunch await' >/dev/null")
        self.guest_says("web")
        self.assertEqual(json.loads(self.hv("stop", "--json", "web").out)["by"], "acpi")
        start.wait()
        self.assertEqual(self.show("ActiveState", "Result"), ("inactive", "success"))
        self.host.run("rm /run/systemd/system/client.service; systemctl daemon-reload", check=True)
        self.wait_for_state("inactive", WATCH)
        self.assert_unchanged(before, ignore=LEFT)


if __name__ == "__main__":
    unittest.main()
