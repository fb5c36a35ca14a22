# SPDX-License-Identifier: MIT
"""Measures hvlaunch against QEMU started by hand; see scripts/bench."""
import json
import os
import select
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PROGRAMS = Path(sys.argv[1]).absolute()
ROUNDS = int(sys.argv[2])
HVLAUNCH = str(PROGRAMS / "hvlaunch")
PROFILES = 10_000

place = Path(tempfile.mkdtemp(prefix="hvb"))
# Runtime directories are tmpfs wherever there is an init (/run, /run/user/<uid>).
runtime = Path(tempfile.mkdtemp(prefix="hvb", dir="/dev/shm"))
environment = dict(os.environ, XDG_CONFIG_HOME=str(place / "c"), XDG_STATE_HOME=str(place / "s"),
                   XDG_RUNTIME_DIR=str(runtime), XDG_CACHE_HOME=str(place / "k"))
# A small server: a disk, a network card, a serial console; no screen, no firmware to read.
profile = {"name": "bench", "cpus": 2, "memory_mb": 512, "disk_gb": 1, "firmware": "bios",
           "accel": "tcg", "network": {"mode": "user"}, "display": {"type": "none"}}


def write_profile(**changes):
    directory = place / "c/hvlaunch/vm-profiles"
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "bench.json").write_text(json.dumps({**profile, **changes}))


NULL = os.open(os.devnull, os.O_RDWR)
QUIET = [(os.POSIX_SPAWN_DUP2, NULL, fd) for fd in (0, 1, 2)]


def spawn(argv, descriptors=()):
    """Starts a program with as little of Python as can be: (pid, moment before)."""
    moves = QUIET + [(os.POSIX_SPAWN_DUP2, fd, number) for number, fd in descriptors]
    began = time.perf_counter()
    return os.posix_spawn(argv[0], argv, environment, file_actions=moves), began


def finish(pid):
    _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status)


def timed(*words):
    pid, began = spawn([HVLAUNCH, "--user", *words])
    code = finish(pid)
    took = time.perf_counter() - began
    if code:
        shown = subprocess.run([HVLAUNCH, "--user", *words], env=environment)
        sys.exit(f"bench: hvlaunch {' '.join(words)} ended with {code}, again with {shown.returncode}")
    return took


def plan():
    out = subprocess.run([HVLAUNCH, "--user", "--json", "plan", "bench"], env=environment,
                         check=True, capture_output=True).stdout
    return json.loads(out)


def by_hand(planned):
    """QEMU with the plan's arguments: (seconds until QMP answers, seconds of `quit`)."""
    argv = [planned["binary"]]
    for argument in planned["arguments"]:
        argv += [argument["option"]] + ([argument["value"]] if "value" in argument else [])
    listeners, passed = {}, []
    for descriptor in planned["descriptors"]:
        path = runtime / "h" / Path(descriptor["path"]).name
        path.parent.mkdir(parents=True, exist_ok=True)
        if descriptor["what"] == "listening on":
            path.unlink(missing_ok=True)
            handle = socket.socket(socket.AF_UNIX)
            handle.bind(str(path))
            handle.listen()
            listeners[path.name] = handle
        elif descriptor["what"].startswith("open to"):
            handle = open(descriptor["path"], "r+" if "write" in descriptor["what"] else "r")
        else:
            handle = open(path, "w")
        # Out of the way of the numbers that the arguments name.
        passed.append((descriptor["number"], os.dup2(handle.fileno(), 100 + descriptor["number"])))
    pid, began = spawn(argv, passed)
    monitor = socket.socket(socket.AF_UNIX)
    monitor.connect(listeners["monitor.sock"].getsockname())
    lines = monitor.makefile("rw")
    lines.readline()
    print('{"execute":"qmp_capabilities"}', file=lines, flush=True)
    lines.readline()
    up = time.perf_counter() - began
    began = time.perf_counter()
    print('{"execute":"quit"}', file=lines, flush=True)
    finish(pid)
    gone = time.perf_counter() - began
    for number, fd in passed:
        os.close(fd)
    shutil.rmtree(runtime / "h")
    return up, gone


def ms(seconds):
    return statistics.median(seconds) * 1000


def line(what, value, bar):
    print(f"{what:<58} {value:>16}   {bar}", flush=True)


