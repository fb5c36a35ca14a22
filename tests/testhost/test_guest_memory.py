# SPDX-License-Identifier: MIT
"""Huge pages that a guest takes from a node and leaves there, and threads that run where they are to."""
import json
import re
import unittest

from hostcase import HostCase
from test_guest_devices import KEPT

NODES = "/sys/devices/system/node"


def pool(node, size_kib=2048):
    return f"{NODES}/node{node}/hugepages/hugepages-{size_kib}kB"


class HugePages(HostCase):
    def pages(self, node, size_kib=2048):
        """(all, free, surplus) of a pool."""
        names = ("nr", "free", "surplus")
        return tuple(int(self.host.read(f"{pool(node, size_kib)}/{name}_hugepages")) for name in names)

    def test_takes_them_from_a_node_and_leaves_the_pool_as_it_was(self):
        self.host.write(f"{pool(1)}/nr_hugepages", "8")
        self.profile("web", hugepages={"size": "2M"}, numa={"nodeset": "1"})
        before = self.host.snapshot()
        self.hv("start", "web")
        # Its 128 pages are surplus already: they go when QEMU does, and the owner's 8 are free again.
        pages, free, surplus = self.pages(1)
        self.assertEqual((pages - surplus, pages - free), (8, 128))
        self.assertEqual(self.pages(0), (0, 0, 0))
        self.assertIn("bare: ready", self.guest_says("web"))
        self.assertEqual(self.nodes_of_guest(), {"1"})
        self.hv("stop", "web")
        self.assert_unchanged(before, ignore=KEPT)

    def test_leaves_none_behind_when_qemu_and_its_watch_are_killed(self):
        self.profile("web", hugepages=True, numa={"nodeset": "1"})
        before = self.host.snapshot()
        self.hv("start", "--paused", "web")
        self.assertEqual(self.pages(1), (128, 0, 128))
        self.host.run("pkill -KILL -f '[h]vlaunch watch'; pkill -KILL qemu-system && "
                      f"until [ $(cat {pool(1)}/nr_hugepages) = 0 ]; do busybox usleep 20000; done", check=True)
        self.assertEqual(self.pages(1), (0, 0, 0))
        # Its memory goes before its lock does, and until then there is nothing to recover.
        self.host.run("while pgrep qemu-system >/dev/null; do busybox usleep 20000; done", check=True)
        self.hv("recover")
        self.assert_unchanged(before, ignore=KEPT)

    def test_refuses_more_than_the_node_has_or_goes_on_without(self):
        wish = {"memory_mb": 6144, "numa": {"nodeset": "1"}}
        self.profile("web", hugepages={"size": "2M"}, **wish)
        before = self.host.snapshot()
        refused = self.hv("start", "web", exit=6).err
        self.assertIn("[no-hugepages]", refused)
        self.assertRegex(refused, r"needs 3072 huge pages of 2 MiB, and node 1 has 0 free and \d+ MiB for more")
        self.assertIn("hint:", refused)
        self.assert_unchanged(before, ignore=KEPT)

    def test_goes_on_with_ordinary_pages_if_it_may(self):
        self.profile("web", hugepages={"size": "1G", "policy": "prefer"}, memory_mb=5120, numa={"nodeset": "1"})
        before = self.host.snapshot()
        warned = self.hv("plan", "web")
        self.assertIn("ordinary pages", warned.out + warned.err)
        self.assertIn("going on with ordinary pages", self.hv("start", "web").err)
        self.assertEqual(self.pages(1, 1048576), (1, 1, 0))
        self.assertIn("bare: ready", self.guest_says("web"))
        self.hv("stop", "web")
        self.assert_unchanged(before, ignore=KEPT)

    def test_says_how_many_the_kernel_made_of_those_it_promised(self):
        self.host.write(f"{pool(1)}/nr_hugepages", "8")
        self.profile("web", hugepages={"size": "2M"}, numa={"nodeset": "1"})
        before = self.host.snapshot()
        # A kernel that takes the number, and finds no page. It would otherwise move all there is out of the way.
        done = self.host.run(f"strace -qq -o /dev/null -P {pool(1)}/nr_hugepages -e trace=write "
                             "-e inject=write:retval=3:when=1..4 hvlaunch start web")
        self.assertEqual(done.status, 6, done)
        self.assertIn("got 8 of 128 huge pages of 2 MiB on node 1", done.err)
        self.assertIn("[no-hugepages]", done.err)
        self.assertIn("hint:", done.err)
        self.assert_unchanged(before, ignore=KEPT)

    def test_takes_the_one_that_was_kept_at_boot(self):
        self.profile("web", hugepages={"size": "1G"}, memory_mb=1024, numa={"nodeset": "1"})
        before = self.host.snapshot()
        self.hv("start", "web")
        self.assertEqual(self.pages(1, 1048576), (1, 0, 0))
        self.assertEqual(self.pages(0, 1048576), (1, 1, 0))
        self.assertIn("bare: ready", self.guest_says("web"))
        self.hv("stop", "web")
        self.assert_unchanged(before, ignore=KEPT)

    def nodes_of_guest(self):
        """The NUMA nodes on which QEMU has huge pages."""
        maps = self.host.run("cat /proc/$(pgrep qemu-system)/numa_maps", check=True).out
        return {node for line in maps.splitlines() if " huge " in line for node in re.findall(r" N(\d+)=", line)}


