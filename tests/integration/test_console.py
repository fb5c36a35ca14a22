# SPDX-License-Identifier: MIT
"""`hvlaunch console` on a real terminal."""
import signal
import subprocess
import termios
import unittest

import hv

LEAVE = "\x1d"  # Ctrl-]


class Console(hv.Case):
    def setUp(self):
        super().setUp()
        self.profile("demo", **self.guest())
        self.hv("start", "demo")
        with self.console("demo") as console:
            console.expect(hv.PROMPT, timeout=120)

    def tearDown(self):
        self.hv("stop", "demo", "--force", exit=None)

    def test_shows_what_was_printed_before(self):
        with self.console("demo") as console:
            console.expect(hv.UP, hv.READY, timeout=5)

    def test_round_trip(self):
        with self.console("demo") as console:
            console.expect(hv.READY)
            console.send("echo $((6 * 7))-apples\n")
            console.expect("42-apples", timeout=30)

    def test_control_c_is_the_guests(self):
        with self.console("demo") as console:
            console.expect(hv.READY)
            # It speaks from the foreground process itself, which the key is to reach.
            console.send("sh -c 'echo $((1 + 1))-begun; exec sleep 1000'\n")
            console.expect("2-begun", timeout=30)
            console.send("\x03")
            console.expect(hv.PROMPT, timeout=30)
            console.send("echo $((1 + 1))-still\n")
            console.expect("2-still", timeout=30)
            self.assertIsNone(console.process.poll())

    def test_leaves_by_control_bracket(self):
        with self.console("demo") as console:
            console.expect(hv.READY)
            self.assertFalse(console.settings()[3] & termios.ICANON, "the terminal is raw meanwhile")
            console.send(LEAVE)
            self.assertEqual(console.wait(), hv.DONE)
            self.assertEqual(console.settings(), console.original)
        self.assertEqual(self.status("demo")["state"], "running")

    def test_restores_the_terminal_when_killed(self):
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            with self.subTest(number), self.console("demo") as console:
                console.expect(hv.READY)
                console.kill(number)
                console.wait()
                self.assertEqual(console.settings(), console.original)

    def test_two_at_once(self):
        with self.console("demo") as one, self.console("demo") as two:
            one.expect(hv.READY)
            two.expect(hv.READY)
            one.send("echo $((6 * 7))-pears\n")
            one.expect("42-pears", timeout=30)
            two.expect("42-pears", timeout=30)

    def test_size_of_the_window_disturbs_nothing(self):
        with self.console("demo", rows=33, columns=101) as console:
            console.expect(hv.READY)
            console.resize(50, 120)
            # A serial port has no wire for the size: it must disturb nothing.
            console.send("echo $((1 + 1))-sizes\n")
            console.expect("2-sizes", timeout=30)

    def test_guest_with_an_agent_follows_the_size(self):
        self.hv("stop", "demo", "--force")
        self.profile("demo", **self.guest(words="hv.agent"))
        self.hv("start", "demo")
        with self.console("demo", rows=33, columns=101) as console:
            console.expect("agent listening", timeout=120)
            console.resize(50, 120)
            console.expect("agent size 50 120", timeout=30)
            console.send("stty size; echo $((1 + 1))-sizes\n")
            console.expect("50 120", "2-sizes", timeout=30)

    def test_not_a_terminal(self):
        with self.console("demo") as console:
            console.expect(hv.READY)
        # It goes on listening when its input has ended, until the guest ends.
        listener = self.spawn("console", "demo", stdin=subprocess.PIPE)
        listener.stdin.write("echo $((6 * 7))-plums; poweroff\n")
        listener.stdin.close()
        out = listener.stdout.read()
        self.assertEqual(listener.wait(timeout=60), 0)
        self.assertIn(hv.UP, out)
        self.assertIn("42-plums", out)

    def test_of_what_does_not_run(self):
        self.hv("stop", "demo", "--force")
        self.hv("console", "demo", exit=hv.WRONG_STATE)
        self.hv("console", "nobody", exit=hv.NO_SUCH_VM)
        self.assert_nothing_left()


if __name__ == "__main__":
    unittest.main()
