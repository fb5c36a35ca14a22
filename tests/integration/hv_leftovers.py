# SPDX-License-Identifier: MIT
"""What a test's programs leave behind: every process that has to do with the
test's folder, found by what it has open, its command line and its environment."""
import os
import select
import signal
import time
from pathlib import Path


def processes_of(place):
    """The processes, other than this one, that refer to the folder."""
    place = str(place)
    return {pid: words for pid in _pids() if (words := _refers(pid, place))}


def _pids():
    return [int(name) for name in os.listdir("/proc") if name.isdigit() and int(name) != os.getpid()]


def _refers(pid, place):
    """The command line, if the process refers to the place."""
    root = Path("/proc", str(pid))
    try:
        command = (root / "cmdline").read_bytes()
        if not command:
            return None  # a zombie or a thread of the kernel
        texts = [command, (root / "environ").read_bytes(), os.readlink(root / "cwd").encode()]
        texts += [_target(fd) for fd in (root / "fd").iterdir()]
    except OSError:
        return None  # gone in the meantime, or another user's
    if not any(place.encode() in text for text in texts):
        return None
    return command.replace(b"\0", b" ").decode(errors="replace").strip()


def _target(fd):
    """What a descriptor refers to; nothing if it was closed while we looked."""
    try:
        return os.readlink(fd).encode()
    except FileNotFoundError:
        return b""


def wait_gone(place, timeout):
    """Waits for the processes to end; returns those that did not."""
    deadline = time.monotonic() + timeout
    while (left := processes_of(place)) and time.monotonic() < deadline:
        for pid in left:
            try:
                fd = os.pidfd_open(pid)
            except ProcessLookupError:
                continue
            try:
                poll = select.poll()
                poll.register(fd, select.POLLIN)
                poll.poll(max(0, deadline - time.monotonic()) * 1000)
            finally:
                os.close(fd)
    return left


def kill_all(place):
    """Ends them, by pidfd: a number may have a new owner by now."""
    for pid in processes_of(place):
        try:
            fd = os.pidfd_open(pid)
        except ProcessLookupError:
            continue
        try:
            if _refers(pid, str(place)):
                signal.pidfd_send_signal(fd, signal.SIGKILL)
        except ProcessLookupError:
            pass
        finally:
            os.close(fd)
    wait_gone(place, 5)


def files_below(folder):
    """Paths of all that is not a folder, relative to it."""
    folder = Path(folder)
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*")
                  if path.is_symlink() or not path.is_dir())


def sockets_of(place):
    """Bound Unix sockets whose path is below the folder, whether the file is there or not."""
    lines = Path("/proc/net/unix").read_text(errors="replace").splitlines()[1:]
    paths = [fields[7] for line in lines if len(fields := line.split(None, 7)) == 8]
    return [path for path in paths if path.startswith(str(place))]