class Pins(HostCase):
    WISH = {"vcpus": ["2", "3"], "emulator": "1"}

    def threads(self, name="web"):
        return json.loads(self.hv("status", "--pins", "--json", name).out)

    def test_shows_all_threads_where_they_are_to_be_before_the_first_instruction(self):
        # With huge pages QEMU has a thread that pins itself beside them.
        self.profile("web", cpus=2, pinning=self.WISH, hugepages=True)
        before = self.host.snapshot()
        self.hv("start", "--paused", "web")
        self.assertIn("web: paused", self.hv("status", "web").out)
        shown = self.threads()
        self.assertEqual(shown["drifted"], 0)
        self.assertEqual([(t["what"], t["intended"], t["actual"]) for t in shown["threads"][:2]],
                         [("vCPU 0", "2", "2"), ("vCPU 1", "3", "3")])
        self.assertGreater(len(shown["threads"]), 2)
        self.assertEqual({(t["what"], t["actual"]) for t in shown["threads"][2:]}, {("QEMU", "1")})
        self.assertEqual(self.actual(), {t["thread"]: t["actual"] for t in shown["threads"]})
        self.assertEqual(self.host.read("/run/hvlaunch/web/console.log"), "")

        moved = shown["threads"][0]["thread"]
        self.host.run(["taskset", "-p", "-c", "0", str(moved)], check=True)
        after = self.threads()
        first = after["threads"][0]
        self.assertEqual((after["drifted"], first["drifted"], first["actual"]), (1, True, "0"))
        self.assertIn("drifted", self.hv("status", "--pins", "web").out)
        self.hv("kill", "web")
        self.assert_unchanged(before, ignore=KEPT)

    def actual(self):
        """{thread: its CPUs} of QEMU, as the kernel says."""
        said = self.host.run("grep Cpus_allowed_list /proc/$(pgrep qemu-system)/task/*/status", check=True).out
        lines = re.findall(r"/task/(\d+)/status:Cpus_allowed_list:\s*(\S+)", said)
        return {int(thread): cpus for thread, cpus in lines}

    def test_refuses_cpus_that_are_offline_or_kept_from_it(self):
        self.profile("web", cpus=2, pinning=self.WISH)
        before = self.host.snapshot()
        self.host.write("/sys/devices/system/cpu/cpu3/online", "0")
        refused = self.hv("start", "web", exit=6).err
        self.host.write("/sys/devices/system/cpu/cpu3/online", "1")
        self.assertIn("[cpu-offline]", refused)
        self.assertIn("echo 1 >/sys/devices/system/cpu/cpu3/online", refused)
        kept = self.host.run("systemd-run --wait --pipe -q -p AllowedCPUs=0 hvlaunch start web")
        self.assertEqual((kept.status, "[cpu-forbidden]" in kept.err, "hint:" in kept.err), (6, True, True), kept)
        self.profile("web", cpus=2, pinning={"vcpus": ["2", "9"]})
        unknown = self.hv("start", "web", exit=6).err
        self.assertIn("[no-such-cpu]", unknown)
        # The kernel pulls all threads from a CPU that goes, and leaves them where they came to be.
        self.assert_unchanged(before, ignore=[*KEPT, "^interrupt", "^process", "^/sys/fs/cgroup/"])

    def test_gives_a_cpu_to_one_guest_at_a_time(self):
        self.profile("one", pinning={"vcpus": ["2"], "emulator": "0"})
        self.profile("two", pinning={"vcpus": ["2"], "emulator": "0"})
        before = self.host.snapshot()
        self.hv("start", "one")
        refused = self.hv("start", "two", exit=5).err
        self.assertIn("[cpu-claimed]", refused)
        self.assertIn("'one'", refused)
        self.hv("stop", "--force", "one")
        self.hv("start", "--paused", "two")
        self.hv("kill", "two")
        self.assert_unchanged(before, ignore=KEPT)


if __name__ == "__main__":
    unittest.main()
