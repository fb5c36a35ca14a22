# SPDX-License-Identifier: MIT
"""The base of the integration tests: hvlaunch in a place of its own.

    class Stop(hv.Case):
        def test_stops(self):
            self.profile("demo", **self.guest("x86_64"))
            self.hv("start", "demo")
            self.assertEqual(self.hv("status", "demo", "--json").json["state"], "running")
            self.hv("stop", "demo")
            self.assert_nothing_left()

Where things are: HVLAUNCH the program (build/release/bin/hvlaunch), HV_GUESTS what
tests/guests/build made, HV_QEMUS what tests/qemus made.
"""
import fnmatch
import json
import os
import shutil
import subprocess
import tempfile
import unittest
from dataclasses import dataclass
from pathlib import Path

import hv_leftovers
from hv_qmp import Qmp
from hv_stream import SocketStream, Terminal

REPOSITORY = Path(__file__).resolve().parents[2]
HVLAUNCH = Path(os.environ.get("HVLAUNCH", REPOSITORY / "build/release/bin/hvlaunch")).absolute()
GUESTS = Path(os.environ.get("HV_GUESTS", REPOSITORY / "build/guests")).absolute()
QEMUS = Path(os.environ.get("HV_QEMUS", REPOSITORY / "build/qemus")).absolute()
CI = os.environ.get("CI") == "true"

# design.md's table.
DONE, FAILED, USAGE, PROFILE, NO_SUCH_VM, WRONG_STATE, CANNOT, PERMISSION, TIMED_OUT = range(9)

CONSOLE = {"x86_64": "ttyS0", "aarch64": "ttyAMA0", "riscv64": "ttyS0", "loongarch64": "ttyS0"}
UP = "hvlaunch-guest: userspace up"
READY = "hvlaunch-guest: ready"
PROMPT = "guest# "


@dataclass
class Result:
    """What a command said, and how it ended."""
    argv: list
    rc: int
    out: str
    err: str

    @property
    def json(self):
        try:
            return json.loads(self.out)
        except ValueError as error:
            raise AssertionError(f"not JSON ({error}): {self}") from None

    def __str__(self):
        return f"{' '.join(self.argv)}\nexit {self.rc}\nstdout: {self.out}\nstderr: {self.err}"


