# SPDX-License-Identifier: MIT
"""What a guest may use of the host, as the kernel has it in the guest's control group."""
import json

import machine
from test_units import LEFT, UNIT, WATCH, UnitCase

GROUP = "/sys/fs/cgroup/hvlaunch.slice/hvlaunch@web.service/guest"
DISKS = "/var/lib/hypervisor/disks"
# ext4 has threads of its own.
DISK = [*LEFT, "jbd2", "ext4"]


class Limits(UnitCase):
    def kernel(self, *names):
        return {name: self.host.read(f"{GROUP}/{name}").strip() for name in names}

    def limits(self):
        said = json.loads(self.hv("limits", "--json", "web").out)
        self.assertEqual(said["name"], "web")
        return {row["limit"]: (row["intended"], row["actual"], row["as_intended"]) for row in said["limits"]}

    def test_the_kernel_has_what_the_profile_says_and_what_is_set_later(self):
        device = self.host.run(f"cat /sys/bus/pci/devices/{machine.BRIDGED_DISK}/virtio*/block/*/dev", check=True).out.strip()
        self.host.run(f"mkdir -p {DISKS}; mkfs.ext4 -q -E lazy_itable_init=0 /dev/block/{device}; mount /dev/block/{device} {DISKS}", check=True)
        # A kernel without CONFIG_BLK_DEV_THROTTLING has no such file.
        can_throttle = self.host.run("echo +io >/sys/fs/cgroup/cgroup.subtree_control; "
                                     "test -e /sys/fs/cgroup/init.scope/io.max").ok
        throttles = {"io_read_mb_per_second": 20, "io_write_ops_per_second": 300} if can_throttle else {}
        self.profile("web", disk_gb=1, limits={"cpu_quota_percent": 150, "cpu_weight": 50, "memory_high_mb": 500,
                                               "memory_max_mb": "1G", "pids_max": 200, **throttles})
        self.assertIn("limit the guest: cpu_quota_percent 150 %, cpu_weight 50, memory_high_mb 500 MiB",
                      self.hv("plan", "web").out)
        before = self.host.snapshot()
        self.systemctl("start", UNIT)
        main, = self.show("MainPID")
        self.assertEqual(self.host.read(f"/proc/{main}/cgroup").strip().split("::")[1], GROUP.removeprefix("/sys/fs/cgroup"))
        self.assertEqual(self.kernel("cpu.max", "cpu.weight", "memory.high", "memory.max", "pids.max"),
                         {"cpu.max": "150000 100000", "cpu.weight": "50", "memory.high": str(500 << 20),
                          "memory.max": str(1 << 30), "pids.max": "200"})
        # All that QEMU has counts.
        self.assertGreater(int(self.host.read(f"{GROUP}/memory.current")), 16 << 20)
        if throttles:
            self.assertEqual(self.kernel("io.max"),
                             {"io.max": f"{device} rbps={20 << 20} wbps=max riops=max wiops=300"})
            self.assertEqual(self.limits()["io_write_ops_per_second"], (300, 300, True))
        # Another's hand, and ours.
        self.host.write(f"{GROUP}/pids.max", "300")
        self.assertEqual(self.limits()["pids_max"], (200, 300, False))
        self.assertIn("changed by somebody else", self.hv("limits", "web").out)
        said = self.hv("limits", "web", "--set", "memory_max_mb=2G", "--set", "memory_high_mb=none",
                       "--set", "cpu_quota_percent=20").err
        self.assertIn("web has its new limits until it ends; its profile is unchanged", said)
        self.assertEqual(self.kernel("cpu.max", "memory.high", "memory.max", "pids.max"),
                         {"cpu.max": "20000 100000", "memory.high": "max", "memory.max": str(2 << 30), "pids.max": "200"})
        self.assertEqual(self.limits()["memory_high_mb"], (None, None, True))
        status = json.loads(self.hv("status", "--json", "web").out)
        self.assertIn({"limit": "memory_max_mb", "intended": 2048, "actual": 2048, "as_intended": True}, status["limits"])
        for wrong, words in (("memory_max_mb=256", "may come to need 388"), ("pids_max=2", "may come to need 81"),
                             ("memory_max_mb=x", "is not a size"), ("nothing=none", "unknown member 'nothing'")):
            self.assertIn(words, self.hv("limits", "web", "--set", wrong, exit=None).err)
        self.assertEqual(self.kernel("memory.max"), {"memory.max": str(2 << 30)})
        # systemd reads its units again, and the guest has its limits still.
        self.systemctl("daemon-reload")
        self.assertEqual(self.kernel("cpu.max", "pids.max"), {"cpu.max": "20000 100000", "pids.max": "200"})
        # It crashes, and is started again by the profile.
        self.host.run(f"kill -KILL {main}", check=True)
        self.wait_until(f"[ $(systemctl show -P NRestarts {UNIT}) = 1 ] && systemctl -q is-active {UNIT}")
        self.assertEqual(self.kernel("cpu.max", "memory.max"), {"cpu.max": "150000 100000", "memory.max": str(1 << 30)})
        self.hv("stop", "--force", "web")
        self.host.run(f"systemctl reset-failed {UNIT}")
        self.wait_for_state("inactive", WATCH)
        self.hv("limits", "web", exit=5)
        self.assertEqual(self.host.survey(f"{GROUP}/../*"), {})
        self.assert_unchanged(before, ignore=[*DISK, r"web\.qcow2"])

    def test_what_cannot_be_kept_is_refused(self):
        self.profile("web", limits={"cpu_quota_percent": 50})
        before = self.host.snapshot()
        # Not by its unit.
        said = self.hv("start", "/var/lib/hypervisor/vm-profiles/web.json", exit=6).err
        self.assertIn("limits are kept in the control group of hvlaunch@web.service", said)
        self.assertIn("[no-unit]", said)
        # On a file system without a device.
        self.profile("web", disk_gb=1, limits={"io_read_mb_per_second": 1})
        self.assertIn("[no-block-device]", self.hv("start", "web", exit=6).err)
        self.assertEqual(self.show("ActiveState", "NRestarts"), ("inactive", "0"))
        self.profile("web", limits={"memory_max_mb": 300})
        self.assertIn("300 MiB are too few for a guest with 256 MiB", self.hv("start", "web", exit=3).err)
        self.assert_unchanged(before, ignore=[*LEFT, r"web\.qcow2"])
        # A guest without limits gets some later.
        self.profile("web")
        self.hv("start", "web")
        self.hv("limits", "web", "--set", "cpu_weight=10")
        self.assertEqual(self.kernel("cpu.weight", "memory.max"), {"cpu.weight": "10", "memory.max": "max"})
        self.hv("stop", "--force", "web")
        self.wait_for_state("inactive", WATCH)
        self.assert_unchanged(before, ignore=[*LEFT, r"web\.qcow2"])
