# SPDX-License-Identifier: MIT
"""CPUs that guests have for themselves, and the host's own work kept off them."""
import json
import unittest

from hostcase import HostCase
from test_guest_devices import KEPT

SLICE = "/sys/fs/cgroup/system.slice"
CONTROL = "/run/systemd/system.control"
# The slice of guests stays when its last one has gone.
LEFT = [*KEPT, r"^/sys/fs/cgroup/hvlaunch\.slice", r"^/run/hvlaunch/\.(claims|isolation)\.lock$"]
CLEAN_UP = """
end=$(($(date +%s) + 60))
until ! pgrep -x qemu-system-x86 || [ $(date +%s) -gt $end ]; do busybox usleep 20000; done
until [ ! -e /run/hvlaunch/one ] || [ $(date +%s) -gt $end ]; do hvlaunch recover; busybox usleep 50000; done
until ! pgrep -f '[h]vlaunch watch' || [ $(date +%s) -gt $end ]; do busybox usleep 20000; done
"""


class Isolated(HostCase):
    def guest(self, name, cpu, **pinning):
        self.profile(name, pinning={"vcpus": [cpu], "emulator": "0", "isolate": True, **pinning})

    def before(self):
        self.hv("caps")
        return self.host.snapshot()

    def interrupts(self):
        """{name of the owner: CPUs}"""
        values = self.host.snapshot().values
        return {key: value for key, value in values.items() if key.startswith("interrupt ")}

    def slice(self):
        return self.host.read(f"{SLICE}/cpuset.cpus").strip()

    def assert_all_back(self, before):
        self.assert_unchanged(before, ignore=LEFT)
        self.assertEqual(self.host.run(f"ls {CONTROL}").out.strip(), "")

    def test_two_guests_are_counted_and_the_last_gives_all_back(self):
        self.guest("one", "2")
        self.guest("two", "3")
        self.assertIn("keep the host off CPU 2:", self.hv("plan", "one").out)
        before = self.before()
        moved = {key for key, value in self.interrupts().items() if value == "CPUs 0-3"}
        self.assertGreater(len(moved), 3)
        self.hv("start", "one")
        self.assertIn("bare: ready", self.guest_says("one"))
        self.assertEqual(self.slice(), "0-1,3")
        self.assertIn("AllowedCPUs=0-1 3\n\nAllowedCPUs=0-1 3", self.host.run("systemctl show -p AllowedCPUs system.slice init.scope").out)
        self.assertIn("hvlaunch.slice", self.host.run("cat /proc/$(pgrep qemu-system)/cgroup").out)
        # Its own interrupts come and go; those of the host stay and have moved.
        self.assertEqual({self.interrupts()[key] for key in moved}, {"CPUs 0-1,3"})
        self.assertEqual(self.host.read("/proc/irq/default_smp_affinity").strip(), "b")
        shown = json.loads(self.hv("status", "--pins", "--json", "one").out)
        self.assertEqual((shown["drifted"], shown["isolated"]["cpus"], shown["isolated"]["slices"]), (0, "2", []))

        # A command that runs where the CPUs were taken from starts one more.
        self.hv("start", "two")
        self.assertEqual(self.slice(), "0-1")
        self.assertEqual(json.loads(self.hv("status", "--pins", "--json", "one").out)["drifted"], 0)
        self.hv("stop", "one")
        self.assertEqual(self.slice(), "0-2")
        self.host.run("systemctl set-property --runtime init.scope AllowedCPUs=0-3", check=True)
        self.assertIn("CPU 3 is open again to init.scope", self.hv("status", "--pins", "two").out)
        self.host.run("systemctl set-property --runtime init.scope AllowedCPUs=0-2", check=True)
        self.hv("stop", "--force", "two")
        self.assert_all_back(before)

    def test_guests_that_start_and_stop_at_once_take_turns(self):
        self.guest("one", "2")
        self.guest("two", "3")
        before = self.before()
        self.host.run("hvlaunch start --paused one & hvlaunch start --paused two & wait", timeout=120)
        self.assertEqual(self.slice(), "0-1")
        self.host.run("hvlaunch kill one & hvlaunch kill two & wait", timeout=120)
        self.host.run(CLEAN_UP, timeout=120)
        self.assert_all_back(before)

    def test_all_comes_back_after_qemu_or_hvlaunch_is_killed(self):
        self.guest("one", "3")
        before = self.before()
        self.hv("start", "one")
        self.host.run("pkill -KILL -f '[h]vlaunch watch'; pkill -KILL qemu-system", check=True)
        self.host.run(CLEAN_UP, timeout=120)
        self.assert_all_back(before)
        # The files and the children of a start, some of them systemctl, one after the other.
        for kind, number in [("renameat2", 2), ("renameat2", 3), ("clone", 1), ("clone", 2), ("clone", 3)]:
            self.host.run(f"systemd-run --scope --quiet --slice=hvlaunch.slice strace -qq -o /dev/null -e trace={kind} "
                          f"-e signal=none -e inject={kind}:signal=SIGKILL:when={number} hvlaunch start --paused one; "
                          "hvlaunch kill one", timeout=120)
            self.host.run(CLEAN_UP, timeout=120)
            try:
                self.assert_all_back(before)
            except AssertionError as error:
                raise AssertionError(f"killed at {kind} {number}: {error}") from None

    def test_refusals_change_nothing(self):
        self.guest("one", "0-3", emulator="0-3")
        before = self.before()
        refused = self.hv("start", "one", exit=6).err
        self.assertIn("[no-cpu-for-host]", refused)
        self.guest("one", "2")
        # systemd says no.
        self.host.run("mount --bind /bin/false /usr/bin/systemctl", check=True)
        refused = self.hv("start", "one", exit=1).err
        self.host.run("umount /usr/bin/systemctl", check=True)
        self.assertIn("systemctl ended with status 1", refused)
        self.assertIn("[program]", refused)
        self.assert_all_back(before)


