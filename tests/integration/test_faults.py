# SPDX-License-Identifier: MIT
"""Commands that race, are killed, or meet a QEMU that hangs: what is told stays true,
and one command puts all in order."""
import os
import random
import shutil
import signal
import threading
import time
import unittest

import hv
import hv_leftovers

STATES = {"stopped", "starting", "running", "paused", "unresponsive", "stopping"}


class Storms(hv.Case):
    def storm(self, commands, rounds):
        """Rounds of commands at once; every one ends by itself with a status of the table."""
        allowed = {hv.DONE, hv.FAILED, hv.WRONG_STATE, hv.TIMED_OUT}
        for number in range(rounds):
            racers = [self.spawn(*words) for words in commands()]
            for racer in racers:
                out, err = racer.communicate(timeout=60)
                self.assertIn(racer.returncode, allowed, (number, racer.args, out, err))
                if racer.returncode != hv.DONE:
                    self.assertRegex(err, r"error: .*\[[a-z-]+\]", racer.args)

    def test_random_commands(self):
        self.profile("demo", **self.guest())
        dice = random.Random(2)
        words = [["start"], ["stop", "--force"], ["kill"], ["status"], ["pause"], ["resume"], ["restart"],
                 ["recover"]]
        self.storm(lambda: [[word, "demo", *more] for word, *more in dice.choices(words, k=8)], 10)
        self.assertLessEqual(len(self.processes("qemu-system-")), 1)
        state = self.status("demo")["state"]
        self.assertIn(state, STATES)
        self.hv("kill", "demo", exit=hv.DONE if state != "stopped" else hv.WRONG_STATE)
        self.assertEqual(self.status("demo")["state"], "stopped")
        self.assert_nothing_left()
        self.hv("start", "demo")
        self.hv("kill", "demo")
        self.assert_nothing_left()

    def test_start_against_kill(self):
        self.profile("demo", **self.guest())
        self.storm(lambda: [["start", "demo"], ["kill", "demo"], ["start", "demo"], ["kill", "demo"]], 15)
        if self.status("demo")["state"] != "stopped":
            self.hv("kill", "demo")
        self.assert_nothing_left()


class Killed(hv.Case):
    def test_start_killed_at_any_moment(self):
        self.profile("demo", **self.guest(), disk_gb=1)
        self.hv("start", "--paused", "demo")  # QEMU is known from now on, as at most starts
        self.hv("kill", "demo")
        for milliseconds in (2, 5, 8, 10, 13, 16, 20, 25, 30, 35, 40, 50, 60, 70, 80, 100, 120, 150, 180, 220):
            with self.subTest(milliseconds):
                self.kill_start_after(milliseconds / 1000)
                (self.state_dir / "disks/demo.qcow2").unlink(missing_ok=True)

    def kill_start_after(self, seconds):
        start = self.spawn("start", "demo")
        timer = threading.Timer(seconds, start.kill)
        timer.start()
        start.wait(timeout=60)
        timer.cancel()
        told = self.status("demo")
        listed = {row["name"]: row["state"] for row in self.hv("list", "--json").json}
        self.assertIn(told["state"], STATES)
        alive = bool(self.processes("qemu-system-"))
        if told["state"] == "stopped":
            self.assertEqual(listed, {"demo": "stopped"})
            self.assertFalse(alive)
        else:
            self.hv("kill", "demo")
        self.assertEqual(self.status("demo")["state"], "stopped")
        self.assert_nothing_left()
        self.hv("start", "demo")
        self.hv("kill", "demo")
        self.assert_nothing_left()


class Hung(hv.Case):
    """QEMU is stopped by a signal: it lives, and answers nothing."""

    def setUp(self):
        super().setUp()
        self.profile("demo", **self.guest(), shutdown={"quit_seconds": 1, "term_seconds": 1})
        self.hv("start", "demo")
        (pid, _), = self.processes("qemu-system-").items()
        self.qemu = os.pidfd_open(pid)
        self.addCleanup(os.close, self.qemu)
        self.addCleanup(self.signal, signal.SIGCONT)
        self.signal(signal.SIGSTOP)

    def signal(self, number):
        try:
            signal.pidfd_send_signal(self.qemu, number)
        except ProcessLookupError:
            pass

    def timed(self, *words):
        began = time.monotonic()
        result = self.hv(*words)
        return result, time.monotonic() - began

    def test_status_and_list_answer(self):
        for words in (("status", "demo", "--json"), ("list", "--json")):
            tries = [self.timed(*words) for _ in range(3)]
            for result, _ in tries:
                self.assertIn('"unresponsive"', result.out)
            self.assertLess(min(seconds for _, seconds in tries), 0.1)
        self.signal(signal.SIGCONT)
        # What was asked before is still answered first; then all is well.
        self.assertEqual(self.hv("qmp", "demo", "query-status").json["status"], "running")
        self.assertEqual(self.status("demo")["state"], "running")
        self.hv("kill", "demo")
        self.assert_nothing_left()

    def test_stop_goes_up_the_ladder(self):
        result, seconds = self.timed("stop", "--force", "demo", "--json")
        self.assertIn(result.json["by"], ("term", "kill"))
        self.assertLess(seconds, 1 + 1 + 1)
        self.assert_nothing_left()

    def test_kill_is_at_once(self):
        result, seconds = self.timed("kill", "demo")
        self.assertLess(seconds, 1)
        self.assert_nothing_left()

    def test_a_question_has_an_end(self):
        result = self.hv("pause", "demo", exit=hv.TIMED_OUT, timeout=30)
        self.assertIn("hint: ", result.err)
        self.hv("kill", "demo")
        self.assert_nothing_left()


class Wiped(hv.Case):
    """Somebody removes what is below /run. QEMU has its lock open still, and is found by it."""

    def test_guest_lives_on(self):
        self.profile("demo", **self.guest())
        self.hv("start", "demo")
        qemus = self.processes("qemu-system-")
        shutil.rmtree(self.runtime_dir)
        self.hv("start", "demo", exit=hv.WRONG_STATE)
        self.assertIn(self.status("demo")["state"], STATES - {"stopped"})
        self.assertEqual(self.processes("qemu-system-"), qemus)
        self.hv("stop", "--force", "demo")
        self.assertEqual(hv_leftovers.wait_gone(self.place, 5), {})
        self.assertEqual(self.status("demo")["state"], "stopped")
        self.assert_nothing_left()
        self.hv("start", "demo")
        self.hv("kill", "demo")
        self.assert_nothing_left()

    def test_files_lost_or_cut_short(self):
        for name in ("state.json", "journal", "qmp.sock", "qemu.log", "lock"):
            for damage in (os.unlink, lambda path: os.truncate(path, 0)):
                with self.subTest(name):
                    self.profile("demo", **self.guest())
                    self.hv("start", "demo")
                    file = self.run_dir("demo") / name
                    if file.is_file():
                        damage(file)
                    elif file.exists():
                        file.unlink()
                    self.assertIn(self.status("demo")["state"], STATES - {"stopped"})
                    self.hv("kill", "demo")
                    self.assertEqual(self.status("demo")["state"], "stopped")
                    self.assert_nothing_left()


if __name__ == "__main__":
    unittest.main()