def start_and_stop():
    write_profile()
    timed("start", "--paused", "bench")  # Makes the disk and fills the cache.
    timed("stop", "--force", "bench")
    planned = plan()
    ups, starts, quits, stops = [], [], [], []
    for _ in range(ROUNDS):
        up, gone = by_hand(planned)
        ups.append(up)
        quits.append(gone)
        starts.append(timed("start", "--paused", "bench"))
        stops.append(timed("stop", "--force", "bench"))
    line("QEMU by hand until QMP answers", f"{ms(ups):.1f} ms", "")
    line("hvlaunch start --paused", f"{ms(starts):.1f} ms", "")
    line("  ratio", f"{ms(starts) / ms(ups):.2f}", "<= 1.15")
    line("QEMU's own quit", f"{ms(quits):.1f} ms", "")
    line("hvlaunch stop --force", f"{ms(stops):.1f} ms", "")
    line("  over QEMU's own", f"{ms(stops) - ms(quits):.1f} ms", "<= 20 ms")


def watch_pid():
    for process in Path("/proc").iterdir():
        try:
            words = (process / "cmdline").read_bytes().split(b"\0")
            runs = (process / "environ").read_bytes()
        except (OSError, NotADirectoryError):
            continue
        if b"watch" in words and str(place).encode() in runs:
            return process.name
    return None


def one_shots():
    timed("start", "--paused", "bench")
    for words in (("list",), ("status", "bench"), ("qmp", "bench", "query-status")):
        line(f"hvlaunch {' '.join(words)}", f"{ms([timed(*words) for _ in range(ROUNDS)]):.1f} ms",
             "<= 5 ms")
    pid = watch_pid()
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    kib = next(int(row.split()[1]) for row in rollup.splitlines() if row.startswith("Pss:"))
    line("memory of `watch` (Pss)", f"{kib / 1024:.2f} MiB", "<= 3 MiB")
    timed("stop", "--force", "bench")
    # Those of the guests before wait a while for a lock that the next start had.
    while pid := watch_pid():
        select.select([os.pidfd_open(int(pid))], [], [], 10)
    write_profile(watch=False)
    timed("start", "--paused", "bench")
    line("hvlaunch processes of a guest without `watch`", str(0 if watch_pid() is None else 1), "0")
    timed("stop", "--force", "bench")
    write_profile()


def check_many():
    many = place / "many"
    many.mkdir()
    text = (Path(__file__).parents[2] / "profiles/examples/debian-server.json").read_text()
    for number in range(PROFILES):
        (many / f"vm{number}.json").write_text(text)
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    took = [timed("check", str(many)) for _ in range(3)]
    line(f"check of {PROFILES} profiles on one core", f"{statistics.median(took):.2f} s", "<= 1 s")


def generator():
    """Units of 500 profiles, of which every tenth starts with the host, or all of them."""
    for every, bar in ((10, "<= 10 ms"), (1, "")):
        home = place / f"g{every}"
        units = Path(f"/dev/shm/hvlaunch-bench-{os.getpid()}")  # In memory, as systemd has it.
        profiles = home / "hvlaunch/vm-profiles"
        profiles.mkdir(parents=True)
        for number in range(500):
            more = {"autostart": number % every == 0, "autostart_group": f"g{number % 3}",
                    "autostart_priority": number % 7}
            (profiles / f"vm{number}.json").write_text(json.dumps({**profile, **more, "name": f"vm{number}"}))
        took = []
        for _ in range(ROUNDS):
            units.mkdir()
            began = time.perf_counter()
            pid = os.posix_spawn(HVLAUNCH, ["hvlaunch-generator", str(units)],
                                 {**environment, "XDG_CONFIG_HOME": str(home), "SYSTEMD_SCOPE": "user"},
                                 file_actions=QUIET)
            finish(pid)
            took.append(time.perf_counter() - began)
            made = len(list((units / "hvlaunch.target.wants").iterdir()))
            shutil.rmtree(units)
        line(f"units of 500 profiles, {made} of which start with the host", f"{ms(took):.1f} ms", bar)


def main():
    try:
        start_and_stop()
        one_shots()
        out = subprocess.run([PROGRAMS / "qmp_bench", PROGRAMS / "qmp_multiplex"], capture_output=True, text=True, check=True)
        print(out.stdout, end="")
        generator()
        check_many()
        print(subprocess.run([PROGRAMS / "probe_bench"], capture_output=True, text=True, check=True).stdout, end="")
        # Of 500 PCI functions: what a plan with eight of them reads, what `vfio list` reads, and the plan.
        print(subprocess.run([PROGRAMS / "vfio_bench"], capture_output=True, text=True, check=True).stdout, end="")
    finally:
        pid = watch_pid()
        if pid:
            os.kill(int(pid), signal.SIGTERM)
        for directory in (place, runtime):
            shutil.rmtree(directory)


main()
