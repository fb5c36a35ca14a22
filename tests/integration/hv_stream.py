# SPDX-License-Identifier: MIT
"""Reading what a guest or a program says, with a deadline and without sleeping.

    with Terminal(["hvlaunch", "console", "demo"]) as terminal:
        terminal.expect("~ #")
        terminal.send("uname -m\\n")
"""
import fcntl
import os
import select
import signal
import socket
import struct
import subprocess
import termios
import time


class Silence(AssertionError):
    """What was waited for did not come; says what came instead."""


class Stream:
    """Text that arrives on a descriptor. What was matched is not matched again."""

    def __init__(self, fd):
        self.fd = fd
        self.seen = ""  # all of it
        self.ended = False
        self._from = 0  # where the next match may begin

    def expect(self, *texts, timeout=60):
        """Waits for each of the texts in turn; returns what stood before the last."""
        before = ""
        for text in texts:
            before = self._expect(text, time.monotonic() + timeout)
        return before

    def _expect(self, text, deadline):
        while (at := self.seen.find(text, self._from)) < 0:
            if not self._read(deadline):
                why = "the end came" if self.ended else "time is up"
                raise Silence(f"waiting for {text!r}: {why}; seen: {self.seen[-2000:]!r}")
        before = self.seen[self._from:at]
        self._from = at + len(text)
        return before

    def drain(self, timeout=60):
        """Reads to the end, and returns what had not been matched."""
        deadline = time.monotonic() + timeout
        while not self.ended:
            if not self._read(deadline) and not self.ended:
                raise Silence(f"waiting for the end: time is up; seen: {self.seen[-2000:]!r}")
        return self.seen[self._from:]

    def send(self, text):
        os.write(self.fd, text.encode())

    def _read(self, deadline):
        poll = select.poll()
        poll.register(self.fd, select.POLLIN)
        left = deadline - time.monotonic()
        if self.ended or left <= 0 or not poll.poll(left * 1000):
            return False
        try:
            data = os.read(self.fd, 65536)
        except OSError:  # EIO: nobody has the other side of the terminal open
            data = b""
        self.ended = not data
        self.seen += data.decode(errors="replace")
        return bool(data)


class SocketStream(Stream):
    """A socket that speaks text, such as a guest's console."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.connect(str(path))
        super().__init__(self.socket.fileno())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()


class Terminal(Stream):
    """A program on a terminal of its own. The terminal outlives the program, so
    that its settings can be looked at afterwards."""

    def __init__(self, argv, env=None, rows=24, columns=80):
        self._master, self._slave = os.openpty()
        os.set_blocking(self._master, True)
        self.resize(rows, columns)
        self.original = self.settings()  # before the program could change them
        self.process = subprocess.Popen(
            argv, env=env, stdin=self._slave, stdout=self._slave, stderr=self._slave,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
        super().__init__(self._master)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self._slave)
        os.close(self._master)

    def settings(self):
        return termios.tcgetattr(self._slave)

    def resize(self, rows, columns):
        fcntl.ioctl(self._slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def kill(self, number=signal.SIGTERM):
        self.process.send_signal(number)

    def wait(self, timeout=20):
        """The exit status, once the program has ended; its last words are read."""
        status = self.process.wait(timeout)
        while self._read(time.monotonic() + 0.05):
            pass
        return status

    def drain(self, timeout=60):
        # The terminal has no end of its own: we hold its other side.
        self.wait(timeout)
        return self.seen[self._from:]
