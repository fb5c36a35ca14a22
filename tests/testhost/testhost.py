# SPDX-License-Identifier: MIT
"""A host to break: a small machine with an IOMMU, devices to give away, two NUMA
nodes, huge pages, systemd and KVM, fresh for each test within a second.

    with fresh_host() as host:
        host.install_hvlaunch()
        before = host.snapshot()
        host.run("hvlaunch start web", check=True)
        ...
        print(before.difference(host.snapshot()))

fresh_host() is in boot.py; README.md has more.
"""
import errno
import itertools
import os
import shutil
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import machine
import qemu_process
import snapshot
from qemu_process import QemuProcess

REPOSITORY = Path(__file__).resolve().parents[2]
HVLAUNCH = Path(os.environ.get("HVLAUNCH", REPOSITORY / "build/release/bin/hvlaunch")).absolute()
QEMUS = Path(os.environ.get("HV_QEMUS", REPOSITORY / "build/qemus")).absolute()
PLACE = Path(os.environ.get("HV_TESTHOST", REPOSITORY / "build/testhost")).absolute()
BARE_GUEST = Path(os.environ.get("HV_GUESTS", REPOSITORY / "build/guests")).absolute() / "bare/bare.elf"

# How long an agent may take to say that it is there, and when it is asked.
SILENCE = 40
HEARTBEAT = 10


@dataclass
class Result:
    """What a command said, and how it ended: its exit status, `signal-9`, or `timeout`."""
    command: object
    status: object
    out: str
    err: str

    @property
    def ok(self):
        return self.status == 0

    def __str__(self):
        return f"{self.command}\nexit {self.status}\nstdout: {self.out}\nstderr: {self.err}"


