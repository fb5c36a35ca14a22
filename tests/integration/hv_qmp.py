# SPDX-License-Identifier: MIT
"""A QMP client for tests: small, strict, and of our own making, so that it does
not share a mistake with the program.

    with Qmp(path) as qmp:
        qmp.call("query-status")["status"]
        qmp.event("SHUTDOWN")
"""
import json
import socket
import time


class QmpError(Exception):
    """QEMU's answer was an error: (class, description)."""


class Qmp:
    def __init__(self, path, negotiate=True, timeout=20):
        self.timeout = timeout
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(timeout)
        self.socket.connect(str(path))
        self._pending = b""
        self._events = []
        self._next_id = 0
        self.greeting = self.receive()
        if "QMP" not in self.greeting:
            raise AssertionError(f"{path}: not a QMP greeting: {self.greeting}")
        if negotiate:
            self.call("qmp_capabilities")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, message):
        self.socket.sendall(json.dumps(message).encode() + b"\r\n")

    def receive(self, deadline=None):
        """The next message of whatever kind."""
        deadline = deadline or time.monotonic() + self.timeout
        while b"\n" not in self._pending:
            self.socket.settimeout(max(0.001, deadline - time.monotonic()))
            data = self.socket.recv(65536)
            if not data:
                raise ConnectionError("the QMP peer closed the connection")
            self._pending += data
        line, self._pending = self._pending.split(b"\n", 1)
        return json.loads(line)

    def call(self, command, **arguments):
        """The command's return value. Argument names may have '_' for '-'."""
        self._next_id += 1
        wanted = f"test-{id(self)}-{self._next_id}"
        message = {"execute": command, "id": wanted}
        if arguments:
            message["arguments"] = {key.replace("_", "-"): value for key, value in arguments.items()}
        self.send(message)
        while True:
            reply = self.receive()
            if "event" in reply:
                self._events.append(reply)
            elif reply.get("id") != wanted:
                raise AssertionError(f"an answer that was not asked for: {reply}")
            elif "error" in reply:
                raise QmpError(reply["error"]["class"], reply["error"]["desc"])
            else:
                return reply["return"]

    def event(self, name, timeout=None):
        """The next event of that name; others are left out."""
        deadline = time.monotonic() + (timeout or self.timeout)
        while True:
            event = self._events.pop(0) if self._events else self.receive(deadline)
            if event.get("event") == name:
                return event
