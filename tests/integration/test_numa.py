# SPDX-License-Identifier: MIT
"""Guests see the NUMA nodes, and what these have of CPUs and memory, that their profile asks for."""
import re
import unittest

import hv


class Numa(hv.Case):
    NODES = [{"cpus": "0-1", "memory_mb": 512, "distances": [10, 17]}, {"cpus": "2-3", "host_nodes": "0"}]

    def sees(self, arch, nodes, qemu=None):
        """{node: (CPUs, MiB, distances)}, as the guest's kernel shows them."""
        self.profile("demo", cpus=4, memory_mb=768, numa={"nodes": nodes}, **self.guest(arch, qemu=qemu))
        self.hv("start", "demo")
        with self.console("demo") as console:
            said = console.expect(hv.UP, hv.READY, timeout=120)
        self.hv("stop", "demo", "--force")
        self.assert_nothing_left()
        found = re.findall(r"guest: node(\d) cpus (\S+) memory (\d+) kB distances (.*\d)", said)
        return {int(node): (cpus, int(memory) // 1024, distances) for node, cpus, memory, distances in found}

    def check(self, arch):
        seen = self.sees(arch, self.NODES)
        self.assertEqual({node: (cpus, distances) for node, (cpus, _, distances) in seen.items()},
                         {0: ("0-1", "10 17"), 1: ("2-3", "17 10")})
        # Firmware and kernel keep some for themselves.
        self.assertTrue(350 < seen[0][1] <= 512 and 180 < seen[1][1] <= 256, seen)

    def test_x86_64(self):
        self.check("x86_64")

    def test_aarch64(self):
        self.check("aarch64")

    def test_riscv64_of_uneven_nodes(self):
        seen = self.sees("riscv64", [{"cpus": "0-2"}, {"cpus": "3", "distances": [40, 10]}], "10.0")
        self.assertEqual([(cpus, distances) for cpus, _, distances in seen.values()],
                         [("0-2", "10 40"), ("3", "40 10")])


if __name__ == "__main__":
    unittest.main()
