# SPDX-License-Identifier: MIT
"""Boots the test host once, and restores it for each test.

The snapshot, in build/testhost/snapshot, is made anew if the image, QEMU or the
machine have changed.
"""
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import machine
import qemu_process
from qemu_process import RigFault
from testhost import BARE_GUEST, HVLAUNCH, PLACE, QEMUS, SILENCE, TestHost

BOOT_TIMEOUT = 100
TRIES = 3


def missing():
    """What the test host lacks here, None if nothing."""
    for path, cure in ((qemu_process.binary_of(QEMUS), "tests/qemus"), (PLACE / "image/root.erofs", "tests/testhost/build"),
                       (BARE_GUEST, "tests/guests/build"), (HVLAUNCH, "cmake --build --preset release")):
        if not path.exists():
            return f"{path}: run {cure}"
    return None


@contextmanager
def fresh_host():
    """A host as it was after booting. Restoring it is tried again if the host breaks."""
    folder = boot_once()
    host = _named_retries("restoring", lambda: _restore(folder))
    try:
        yield host
    finally:
        host.close()


def boot_once():
    """The folder with the snapshot, made if the image, QEMU or machine have changed."""
    key = "\n".join([(PLACE / "image/.key").read_text(), qemu_process.identity(qemu_process.binary_of(QEMUS)),
                     *(Path(module.__file__).read_text() for module in (machine, qemu_process))])
    key = hashlib.sha256(key.encode()).hexdigest()
    folder = PLACE / "snapshot"
    with open(PLACE / "snapshot.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / key).exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            _named_retries("booting", lambda: _boot(folder))
            (folder / key).touch()
    return folder


def _boot(folder):
    # Memory is written to files in memory, for those of a disk would be written
    # back all the time; then they are kept on the disk, where they cost no memory.
    # Always there, so that what a killed boot has left goes away with the next one.
    ram = Path("/dev/shm", f"hvtesthost-{os.getuid()}-{hashlib.sha256(bytes(PLACE)).hexdigest()[:12]}")
    shutil.rmtree(ram, ignore_errors=True)
    ram.mkdir(mode=0o700)
    began = time.monotonic()
    try:
        host = TestHost(ram, booting=True)
        try:
            host.ping(BOOT_TIMEOUT)
            booted = time.monotonic()
            # What each test would wait for otherwise.
            host.run("udevadm settle; systemctl is-system-running --wait; modprobe -aq vfio-pci kvm_amd tun; "
                     "lspci >/dev/null; qemu-system-x86_64 --version >/dev/null; sync", timeout=120)
            warm = time.monotonic()
            qemu_process.save(host.qemu, folder / "state")
        finally:
            host.close()
        subprocess.run(["cp", "--sparse=always", *ram.iterdir(), folder], check=True)
    finally:
        shutil.rmtree(ram)
    print(f"test host: booted in {booted - began:.1f} s, warm after {warm - booted:.1f} s, "
          f"snapshot in {time.monotonic() - warm:.1f} s", file=sys.stderr)


def _restore(folder):
    host = TestHost(folder, booting=False, more=["-incoming", "defer"])
    try:
        qemu_process.load(host.qemu, folder / "state")
        host.ping(SILENCE)
    except BaseException:
        host.close()
        raise
    return host


def _named_retries(what, action):
    for last in range(1, TRIES + 1):
        try:
            return action()
        except RigFault as fault:
            print(f"test host: {what}, try {last} of {TRIES}: {fault}", file=sys.stderr)
            if last == TRIES:
                raise
