# SPDX-License-Identifier: MIT
"""The cage: a program in QEMU's place tries what whoever took QEMU over would try."""
import os
import shutil
import signal
import socket
import subprocess
import unittest
from pathlib import Path

import hv

PROBE = hv.REPOSITORY / "build/release/bin/cage_probe"
LEAST = 120


class Cage(hv.Case):
    def setUp(self):
        super().setUp()
        self.need(PROBE.exists(), f"{PROBE}: build the release preset")
        # A folder of its own: what QEMU comes with is QEMU's to read.
        self.bin = self.place / "q/bin"
        self.bin.mkdir(parents=True)
        self.probe = self.bin / "cage_probe"
        shutil.copy(PROBE, self.probe)

    def other_guest(self):
        """Another guest that runs, and a socket of the host that everybody may connect to."""
        self.profile("other", disk_gb=1)
        self.hv("start", "--paused", "other")
        self.listener = socket.socket(socket.AF_UNIX)
        self.addCleanup(self.listener.close)
        self.listener.bind(str(self.place / "host.sock"))
        self.listener.listen()
        os.chmod(self.place / "host.sock", 0o777)
        abstract = socket.socket(socket.AF_UNIX)
        self.addCleanup(abstract.close)
        abstract.bind(f"\0{self.place}")
        abstract.listen()
        return self.status_pid("other")

    def status_pid(self, name):
        return self.hv("--json", "status", name).json["pid"]

    def targets(self, own, other):
        """(kind, path) of all files and sockets that are tried."""
        others = [self.state_dir / "disks/other.qcow2", other / "state.json", other / "lock",
                  other / "qemu.log", self.state_dir / "records/other.json"]
        host = ["/etc/shadow", "/etc/passwd", "/etc/machine-id", "/proc/1/environ", "/proc/kcore", "/dev/mem",
                "/dev/kmsg", "/dev/port", "/var/lib/dpkg/status", "/root", "/home", "/tmp", "/sys/kernel/debug",
                "/proc/kallsyms", "/proc/modules", "/proc/mounts", f"/proc/{os.getpid()}/mem",
                f"/proc/{os.getpid()}/environ", self.config_dir / "vm-profiles/other.json", own / "journal",
                own / "state.json", own / "lock"]
        writes = ["/etc/passwd", "/proc/sys/kernel/core_pattern", "/proc/sysrq-trigger", "/proc/sys/vm/nr_hugepages",
                  "/sys/bus/pci/rescan", "/sys/devices/system/cpu/cpu0/online", "/sys/kernel/mm/ksm/run",
                  "/dev/kmsg", "/usr/bin/env", self.probe, own / "lock", own / "journal", "/proc/self/oom_score_adj",
                  "/proc/self/mem", self.config_dir / "vm-profiles/own.json"]
        creates = ["/tmp/hv-planted", own / "planted", "/dev/shm/hv-planted", "/etc/hv-planted"]
        removes = [own / "lock", own / "journal", other / "lock", "/etc/passwd"]
        sockets = [other / "monitor.sock", other / "serial.sock", own / "monitor.sock", self.place / "host.sock",
                   f"@{self.place}", "/run/dbus/system_bus_socket"]
        yield from (("read", path) for path in [*others, *host])
        yield from (("write", path) for path in [*others, *writes])
        yield from (("create", path) for path in creates)
        yield from (("remove", path) for path in removes)
        yield from (("connect", path) for path in sockets)

    def tries(self, **fields):
        """What the probe says: {"denied": [...], "DONE": [...], ...}, after its end."""
        pid = self.other_guest()
        own, other = self.run_dir("own"), self.run_dir("other")
        (self.bin / "targets").write_text("".join(f"{kind} {path}\n" for kind, path in self.targets(own, other)))
        (self.bin / "facts").write_text(f"{own} {self.state_dir}/disks/other.qcow2 {pid}\n")
        self.profile("own", **{"disk_gb": 1, "qemu": {"binary": str(self.probe)}, **fields})
        self.hv("prepare", "own")
        subprocess.run(self.argv("exec", "own"), env=self.env, timeout=60, check=False)
        said = {}
        for line in (own / "qemu.log").read_text().splitlines():
            verdict, what, *_ = line.split("\t")
            said.setdefault(verdict, []).append(line)
        self.assertEqual(self.status_pid("other"), pid)
        self.hv("cleanup", "own")
        self.hv("kill", "other")
        return said

    def check(self, said, least=LEAST):
        self.assertEqual(said.get("DONE", []), [])
        self.assertEqual(said.get("LOST", []), [])
        self.assertEqual(said["tried"], [f"tried\t{len(said['denied'])}"])
        self.assertGreaterEqual(len(said["denied"]), least)
        print(f"{len(said['denied'])} tried, none done; kept: {len(said['kept'])}")

    def test_nothing_of_the_host_is_in_reach(self):
        said = self.tries()
        self.check(said)
        print("\n".join(line.replace("\t", "  ") for line in said["denied"]))

    def test_a_user_network_opens_no_way_to_the_host_s_sockets(self):
        said = self.tries(network={"mode": "user"})
        done = [line.split("\t")[1] for line in said["DONE"]]
        self.assertEqual(sorted(done), ["TCP socket", "UDP socket"])
        self.assertEqual(said.get("LOST", []), [])

    def test_strict_ends_what_tries(self):
        said = self.tries(confine="strict")
        self.assertNotIn("tried", said)
        self.assertNotIn("DONE", said)
        self.assertEqual(said.get("LOST", []), [])

    def test_off_is_off(self):
        said = self.tries(confine="off", network={"mode": "user"})
        self.assertGreater(len(said.get("DONE", [])), 20)


class Guest(hv.Case):
    """Real guests in a strict cage: a system call that QEMU needs and has not would end it."""

    def boots(self, **fields):
        self.profile("demo", confine="strict", **{**self.guest(), **fields})
        self.hv("start", "demo")
        with self.console("demo") as console:
            console.expect(hv.READY, timeout=120)
        pid = self.hv("--json", "status", "demo").json["pid"]
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        status = dict(line.split(":\t", 1) for line in lines if ":\t" in line)
        self.assertEqual(status["NoNewPrivs"].strip(), "1")
        self.assertEqual(status["CapEff"].strip(), "0" * 16)
        self.assertEqual(status["CapBnd"].strip() if os.geteuid() == 0 else "0" * 16, "0" * 16)
        self.assertGreaterEqual(int(status["Seccomp_filters"]), 2)
        self.hv("stop", "demo", timeout=120)
        self.assertNotIn("killed", self.hv("status", "demo").out)

    def test_plain(self):
        self.boots()

    def test_with_all_kinds_of_devices(self):
        self.boots(disk_gb=1, network={"mode": "user"}, display={"type": "vnc"}, tpm={"enable": True}, audio={"model": "ich9"},
                   firmware="uefi")

    def test_spice(self):
        self.boots(display={"type": "spice"}, disk_gb=1, storage={"io": "native"})

    def test_newer_qemu(self):
        self.boots(**self.guest(qemu="11.1"), network={"mode": "user"}, disk_gb=1)


if __name__ == "__main__":
    unittest.main()
