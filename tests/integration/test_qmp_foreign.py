# SPDX-License-Identifier: MIT
"""QEMU's own tools on qmp.sock, while others are connected to it."""
import subprocess
import sys
import unittest

import hv
from hv_qmp import Qmp, QmpError

ASK = """
import asyncio, sys
from qemu.qmp import QMPClient

async def main():
    client = QMPClient("foreign")
    await client.connect(sys.argv[1])
    print("greeting", client.greeting is not None)
    for _ in range(3):
        print((await client.execute("query-status"))["status"])
    await client.execute("stop")
    with client.listener("RESUME") as listener:
        await client.execute("cont")
        print((await listener.get())["event"])
    await client.disconnect()

asyncio.run(main())
"""


class Foreign(hv.Case):
    def setUp(self):
        super().setUp()
        self.python = hv.QEMUS / "python"
        self.need((self.python / "qemu/qmp").exists(), f"{self.python}: run tests/qemus")
        self.profile("demo", **self.guest())
        self.hv("start", "demo")
        self.path = self.run_dir("demo") / "qmp.sock"

    def tearDown(self):
        self.hv("stop", "demo", "--force", exit=None)

    def foreign(self, *argv, stdin=None):
        done = subprocess.run([sys.executable, *argv], input=stdin, text=True, capture_output=True,
                              timeout=60, env={**self.env, "PYTHONPATH": str(self.python)})
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def test_python_client_beside_two_others(self):
        with Qmp(self.path) as one, Qmp(self.path) as two:
            out = self.foreign("-c", ASK, str(self.path))
            self.assertEqual(out.split(), ["greeting", "True", "running", "running", "running", "RESUME"])
            for other in (one, two):
                self.assertEqual(other.event("STOP")["event"], "STOP")
                self.assertEqual(other.event("RESUME")["event"], "RESUME")
                self.assertEqual(other.call("query-status")["status"], "running")

    def test_qmp_shell_beside_two_others(self):
        with Qmp(self.path) as one, Qmp(self.path) as two:
            out = self.foreign("-m", "qemu.qmp.qmp_shell", str(self.path), stdin="query-status\n")
            self.assertIn("running", out)
            self.assertEqual(one.call("query-name"), {"name": "demo"})
            self.assertEqual(two.call("query-name"), {"name": "demo"})

    def test_answers_go_to_who_asked(self):
        clients = [Qmp(self.path) for _ in range(8)]
        try:
            for number, client in enumerate(clients):  # all with the same id
                client.send({"execute": "query-name" if number % 2 else "query-status", "id": 1})
            for number, client in enumerate(clients):
                reply = client.receive()
                self.assertEqual(reply["id"], 1)
                self.assertIn("name" if number % 2 else "status", reply["return"])
        finally:
            for client in clients:
                client.socket.close()

    def test_nothing_before_negotiation(self):
        with Qmp(self.path, negotiate=False) as qmp:
            with self.assertRaises(QmpError) as caught:
                qmp.call("query-status")
            self.assertEqual(caught.exception.args[0], "CommandNotFound")
            qmp.call("qmp_capabilities")
            self.assertEqual(qmp.call("query-status")["status"], "running")

    def test_one_that_leaves_in_the_middle_harms_nobody(self):
        with Qmp(self.path) as one:
            for _ in range(20):
                rude = Qmp(self.path)
                rude.send({"execute": "query-qmp-schema"})
                rude.socket.close()
            self.assertEqual(one.call("query-status")["status"], "running")

    def test_nonsense_is_answered_with_an_error(self):
        with Qmp(self.path) as qmp:
            qmp.socket.sendall(b'{"execute": }\r\n')
            self.assertIn("error", qmp.receive())
            self.assertEqual(qmp.call("query-status")["status"], "running")

    def test_stop_works_meanwhile(self):
        with Qmp(self.path) as qmp:
            self.hv("stop", "demo", "--force")
            self.assertEqual(qmp.event("SHUTDOWN")["data"]["guest"], False)
        self.assert_nothing_left()


if __name__ == "__main__":
    unittest.main()
