# SPDX-License-Identifier: MIT
"""What is done to a running guest, and what survives the death of hvlaunch's processes."""
import os
import select
import shutil
import signal
import unittest
from pathlib import Path

import hv
import hv_leftovers
from hv_qmp import Qmp


class Lifecycle(hv.Case):
    def running(self, words="", wait=False, **fields):
        self.profile("demo", **{**self.guest(words=words), **fields})
        self.hv("start", "demo")
        if wait:
            with self.console("demo") as console:
                console.expect(hv.READY, timeout=120)

    def state(self):
        return self.status("demo")["state"]

    def stopped_and_clean(self):
        self.hv("stop", "demo", "--force")
        self.assert_nothing_left()

    def test_pause_and_resume(self):
        self.running()
        self.hv("pause", "demo")
        self.assertEqual(self.state(), "paused")
        self.hv("pause", "demo", exit=hv.WRONG_STATE)
        self.hv("resume", "demo")
        self.assertEqual(self.state(), "running")
        self.hv("resume", "demo", exit=hv.WRONG_STATE)
        self.stopped_and_clean()

    def test_start_paused_runs_no_instruction(self):
        self.profile("demo", **self.guest())
        self.hv("start", "demo", "--paused")
        self.assertEqual(self.state(), "paused")
        self.hv("resume", "demo")
        with self.console("demo") as console:
            console.expect(hv.UP, timeout=120)
        self.stopped_and_clean()

    def test_reset_boots_anew(self):
        self.running(wait=True)
        with self.console("demo") as console:
            console.expect(hv.READY)
            self.hv("reset", "demo")
            console.expect(hv.UP, timeout=120)
        self.stopped_and_clean()

    def test_restart_is_another_process(self):
        self.running(wait=True)
        before = set(self.processes("qemu-system-"))
        self.hv("restart", "demo")
        after = set(self.processes("qemu-system-"))
        self.assertEqual(len(after), 1)
        self.assertFalse(before & after)
        with self.console("demo") as console:
            console.expect(hv.UP, timeout=120)
        self.stopped_and_clean()

    def test_status_says_what_is(self):
        self.profile("demo", **self.guest())
        self.assertEqual(self.state(), "stopped")
        self.hv("start", "demo")
        status = self.status("demo")
        for key in ("name", "state", "uptime_seconds", "accelerator", "vcpus", "memory_mib", "qmp", "console"):
            self.assertIn(key, status)
        self.assertEqual(status["name"], "demo")
        self.assertIn("demo", self.hv("status", "demo").out)
        self.stopped_and_clean()

    def test_status_tells_of_devices_in_quarantine(self):
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        kept = self.runtime_dir / ".quarantine/0000:ff:1f.7"
        kept.parent.mkdir(mode=0o700, parents=True)
        kept.write_text(f"{boot}\n1700000000\ndriver-hangs\nits driver does not let go\n")
        self.profile("gpu", hostdevs=["0000:ff:1f.7"])
        self.profile("plain")
        self.assertRegex(self.hv("status", "gpu").out, "0000:ff:1f.7: its driver does not let go .*vfio clear 0000:ff:1f.7")
        self.assertEqual(self.status("gpu")["quarantine"],
                         [{"address": "0000:ff:1f.7", "cause": "driver-hangs", "message": "its driver does not let go",
                           "since": 1700000000}])
        self.assertNotIn("quarantine", self.hv("status", "plain").out)
        self.assertNotIn("quarantine", self.status("plain"))
        shutil.rmtree(kept.parent)

    def test_list(self):
        self.running()
        self.profile("idle", **self.guest())
        rows = {row["name"]: row["state"] for row in self.hv("list", "--json").json}
        self.assertEqual(rows, {"demo": "running", "idle": "stopped"})
        plain = self.hv("list").out
        self.assertIn("demo", plain)
        self.assertIn("idle", plain)
        self.stopped_and_clean()

    def test_qmp_command(self):
        self.running()
        self.assertIn("running", self.hv("qmp", "demo", "query-status").out)
        self.hv("qmp", "demo", "no-such-command", exit=hv.FAILED)
        self.stopped_and_clean()

    def test_guest_lives_on_when_hvlaunch_is_killed(self):
        self.running(wait=True)
        self.assertTrue(self.processes("qemu-system-"))
        for pid in self.hvlaunch_processes():
            os.kill(pid, signal.SIGKILL)
        self.assertEqual(self.state(), "running")
        self.assertTrue(self.processes("qemu-system-"))
        self.hv("stop", "demo")
        self.assert_nothing_left()

    def hvlaunch_processes(self):
        pids = [pid for pid in hv_leftovers.processes_of(self.place)
                if os.path.realpath(f"/proc/{pid}/exe") == os.path.realpath(hv.HVLAUNCH)]
        self.assertTrue(pids, "a watch should be running")
        return pids

    def test_watch_comes_back(self):
        self.running()
        for pid in self.hvlaunch_processes():
            os.kill(pid, signal.SIGKILL)
        watch = self.spawn("watch", "demo")
        with self.qmp_of(watch) as qmp:
            self.assertEqual(qmp.call("query-status")["status"], "running")
        self.stopped_and_clean()

    def qmp_of(self, watch):
        """Its socket is bound before it says a word; then it is there to connect to."""
        watch.stderr.readline()
        return self.qmp("demo")

    def test_without_a_watch_no_process_of_ours_stays(self):
        self.running(watch=False)
        lines = self.processes()
        self.assertEqual(len(lines), 1, lines)
        self.assertIn("qemu-system-", *lines.values())
        self.stopped_and_clean()

    def test_qemu_that_is_killed_is_noticed(self):
        self.running()
        for pid in self.processes("qemu-system-"):
            os.kill(pid, signal.SIGKILL)
        self.assertEqual(hv_leftovers.wait_gone(self.place, 10), {})
        status = self.status("demo")
        self.assertEqual(status["state"], "stopped")
        self.assertIn("KILL", str(status).upper())
        self.assert_nothing_left()
        self.hv("start", "demo")
        self.stopped_and_clean()

    def test_panic_is_a_cause(self):
        self.running(words="hv.panic")
        with self.console("demo") as console:
            console.wait(timeout=120)
        self.assertIn("panic", str(self.status("demo")))
        self.assert_nothing_left()

    def test_profile_edited_while_its_guest_runs(self):
        self.running()
        self.profile("demo", cpus=0)
        self.assertEqual(self.state(), "running")
        self.stopped_and_clean()

    def test_escapes_are_harmless(self):
        self.profile("demo", **self.guest(), description="\x1b]0;owned\x07\x1b[2Jtext")
        self.assertNotIn("\x1b", self.hv("start", "demo", exit=hv.PROFILE).err)
        self.running()
        # What QEMU prints may hold what a guest says; status shows the end of it.
        with open(self.run_dir("demo") / "qemu.log", "a") as log:
            log.write("the guest says \x1b]0;owned\x07\x1b[2Jboo\n")
        self.hv("kill", "demo")
        for words in (("status", "demo"), ("list",)):
            self.assertNotIn("\x1b", self.hv(*words).out)
        self.assertIn("\\x1b[2Jboo", self.hv("status", "demo").out)
        self.assert_nothing_left()

    def test_events_are_told(self):
        self.running()
        events = self.spawn("events", "demo", "--json")
        with Qmp(self.run_dir("demo") / "qmp.sock") as qmp:
            # What happens before `events` has connected it cannot tell of.
            told = False
            while not told:
                qmp.call("stop")
                qmp.event("STOP")
                qmp.call("cont")
                told = select.select([events.stdout], [], [], 0.5)[0] or events.poll() is not None
        self.stopped_and_clean()
        out, _ = events.communicate(timeout=20)
        self.assertIn("STOP", out)


if __name__ == "__main__":
    unittest.main()
