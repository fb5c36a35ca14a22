# SPDX-License-Identifier: MIT
"""What must not grow, however often and however fast: a guest started a thousand times,
two hundred starts at once, events and words without end.

HV_CYCLES and HV_STORMS say how much; without them a part of it, enough for a leak of one
descriptor, file or control group in each round to be seen.
"""
import os
import re
import time
import unittest
from pathlib import Path

import hv

CYCLES = int(os.environ.get("HV_CYCLES", "60"))
STORMS = int(os.environ.get("HV_STORMS", "2"))
STARTS = 200
EVENTS = 4000
MIB = 1 << 20


def host():
    """What could grow on this host; memory is told apart, for others use it, too."""
    groups = [path for path in Path("/sys/fs/cgroup").rglob("*") if path.is_dir() and "hvlaunch" in path.name]
    return {"huge pages": [Path("/proc/sys/vm/nr_hugepages").read_text()],
            "shared memory": sorted(os.listdir("/dev/shm")),
            "System V objects": [(kind, line.split()[1]) for kind in ("shm", "sem", "msg")
                                 for line in Path("/proc/sysvipc", kind).read_text().splitlines()],
            "mounts": sorted(line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()),
            "control groups": sorted(map(str, groups)),
            "interfaces": sorted(os.listdir("/sys/class/net"))}


def resident(pid):
    return int(re.search(r"VmRSS:\s*(\d+)", Path(f"/proc/{pid}/status").read_text())[1]) << 10


class Cycles(hv.Case):
    def test_a_guest_started_and_stopped_again_and_again_leaves_nothing_more(self):
        self.profile("demo", **self.guest(), disk_gb=1)
        self.cycle()
        before = host(), self.files()
        for number in range(CYCLES):
            with self.subTest(number):
                self.cycle()
        for what, there in host().items():  # Others of this host may take away what was theirs.
            more = set(map(str, there)) - set(map(str, before[0][what]))
            self.assertEqual(more, set(), f"more {what}")
        self.assertEqual(self.files(), before[1])
        self.assert_nothing_left()

    def cycle(self):
        self.hv("start", "--paused", "demo")
        self.hv("stop", "--force", "demo")

    def ask_many(self):
        for _ in range(CYCLES):
            self.hv("qmp", "demo", "query-status")

    def files(self):
        return {str(path.relative_to(self.place)): path.stat().st_size >> 16
                for path in self.place.rglob("*") if path.is_file()}

    def test_one_watch_lives_through_many_clients_without_growing(self):
        self.profile("demo", **self.guest())
        self.hv("start", "demo")
        (watch, _), = self.processes(" watch ").items()
        self.ask_many()
        before = resident(watch), sorted(os.listdir(f"/proc/{watch}/fd"))
        self.ask_many()
        after = resident(watch), sorted(os.listdir(f"/proc/{watch}/fd"))
        self.assertEqual(after[1], before[1])
        self.assertLess(after[0] - before[0], MIB // 2)


class Storms(hv.Case):
    def test_of_many_starts_at_once_one_wins(self):
        self.profile("demo", **self.guest())
        self.hv("start", "--paused", "demo")  # QEMU is known from now on.
        self.hv("kill", "demo")
        for number in range(STORMS):
            with self.subTest(number):
                starts = [self.spawn("start", "--paused", "demo") for _ in range(STARTS)]
                ends = [start.communicate(timeout=120) and start.returncode for start in starts]
                self.assertEqual(ends.count(hv.DONE), 1, ends)
                self.assertLessEqual(set(ends), {hv.DONE, hv.WRONG_STATE})
                self.assertEqual(len(self.processes("qemu-system-")), 1)
                self.hv("kill", "demo")
                self.assert_nothing_left()


class Floods(hv.Case):
    """`watch` stays as it is while its guest, its QEMU or a client does all it can."""

    def setUp(self):
        super().setUp()
        self.profile("demo", **self.guest())
        self.hv("start", "demo")
        (self.watch, _), = self.processes(" watch ").items()
        (self.qemu, _), = self.processes("qemu-system-").items()
        self.log = self.run_dir("demo") / "qemu.log"
        self.before = resident(self.watch)

    def assert_bounded(self):
        self.assertLess(resident(self.watch) - self.before, 4 * MIB)
        self.assertLess(self.log.stat().st_size, MIB)
        began = time.monotonic()
        self.assertIn(self.status("demo")["state"], ("running", "paused"))
        self.assertLess(time.monotonic() - began, 1)
        self.hv("kill", "demo")
        self.assert_nothing_left()

    def test_events_without_end_beside_a_client_that_does_not_read(self):
        with self.qmp("demo"), self.qmp("demo") as busy:
            for _ in range(EVENTS // 2):
                busy.call("stop")
                busy.call("cont")
            self.assert_bounded()

    def test_a_console_that_never_stops_and_a_viewer_that_does_not_look(self):
        with self.console_socket("demo") as blind, self.console_socket("demo") as console:
            console.expect(hv.PROMPT)
            console.send("yes 0123456789abcdef | head -c 3000000; echo; echo all-''of-it\r")
            console.expect("all-of-it")
            self.assertGreater(len(console.seen), 3_000_000)
            self.assertEqual(blind.seen, "")
            self.assert_bounded()

    def test_a_qemu_that_logs_without_end(self):
        with self.qmp("demo") as qmp, self.console_socket("demo") as console:
            console.expect(hv.PROMPT)
            qmp.call("human-monitor-command", command_line="log exec,nochain")
            console.send("i=0; while [ $i -lt 300 ]; do i=$((i+1)); done; echo all-''of-it\r")
            console.expect("all-of-it")
            qmp.call("human-monitor-command", command_line="log none")
            written = int(re.search(r"wchar: (\d+)", Path(f"/proc/{self.qemu}/io").read_text())[1])
            self.assertGreater(written, 12 * MIB)
            self.assert_bounded()


if __name__ == "__main__":
    unittest.main()