class Case(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        self.need(HVLAUNCH.exists(), f"{HVLAUNCH}: build the release preset")
        # Short, for a socket's path has 108 bytes at most.
        self.place = Path(tempfile.mkdtemp(prefix="hv", dir="/tmp"))
        self.addCleanup(shutil.rmtree, self.place, ignore_errors=True)
        self.addCleanup(hv_leftovers.kill_all, self.place)
        self.env = {"PATH": os.environ["PATH"], "HOME": str(self.place / "home"), "LC_ALL": "C.UTF-8"}
        for word, folder in (("CONFIG", "c"), ("STATE", "s"), ("CACHE", "h"), ("DATA", "d")):
            self.env[f"XDG_{word}_HOME"] = str(self.place / folder)
        self.env["XDG_RUNTIME_DIR"] = str(self.place / "r")
        for folder in ("home", "c", "s", "h", "d", "r"):
            (self.place / folder).mkdir(mode=0o700)
        self.config_dir = self.place / "c/hvlaunch"
        self.state_dir = self.place / "s/hvlaunch"
        self.runtime_dir = self.place / "r/hvlaunch"
        # The sanitizers' own reports must not be mistaken for the program's.
        for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS"):
            if name in os.environ:
                self.env[name] = os.environ[name]

    def need(self, there, what):
        """Skips the test for the reason named; in CI it fails instead."""
        if not there:
            if CI:
                self.fail(f"missing: {what}")
            self.skipTest(f"missing: {what}")

    # Profiles

    def guest(self, arch="x86_64", words="", qemu=None):
        """Fields of a profile that boots the small guest of an architecture."""
        folder = GUESTS / arch
        self.need((folder / "vmlinuz").exists(), f"{folder}: run tests/guests/build")
        cmdline = f"console={CONSOLE[arch]} quiet panic=-1 {words}".strip()
        return {"arch": arch, "kernel": str(folder / "vmlinuz"), "initrd": str(folder / "initrd"),
                "cmdline": cmdline, **self.qemu(arch, qemu)}

    def qemu(self, arch, version=None):
        """The field that names a QEMU; without a version, the system's own is used."""
        if version is None:
            self.need(shutil.which(f"qemu-system-{arch}"), f"qemu-system-{arch}")
            return {}
        binary = QEMUS / version / "bin" / f"qemu-system-{arch}"
        self.need(binary.exists(), f"{binary}: run tests/qemus")
        return {"qemu": {"binary": str(binary)}}

    def profile(self, name, **fields):
        """Writes a profile: a small VM without disk, network and display, but for the fields."""
        whole = {"name": name, "cpus": 1, "memory_mb": 512, "accel": "tcg", "disk_gb": 0,
                 "network": {"mode": "none"}, "display": {"type": "none"}, "console": "serial",
                 **fields}
        path = self.config_dir / "vm-profiles" / f"{name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({k: v for k, v in whole.items() if v is not None}, indent=2))
        return path

    # Commands

    def argv(self, *args):
        return [str(HVLAUNCH), "--user", *map(str, args)]

    def hv(self, *args, exit=DONE, timeout=90, stdin=None):
        """Runs a command and checks its exit status; exit=None takes any."""
        argv = self.argv(*args)
        try:
            done = subprocess.run(argv, env=self.env, capture_output=True, text=True, timeout=timeout,
                                  input=stdin, stdin=None if stdin else subprocess.DEVNULL)
        except subprocess.TimeoutExpired as error:
            self.fail(f"{' '.join(argv)}: not done after {timeout} s, or something it left behind "
                      f"holds its output\nstdout: {error.stdout}\nstderr: {error.stderr}")
        result = Result(argv, done.returncode, done.stdout, done.stderr)
        if exit is not None and result.rc != exit:
            self.fail(f"exit {result.rc}, not {exit}\n{result}")
        return result

    def refused(self, *args, exit, id, words=(), hint="", **options):
        """The command is refused for this reason, which has a cure; None: the message itself says it."""
        result = self.hv(*args, exit=exit, **options)
        self.assertIn(f"[{id}]", result.err)
        for word in words:
            self.assertIn(word, result.err)
        _, cure, advice = result.err.partition("hint: ")
        self.assertTrue(cure or hint is None, result)
        self.assertIn(hint or "", advice)
        self.assertEqual(result.out, "")
        return result

    def spawn(self, *args, stdin=subprocess.DEVNULL):
        """A command in the background, ended with the test."""
        process = subprocess.Popen(self.argv(*args), env=self.env, stdin=stdin,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.stderr.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def console(self, vm, **options):
        """`hvlaunch console` on a terminal: with self.console("demo") as console: ..."""
        return Terminal(self.argv("console", vm), env=self.env, **options)

    def run_dir(self, vm):
        return self.runtime_dir / vm

    def qmp(self, vm, **options):
        return Qmp(self.run_dir(vm) / "qmp.sock", **options)

    def console_socket(self, vm):
        return SocketStream(self.run_dir(vm) / "console.sock")

    def status(self, vm):
        return self.hv("status", vm, "--json").json

    def processes(self, word=""):
        """The test's processes whose command line has the word, as {pid: command line}."""
        return {pid: line for pid, line in hv_leftovers.processes_of(self.place).items() if word in line}

    def assert_nothing_left(self, allow=()):
        """No process, socket, runtime file or half-made image of this test is there.
        `allow` has patterns of runtime files that may stay."""
        left = hv_leftovers.wait_gone(self.place, 3)
        self.assertEqual(left, {}, "processes left behind")
        self.assertEqual(hv_leftovers.sockets_of(self.place), [], "sockets left behind")
        files = [file for file in hv_leftovers.files_below(self.runtime_dir)
                 if not any(fnmatch.fnmatch(file, pattern) for pattern in allow)]
        self.assertEqual(files, [], "runtime files left behind")
        halves = [file for file in hv_leftovers.files_below(self.state_dir)
                  if Path(file).name.startswith(".") or ".part" in file or ".tmp" in file or file.endswith("~")]
        self.assertEqual(halves, [], "half-made files left behind")
