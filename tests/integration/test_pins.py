# SPDX-License-Identifier: MIT
"""Threads are where the plan says before the guest's first instruction, and claims are kept."""
import os
import unittest

import hv

# Neither is ever started by a firmware: what runs in the guest does not matter here.
SMALL = {"cpus": 1, "memory_mb": 256, "disk_gb": 0, "firmware": "bios", "display": "none",
         "accel": "tcg", "network": "none"}


class Pins(hv.Case):
    def setUp(self):
        super().setUp()
        self.cpus = sorted(os.sched_getaffinity(0))
        self.assertGreaterEqual(len(self.cpus), 2, "pins need two CPUs")
        self.first, self.last = str(self.cpus[0]), str(self.cpus[-1])

    def pinned(self, name, **fields):
        pins = {"vcpus": [self.last], "emulator": self.first}
        self.profile(name, **{**SMALL, "pinning": pins, **fields})

    def threads(self, name):
        return self.hv("--json", "status", "--pins", name).json

    def test_proven_before_the_first_instruction(self):
        self.pinned("demo")
        self.hv("start", "demo", "--paused")
        seen = self.threads("demo")
        self.assertEqual(seen["drifted"], 0)
        self.assertEqual([(t["what"], t["actual"]) for t in seen["threads"]][0], ("vCPU 0", self.last))
        others = seen["threads"][1:]
        self.assertGreaterEqual(len(others), 1)
        self.assertEqual({t["actual"] for t in others}, {self.first})
        for thread in seen["threads"]:
            expected = self.last if thread["what"] == "vCPU 0" else self.first
            self.assertEqual(os.sched_getaffinity(thread["thread"]), {int(expected)})
        self.hv("stop", "demo", "--force")
        self.assert_nothing_left()

    def test_drift_is_shown(self):
        self.pinned("demo")
        self.hv("start", "demo", "--paused")
        vcpu = self.threads("demo")["threads"][0]["thread"]
        os.sched_setaffinity(vcpu, {int(self.first)})
        seen = self.threads("demo")
        self.assertEqual(seen["drifted"], 1)
        self.assertEqual(seen["threads"][0]["actual"], self.first)
        self.assertIn("drifted", self.hv("status", "--pins", "demo").out)
        self.hv("kill", "demo")

    def test_nothing_pinned(self):
        self.profile("demo", **SMALL)
        self.hv("start", "demo", "--paused")
        self.assertEqual(self.threads("demo")["threads"], [])
        self.hv("kill", "demo")
        self.refused("status", "--pins", "demo", exit=hv.WRONG_STATE, id="not-running")

    def test_topology_shows_the_guest(self):
        self.pinned("demo")
        self.hv("start", "demo", "--paused")
        self.assertIn({"guest": "demo", "vcpu": 0, "cpus": self.last},
                      self.hv("--json", "topology").json["vcpus"])
        self.assertIn("demo", self.hv("topology").out)
        self.hv("kill", "demo")
        self.assertEqual(self.hv("--json", "topology").json["vcpus"], [])

    def test_exclusive_cpus_are_one_guest_s(self):
        self.pinned("one")
        self.pinned("two")
        self.hv("start", "one", "--paused")
        self.refused("start", "two", exit=hv.WRONG_STATE, id="cpu-claimed", words=["'one'"],
                     hint="stop one")
        self.hv("kill", "one")
        self.hv("start", "two", "--paused")
        self.hv("kill", "two")
        self.assert_nothing_left()

    def test_shared_cpus_are_many_s(self):
        shared = {"pinning": {"vcpus": [self.last], "exclusive": False}}
        self.pinned("one", **shared)
        self.pinned("two", **shared)
        self.hv("start", "one", "--paused")
        self.hv("start", "two", "--paused")
        self.hv("kill", "one")
        self.hv("kill", "two")

    def test_check_all_finds_what_two_want_at_boot(self):
        self.pinned("one", autostart=True)
        self.pinned("two", autostart=True)
        self.refused("check", "--all", exit=hv.WRONG_STATE, id="cpu-claimed", words=["'one'"])
        self.pinned("two", autostart=False)
        said = self.hv("check", "--all")
        self.assertIn("only one of them can run at a time", said.err)

    def test_a_cpu_that_is_not_there(self):
        self.pinned("demo", pinning={"vcpus": ["8000"]})
        self.refused("start", "demo", exit=hv.CANNOT, id="no-such-cpu", words=["8000"],
                     hint="hvlaunch topology")
        self.assert_nothing_left()

    def test_fewer_pins_than_vcpus(self):
        self.pinned("demo", cpus=2)
        self.refused("start", "demo", exit=hv.PROFILE, id="too-few-pins")
        self.assert_nothing_left()


if __name__ == "__main__":
    unittest.main()
