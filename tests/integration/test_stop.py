# SPDX-License-Identifier: MIT
"""The shutdown ladder: asked nicely first, and always down within the declared times."""
import time
import unittest

import hv


class Stop(hv.Case):
    def running(self, arch="x86_64", words="", **fields):
        self.profile("demo", **{**self.guest(arch, words), **fields})
        self.hv("start", "demo")

    def seen_by_the_guest(self, arch, **fields):
        self.running(arch, **fields)
        with self.console("demo") as console:
            console.expect(hv.READY, timeout=120)
            self.hv("stop", "demo")
            # The console's end is the guest's: what it printed last is still shown.
            console.expect("hvlaunch-guest: power button", "hvlaunch-guest: powering off")
            self.assertEqual(console.wait(), hv.DONE)
        self.assert_nothing_left()

    def test_x86_64_guest_powers_itself_off(self):
        self.seen_by_the_guest("x86_64")

    def test_aarch64_guest_powers_itself_off(self):
        self.seen_by_the_guest("aarch64")

    def test_riscv64_guest_powers_itself_off(self):
        # The machine has no power button of its own: it takes a keyboard with the key.
        self.seen_by_the_guest("riscv64")

    def test_works_without_a_watch(self):
        self.seen_by_the_guest("x86_64", watch=False)

    def test_agent_is_asked_first(self):
        self.profile("demo", **self.guest(words="hv.agent hv.ignore-powerbutton"))
        self.hv("start", "demo")
        with self.console("demo") as console:
            console.expect("agent listening", timeout=120)
            self.assertEqual(self.hv("stop", "demo", "--json").json["by"], "agent")
            console.expect("agent shutting down")
        self.assert_nothing_left()

    def test_guest_that_ignores_the_button(self):
        ladder = {"agent_seconds": 0, "acpi_seconds": 3, "quit_seconds": 5, "term_seconds": 5}
        self.running(words="hv.ignore-powerbutton", shutdown=ladder)
        with self.console("demo") as console:
            console.expect(hv.READY, timeout=120)
            began = time.monotonic()
            self.hv("stop", "demo")
            took = time.monotonic() - began
            console.expect("hvlaunch-guest: power button ignored")
        self.assertGreaterEqual(took, 3)
        self.assertLess(took, 3 + 5, "the first rung after ACPI, QMP's quit, must do")
        self.assert_nothing_left()

    def test_guest_that_is_stopped_by_the_host(self):
        self.running()
        self.hv("pause", "demo")
        began = time.monotonic()
        self.hv("stop", "demo", "--force")
        self.assertLess(time.monotonic() - began, 5)
        self.assert_nothing_left()

    def test_force_does_not_ask(self):
        self.running()
        with self.console("demo") as console:
            console.expect(hv.READY, timeout=120)
            self.hv("stop", "demo", "--force")
            self.assertNotIn("power button", console.drain())
        self.assert_nothing_left()

    def test_kill(self):
        self.running()
        self.hv("kill", "demo")
        self.assert_nothing_left()

    def test_guest_that_powers_off_by_itself(self):
        self.running(words="hv.poweroff")
        with self.console("demo") as console:
            self.assertEqual(console.wait(timeout=120), hv.DONE)
        self.assert_nothing_left()
        self.hv("stop", "demo", exit=hv.WRONG_STATE)

    def test_stop_of_what_does_not_run(self):
        self.profile("demo", **self.guest())
        self.hv("stop", "demo", exit=hv.WRONG_STATE)
        self.hv("stop", "nobody", exit=hv.NO_SUCH_VM)
        self.assert_nothing_left()


if __name__ == "__main__":
    unittest.main()
