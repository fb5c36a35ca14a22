# SPDX-License-Identifier: MIT
"""A QEMU with a monitor and a channel to the agent in its guest."""
import ctypes
import json
import os
import select
import signal
import socket
import subprocess
import time


class RigFault(Exception):
    """The test host itself broke: its QEMU died, or its agent fell silent. Says
    nothing about what was tested."""


class QmpError(Exception):
    """QEMU refused a command."""


_libc = ctypes.CDLL(None)


def _die_with_parent():
    """A test that is killed leaves no QEMU behind."""
    _libc.prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


class QemuProcess:
    def __init__(self, binary, arguments, place):
        """Starts it; logs go to the folder `place`. The sockets are connected from
        the beginning, so there is nothing to wait for."""
        self.place = place
        self.monitor, monitor = socket.socketpair()
        self.agent, agent = socket.socketpair()
        words = [str(binary), *arguments, "-chardev", f"file,id=console,path={place}/console.log",
                 "-serial", "chardev:console",
                 "-chardev", f"socket,id=monitor,fd={monitor.fileno()}", "-mon", "chardev=monitor,mode=control",
                 "-chardev", f"socket,id=agent,fd={agent.fileno()}",
                 "-device", "virtio-serial-pci,bus=pcie.0,addr=2",
                 "-device", "virtserialport,chardev=agent,name=testhost"]
        with open(place / "qemu.log", "w") as log:
            self.process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            pass_fds=(monitor.fileno(), agent.fileno()), preexec_fn=_die_with_parent)
        monitor.close()
        agent.close()
        self.replies = self.monitor.makefile("rb")
        self._read_line()  # the greeting
        self.qmp("qmp_capabilities")

    def qmp(self, command, **arguments):
        """The command's result; events before it are dropped."""
        request = {"execute": command, "arguments": arguments}
        try:
            self.monitor.sendall(json.dumps(request).encode() + b"\n")
        except OSError as error:
            raise self.fault(f"monitor: {error}") from None
        while True:
            reply = self._read_line()
            if "return" in reply:
                return reply["return"]
            if "error" in reply:
                raise QmpError(f"{command}: {reply['error']['desc']}")

    def wait_event(self, name, timeout):
        deadline = time.monotonic() + timeout
        while True:
            event = self._read_line(max(0.0, deadline - time.monotonic()))
            if event.get("event") == name:
                return event["data"] if "data" in event else {}

    def _read_line(self, timeout=60):
        self.monitor.settimeout(timeout)
        try:
            line = self.replies.readline()
        except TimeoutError:
            raise self.fault(f"its monitor is silent for {timeout:.0f} s") from None
        except OSError as error:
            raise self.fault(f"monitor: {error}") from None
        if not line:
            raise self.fault("its QEMU ended")
        return json.loads(line)

    def receive(self, timeout):
        """Some bytes of the agent; None if there were none in time."""
        if not select.select([self.agent], [], [], timeout)[0]:
            if self.process.poll() is not None:
                raise self.fault("its QEMU ended")
            return None
        try:
            data = self.agent.recv(1 << 18)
        except OSError as error:
            raise self.fault(f"its agent's channel: {error}") from None
        if not data:
            raise self.fault("its QEMU ended")
        return data

    def fault(self, what):
        """An error that shows the end of the logs."""
        ends = []
        for name in ("qemu.log", "console.log"):
            try:
                text = (self.place / name).read_text(errors="replace").strip()
            except OSError:
                continue
            if text:
                ends.append(f"\n--- {name}\n{text[-2000:]}")
        return RigFault(f"test host: {what}{''.join(ends)}")

    def close(self):
        self.process.kill()
        self.process.wait()
        for thing in (self.replies, self.monitor, self.agent):
            thing.close()


def migrate_settings(process):
    # The memory stays in its files.
    process.qmp("migrate-set-capabilities", capabilities=[
        {"capability": name, "state": True} for name in ("x-ignore-shared", "events")])


def save(process, path):
    """Writes what is not in the memory's files."""
    migrate_settings(process)
    process.qmp("stop")
    process.qmp("migrate", uri=f"exec:cat >'{path}'")
    _wait_migrated(process)


def load(process, path):
    migrate_settings(process)
    process.qmp("migrate-incoming", uri=f"exec:cat '{path}'")
    _wait_migrated(process)
    process.qmp("cont")


def _wait_migrated(process):
    while (state := process.wait_event("MIGRATION", 60)["status"]) != "completed":
        if state == "failed":
            raise process.fault("its state cannot be saved or restored")


def binary_of(folder):
    """The QEMU that runs the test host: 10.0, for 7.2 has no igb."""
    return folder / "10.0/bin/qemu-system-x86_64"


def identity(binary):
    status = os.stat(binary)
    return f"{binary} {status.st_size} {status.st_mtime_ns}"
