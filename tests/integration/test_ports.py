# SPDX-License-Identifier: MIT
"""Ports of the host that lead to a guest: they are there, and nobody gets one twice."""
import socket
import unittest

import hv


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Ports(hv.Case):
    def guest_at(self, name, port, **more):
        network = {"mode": "user", "forward": [{"host": port, "guest": 22, **more}]}
        self.profile(name, **{**self.guest(), "network": network})

    def test_one_port_of_two_guests(self):
        port = free_port()
        self.guest_at("first", port)
        self.guest_at("second", port, address="0.0.0.0")
        said = self.hv("check", "--all").err
        self.assertRegex(said, f"'(first|second)' and '(first|second)' both claim tcp port {port}")
        # In the strict cage a system call that it lacks ends QEMU.
        self.profile("first", **{**self.guest(), "confine": "strict",
                                 "network": {"mode": "user", "forward": [{"host": port, "guest": 22}]}})
        self.hv("start", "first")
        with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
            connection.sendall(b"hello\n")
        self.refused("start", "second", exit=hv.WRONG_STATE, id="claimed",
                     words=["guest 'first'", f"tcp port {port}"], hint="hvlaunch stop first")
        self.assertEqual(self.status("first")["state"], "running")
        self.hv("kill", "first")
        self.hv("start", "second")
        self.hv("kill", "second")
        self.assert_nothing_left()

    def test_a_port_that_a_program_of_the_host_has(self):
        with socket.socket() as server:
            server.bind(("127.0.0.1", 0))
            server.listen()
            port = server.getsockname()[1]
            self.guest_at("demo", port)
            self.refused("start", "demo", exit=hv.WRONG_STATE, id="port-in-use", words=[str(port)], hint="ss -lnpt")
            self.assert_nothing_left()


if __name__ == "__main__":
    unittest.main()