class Helped(HostCase):
    def test_vhost_workers_and_schedulers_are_as_planned(self):
        self.host.run("modprobe vhost_net; ip link add br0 type bridge && ip link set br0 up", check=True)
        self.profile("one", network={"mode": "bridge", "bridge": "br0", "vhost": True},
                     pinning={"vcpus": ["2"], "emulator": "0-1", "helpers": "3", "scheduler": "fifo"})
        self.hv("caps")
        before = self.host.snapshot()
        self.hv("start", "one")
        self.assertIn("bare: ready", self.guest_says("one"))
        shown = json.loads(self.hv("status", "--pins", "--json", "one").out)
        self.assertEqual(shown["drifted"], 0, shown)
        threads = {t["what"]: (t["actual"], t["scheduler"]) for t in shown["threads"]}
        self.assertEqual((threads["vCPU 0"], threads["vhost worker"], threads["QEMU"]),
                         (("2", "fifo 1"), ("3", "other"), ("0-1", "other")), shown)
        watch = self.host.run("grep Cpus_allowed_list /proc/$(pgrep -f '[h]vlaunch watch')/status", check=True).out
        self.assertEqual(watch.split(), ["Cpus_allowed_list:", "3"])
        worker = next(t for t in shown["threads"] if t["what"] == "vhost worker")
        self.host.run(["taskset", "-p", "-c", "0", str(worker["thread"])], check=True)
        vcpu = next(t for t in shown["threads"] if t["what"] == "vCPU 0")
        self.host.run(["chrt", "-o", "-p", "0", str(vcpu["thread"])], check=True)
        self.assertEqual(json.loads(self.hv("status", "--pins", "--json", "one").out)["drifted"], 2)
        self.hv("stop", "--force", "one")
        self.host.run(CLEAN_UP, timeout=120)
        self.assert_unchanged(before, ignore=[*LEFT, r"link br0$", r"^process kvm"])

    def test_merging_without_ksm_is_warned_of(self):
        self.profile("one", memory_options={"merge": True})
        self.assertIn("[ksm-off]", self.hv("plan", "one").out)
        self.assertIn("ksm-off", self.hv("doctor", "one", "--json", exit=None).out)
        self.host.run("echo 1 >/sys/kernel/mm/ksm/run", check=True)
        self.assertNotIn("ksm-off", self.hv("plan", "one").out)


if __name__ == "__main__":
    unittest.main()
