# SPDX-License-Identifier: MIT
"""The memory and vCPUs of a guest's NUMA nodes are on the host's nodes that the profile names."""
import json
import re
import unittest

from hostcase import HostCase
from test_guest_devices import KEPT
from test_guest_memory import pool


class GuestNodes(HostCase):
    # The other way round than the host's, and not alike.
    CROSSED = [{"cpus": "0", "memory_mb": 160, "host_nodes": "1"}, {"cpus": "1", "memory_mb": 96, "host_nodes": "0"}]

    def guest(self, **fields):
        self.profile("web", **{"cpus": 2, "pinning": "one-node", "numa": {"nodes": self.CROSSED}, **fields})

    def memory(self):
        """Of QEMU: (policy, {host node: KiB}) of each mapping that is RAM of the guest."""
        maps = self.host.run("cat /proc/$(pgrep qemu-system)/numa_maps", check=True).out
        for line in maps.splitlines():
            if "memory-backend-memfd" in line:
                kib = int(re.search(r"kernelpagesize_kB=(\d+)", line)[1])
                yield line.split()[1], {node: int(pages) * kib for node, pages in re.findall(r" N(\d+)=(\d+)", line)}

    def pins(self):
        threads = json.loads(self.hv("status", "--pins", "--json", "web").out)["threads"]
        return {t["what"]: t["actual"] for t in threads if t["what"].startswith("vCPU")}

    def huge_pages(self, node):
        return tuple(int(self.host.read(f"{pool(node)}/{name}_hugepages")) for name in ("nr", "free", "surplus"))

    def test_takes_huge_pages_of_each_from_its_node_and_leaves_none(self):
        self.host.write(f"{pool(1)}/nr_hugepages", "8")
        self.guest(hugepages={"size": "2M"})
        before = self.host.snapshot()
        self.hv("start", "web")
        pages, free, surplus = self.huge_pages(1)
        self.assertEqual((pages - surplus, pages - free), (8, 80))
        self.assertEqual(self.huge_pages(0), (48, 0, 48))
        self.assertEqual(sorted(self.memory()), [("bind:0", {"0": 96 << 10}), ("bind:1", {"1": 160 << 10})])
        pins = self.pins()
        self.assertIn(pins["vCPU 0"], ("2", "3"))  # Of host node 1.
        self.assertEqual(pins["vCPU 1"], "1")
        self.assertIn("bare: ready", self.guest_says("web"))
        self.hv("stop", "web")
        self.assert_unchanged(before, ignore=KEPT)

    def test_takes_ordinary_memory_from_where_the_pins_are(self):
        self.guest(pinning={"vcpus": ["3", "1"]}, numa="host", memory_options={"lock": True})
        before = self.host.snapshot()
        self.hv("start", "--paused", "web")
        found = sorted(self.memory())
        self.assertEqual([where for _, where in found], [{"0": 128 << 10}, {"1": 128 << 10}])
        for (policy, _), node in zip(found, "01"):
            self.assertRegex(policy, f"^prefer.*:{node}$")
        self.hv("stop", "--force", "web")
        self.assert_unchanged(before, ignore=KEPT)

    def test_warns_of_memory_far_from_its_cpus(self):
        self.guest(pinning={"vcpus": ["0", "1"]})
        self.assertRegex(self.hv("plan", "web").out, r"warning: guest node 0 has memory of host node 1, and its vCPU 0 may "
                                                     r"run on others: pin it to CPUs 2-3.*\[far-memory\]")


if __name__ == "__main__":
    unittest.main()
