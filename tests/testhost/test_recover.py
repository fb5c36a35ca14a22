# SPDX-License-Identifier: MIT
"""hvlaunch and QEMU killed at any time: the host comes back to what it was.

strace kills hvlaunch on its way into the Nth system call of a kind, before the kernel
carries it out. Each write, sync, removal and child is one such point, and with them each
state between two of them. strace follows no children, so that QEMU and `watch` live on.

HV_ROUNDS is how many random kills of a guest there are; with it all points are tried,
without it those of the journal and some more, the same each time (HV_SEED chooses others).
"""
import os
import random
import re
import unittest

import machine
from hostcase import HostCase
from test_guest_devices import KEPT

ROUNDS = int(os.environ.get("HV_ROUNDS", "0"))
SEED = int(os.environ.get("HV_SEED", "739942"))
# Whoever is killed in his turn leaves the turn's empty file, which the next one takes away.
LEFT = [*KEPT, r"^/run/hvlaunch/\.(claims|hugepages)\.lock$"]
# A child writes what goes to a driver, which may hang: clone is the point before it, pidfd_open the one beside it.
KINDS = ("fdatasync", "write", "unlinkat", "renameat2", "renameat", "mkdirat", "clone", "clone3", "pidfd_open",
         "sched_setaffinity", "sendmsg", "ftruncate")
# The points of the journal are tried each time.
ALWAYS = ("fdatasync",)
VM = "all"
DIRECTORY = f"/run/hvlaunch/{VM}"
# Whether it has ended or not; what ends by itself, such as a watch that cleans up, is given some time.
CLEAN_UP = f"""
hvlaunch recover; hvlaunch kill {VM}; end=$(($(date +%s) + 60))
until [ ! -e {DIRECTORY} ] || [ $(date +%s) -gt $end ]; do hvlaunch recover; busybox usleep 50000; done
until ! pgrep -x qemu-system-x86 || [ $(date +%s) -gt $end ]; do busybox usleep 20000; done
until ! pgrep -f '[h]vlaunch watch' || [ $(date +%s) -gt $end ]; do busybox usleep 20000; done
"""


class Killed(HostCase):
    def guest(self, **fields):
        """One that takes everything at once."""
        self.profile(VM, hostdevs=[machine.NIC, {"address": machine.BRIDGED_NIC, "siblings": "bind"}],
                     hugepages={"size": "2M"}, numa={"nodeset": "1"}, pinning={"vcpus": ["2"], "emulator": "1"},
                     **fields)
        self.host.write("/sys/devices/system/node/node1/hugepages/hugepages-2048kB/nr_hugepages", "8")
        self.hv("caps")  # What it knows of QEMU is no change to the host.
        return self.host.snapshot()

    def points(self, command):
        """(kind, number) of each system call that changes something."""
        kinds = ",".join("?" + kind for kind in KINDS)
        self.host.run(f"strace -qq -o /tmp/trace -e trace={kinds} -e signal=none {command}", check=True, timeout=90)
        counts, points = {}, []
        for line in self.host.read("/tmp/trace").splitlines():
            if match := re.match(r"(\w+)\(", line):
                counts[match[1]] = counts.get(match[1], 0) + 1
                points.append((match[1], counts[match[1]]))
        self.assertGreater(len(points), 10)
        return points

    def picked(self, points):
        if ROUNDS:
            return points
        always = [point for point in points if point[0] in ALWAYS]
        others = [point for point in points if point[0] not in ALWAYS]
        return always + random.Random(SEED).sample(others, min(len(others), 4))

    def kill_at(self, kind, number, command):
        done = self.host.run(f"strace -qq -o /dev/null -e trace={kind} -e signal=none "
                             f"-e inject={kind}:signal=SIGKILL:when={number} {command}", timeout=90)
        self.assertIn(done.status, ("signal-9", 137, 0), f"{kind} {number}: {done}")
        return done.status != 0

    def assert_comes_back(self, before, what):
        done = self.host.run(CLEAN_UP, timeout=120)
        try:
            self.assert_unchanged(before, ignore=LEFT)
        except AssertionError as error:
            threads = self.host.run("for id in $(pgrep -x qemu-system-x86); do cut -c 1-60 /proc/$id/task/*/stat; "
                                    "cat /proc/$id/task/*/stack; ls -l /proc/$id/fd; done; dmesg | tail -n 20")
            raise AssertionError(f"{what}, seed {SEED}: {error}\n{done}\n{threads}") from None

    def test_start_killed_at_each_point_leaves_nothing_that_recover_does_not_undo(self):
        before = self.guest()
        points = self.points(f"hvlaunch start --paused {VM}")
        self.assert_comes_back(before, "no kill")
        killed = 0
        for kind, number in self.picked(points):
            killed += self.kill_at(kind, number, f"hvlaunch start --paused {VM}")
            self.assert_comes_back(before, f"start killed at {kind} {number}")
        print(f"start: killed {killed} times at {len(points)} points")
        self.assertGreater(killed, 3)

    def test_stop_killed_at_each_point_leaves_nothing_that_recover_does_not_undo(self):
        before = self.guest(watch=False)
        self.hv("start", "--paused", VM)
        points = self.points(f"hvlaunch stop --force {VM}")
        self.assert_comes_back(before, "no kill")
        killed = 0
        for kind, number in self.picked(points):
            self.hv("start", "--paused", VM)
            killed += self.kill_at(kind, number, f"hvlaunch stop --force {VM}")
            # One that recovers is killed there, too.
            killed += self.kill_at(kind, number, "hvlaunch recover")
            self.assert_comes_back(before, f"stop and recover killed at {kind} {number}")
        print(f"stop: killed {killed} times at {len(points)} points")
        self.assertGreater(killed, 3)

    def test_a_guest_killed_at_any_time_gives_everything_back(self):
        before = self.guest()
        chance = random.Random(SEED)
        victims = ("pkill -KILL -x qemu-system-x86", "pkill -KILL '(qemu-system-x86|hvlaunch)'",
                   "pkill -KILL hvlaunch", "pkill -KILL -f '[h]vlaunch watch'")
        for number in range(ROUNDS or 6):
            victim, wait = chance.choice(victims), int(chance.uniform(0, 2_500_000))
            self.host.run(f"hvlaunch start {VM} & busybox usleep {wait}; {victim}; wait", timeout=120)
            self.assert_comes_back(before, f"round {number}: {victim} after {wait} us")


if __name__ == "__main__":
    unittest.main()