class TestHost:
    """One running host. Made by fresh_host()."""
    def __init__(self, ram, *, booting, more=()):
        self.place = Path(tempfile.mkdtemp(prefix="hvtesthost", dir="/tmp"))
        self.numbers = itertools.count(1)
        self.replies = {}
        self.bytes = b""
        try:
            arguments = machine.arguments(PLACE / "image", ram, self.place, booting=booting)
            self.qemu = QemuProcess(qemu_process.binary_of(QEMUS), [*arguments, *more], self.place)
        except BaseException:
            shutil.rmtree(self.place, ignore_errors=True)
            raise

    def close(self):
        self.qemu.close()
        shutil.rmtree(self.place, ignore_errors=True)

    # Commands

    def run(self, command, *, check=False, timeout=60, stdin=b""):
        """Runs a list of words, or a string with `sh -c`, to its end."""
        return self.begin(command, timeout=timeout, stdin=stdin).wait(check=check)

    def begin(self, command, *, timeout=60, stdin=b""):
        """Starts it; what else is asked of the host happens meanwhile."""
        words = ["sh", "-c", command] if isinstance(command, str) else [str(word) for word in command]
        text = stdin.encode() if isinstance(stdin, str) else stdin
        arguments = b"".join(word.encode() + b"\0" for word in words)
        number = self._ask("run", timeout * 1000, arguments, text)
        return Running(self, number, command)

    # Files, without a process in the host

    def read(self, path):
        return self.read_bytes(path).decode(errors="replace").rstrip("\n")

    def read_bytes(self, path):
        status, out, _ = self._answer(self._ask("get", 0, os.fsencode(path)))
        self._check(status, path)
        return out

    def write(self, path, text, mode=0):
        """Writes all in one go, as sysfs needs. Mode 0 leaves it as it is."""
        data = text.encode() if isinstance(text, str) else text
        status, _, _ = self._answer(self._ask("put", mode, os.fsencode(path), data))
        self._check(status, path)

    def survey(self, *patterns):
        """{path: (kind, text)} of all that matches; see agent/survey.h."""
        _, out, _ = self._answer(self._ask("survey", 0, "\n".join(patterns).encode()))
        words = iter(out.decode(errors="replace").split("\0")[:-1])
        return {path: (kind, text) for path, kind, text in zip(words, words, words)}

    def snapshot(self):
        """All that hvlaunch may change on a host."""
        return snapshot.Snapshot(self.survey(*snapshot.PATTERNS))

    def install_hvlaunch(self):
        """Puts the freshly built program in its place, and the tiny guest."""
        self.run("mkdir -p /var/lib/hypervisor/vm-profiles", check=True)
        self.write("/usr/bin/hvlaunch", stripped(HVLAUNCH), mode=0o755)
        self.write("/var/lib/hypervisor/bare.elf", BARE_GUEST.read_bytes(), mode=0o644)

    def newer_qemu(self):
        """The path in the host of a QEMU 10.0, beside its own 7.2."""
        place = (PLACE / "image/qemu.path").read_text().strip()
        self.run(f"mkdir -p '{place}' && mount -t erofs -o ro /dev/disk/by-id/virtio-qemu '{place}'", check=True)
        return f"{place}/bin/qemu-system-x86_64"

    # Devices

    def driver(self, address):
        """The name of the function's driver, None without one."""
        link = self.survey(f"/sys/bus/pci/devices/{address}/driver")
        return os.path.basename(next(iter(link.values()))[1]) if link else None

    def group(self, address):
        link = self.survey(f"/sys/bus/pci/devices/{address}/iommu_group")
        return int(os.path.basename(next(iter(link.values()))[1])) if link else None

    def plug_nvme(self, slot="slot1"):
        """Plugs an NVMe into an empty port and waits for its disk; its address.

        Such a device cannot be in a snapshot, so it comes after the restoring.
        """
        disk = machine.empty_disk(self.place, slot, 1024)
        self.qemu.qmp("blockdev-add", driver="raw", file={"driver": "file", "filename": str(disk)},
                      **{"node-name": f"{slot}.disk"})
        self.qemu.qmp("device_add", driver="nvme", id=f"{slot}.0", bus=slot, serial=slot, drive=f"{slot}.disk")
        address = machine.SLOTS[slot]
        # Every new disk is announced by udev.
        self.run(f"until [ -e /sys/bus/pci/devices/{address}/nvme/*/nvme*n1 ]; do "
                 "busybox usleep 50000; done; udevadm settle", check=True)
        return address

    def unplug(self, slot):
        self.qemu.qmp("device_del", id=f"{slot}.0")

    # The agent

    def ping(self, timeout):
        self._answer(self._ask("survey", 0, b""), timeout)

    def kill(self, number, signal):
        self._answer(self._ask("kill", int(signal), str(number).encode()))

    def _ask(self, verb, number, first=b"", second=b""):
        request = next(self.numbers)
        header = f"{verb} {request} {int(number)} {len(first)} {len(second)}\n".encode()
        try:
            self.qemu.agent.sendall(header + first + second)
        except OSError as error:
            raise self.qemu.fault(f"its agent takes nothing: {error}") from None
        return request

    def _answer(self, number, timeout=SILENCE):
        if not self._arrives(number, timeout):
            raise self.qemu.fault(f"its agent is silent for {timeout:.0f} s")
        return self.replies.pop(number)

    def _arrives(self, number, timeout):
        """Whether there is an answer within so many seconds."""
        deadline = time.monotonic() + timeout
        while number not in self.replies:
            data = self.qemu.receive(max(0.0, deadline - time.monotonic()))
            if data is None:
                return False
            self.bytes += data
            self._take_replies()
        return True

    def _take_replies(self):
        while (end := self.bytes.find(b"\n")) >= 0:
            number, status, out, err = self.bytes[:end].decode().split(" ")
            middle = end + 1 + int(out)
            last = middle + int(err)
            if len(self.bytes) < last:
                return
            self.replies[int(number)] = (status, self.bytes[end + 1:middle], self.bytes[middle:last])
            self.bytes = self.bytes[last:]

    @staticmethod
    def _check(status, path):
        if status != "ok":
            number = int(status.removeprefix("errno-"))
            raise OSError(number, f"{errno.errorcode.get(number)}: {os.strerror(number)}", str(path))


@dataclass
class Running:
    """A command under way in the host."""
    host: TestHost
    number: int
    command: object

    def wait(self, check=False):
        # The host kills it in time, unless it hangs itself, which a ping shows sooner.
        while not self.host._arrives(self.number, HEARTBEAT):
            self.host.ping(SILENCE)
        status, out, err = self.host._answer(self.number)
        result = Result(self.command, int(status) if status.isdigit() else status,
                        out.decode(errors="replace"), err.decode(errors="replace"))
        if check and not result.ok:
            raise AssertionError(str(result))
        return result

    def kill(self, signal=9):
        self.host.kill(self.number, signal)


def stripped(program):
    """The program without its debug information: 60 MB less to carry."""
    kept = PLACE / f"{program.name}.stripped"
    if not kept.exists() or kept.stat().st_mtime_ns != program.stat().st_mtime_ns:
        with tempfile.TemporaryDirectory(dir=PLACE) as folder:
            part = Path(folder) / "part"
            subprocess.run(["strip", "--preserve-dates", "-o", part, program], check=True)
            part.replace(kept)
    return kept.read_bytes()
