# SPDX-License-Identifier: MIT
"""QEMU as a user of its guest's own: nobody's files, a /dev of its own, a network of its own."""
import json
import unittest

import machine
from hostcase import BARE, HostCase
from test_guest_devices import KEPT

DISK = "/var/lib/hypervisor/disks/web.qcow2"


class GuestUsers(HostCase):
    def qemu(self, name):
        return json.loads(self.hv("status", "--json", name).out)["pid"]

    def status_of(self, pid):
        return dict(line.split(":\t", 1) for line in self.host.read(f"/proc/{pid}/status").splitlines() if ":\t" in line)

    def user_of(self, name):
        """The one user that QEMU is in all regards, without capabilities."""
        status = self.status_of(self.qemu(name))
        users = set(status["Uid"].split()) | set(status["Gid"].split())
        self.assertEqual(len(users), 1)
        self.assertEqual((status["Groups"].split(), status["NoNewPrivs"]), ([], "1"))
        sets = [status[f"Cap{kind}"] for kind in ("Inh", "Prm", "Eff", "Bnd", "Amb")]
        self.assertEqual(sets, ["0" * 16] * 5)
        return int(users.pop())

    def test_each_guest_has_its_own(self):
        self.profile("web", disk_gb=1, display={"type": "vnc"}, hostdevs=[machine.NIC])
        self.profile("db", disk_gb=1)
        before = self.host.snapshot()
        self.hv("start", "web")
        self.hv("start", "db")
        users = [self.user_of("web"), self.user_of("db")]
        self.assertEqual(users, [json.loads(self.hv("plan", "--json", vm, exit=None).out)["cage"]["user"]
                                 for vm in ("web", "db")])
        self.assertNotEqual(*users)
        self.assertGreaterEqual(min(users), 0x70000000)
        self.guest_says("web")
        self.guest_says("db")
        # Images are root's as before, and come as descriptors.
        self.assertEqual(self.host.run(["stat", "-c", "%u %a", DISK], check=True).out.strip(), "0 600")
        self.assert_is_apart(self.qemu("web"), ["kvm", "null", "urandom", "vfio"])
        self.assert_is_apart(self.qemu("db"), ["kvm", "null", "urandom"])
        viewers = self.host.run(["stat", "-c", "%F %u %a", "/run/hvlaunch/web/display/vnc.sock"], check=True).out
        self.assertEqual(viewers.strip(), f"socket {users[0]} 700")
        for vm in ("web", "db"):
            self.hv("stop", vm)
        self.assert_unchanged(before, ignore=KEPT)

    def assert_is_apart(self, pid, devices):
        self.assertEqual(sorted(self.host.run(["ls", f"/proc/{pid}/root/dev"], check=True).out.split()), devices)
        for kind in ("mnt", "net", "ipc", "uts"):
            said = self.host.run(f"readlink /proc/1/ns/{kind} /proc/{pid}/ns/{kind} | uniq | wc -l").out
            self.assertEqual(said.strip(), "2", kind)
        # What the host unmounts is not kept busy by guests.
        self.host.run("mkdir -p /run/short && mount -t tmpfs short /run/short", check=True)
        self.host.run("umount /run/short && rmdir /run/short", check=True)
        self.assertNotIn("/run/short", self.host.read(f"/proc/{pid}/mountinfo"))

    def test_reads_what_only_root_may_and_no_more(self):
        """A kernel in a closed directory: one capability stays, and Landlock keeps it to that file."""
        self.host.run(f"mkdir -m 0700 /root/private && cp {BARE} /root/private/kernel && "
                      "chmod 0600 /root/private/kernel", check=True)
        self.profile("web", kernel="/root/private/kernel")
        self.hv("start", "web")
        self.guest_says("web")
        status = self.status_of(self.qemu("web"))
        self.assertEqual([int(status[f"Cap{kind}"], 16) for kind in ("Eff", "Bnd", "Amb")], [1 << 2] * 3)
        self.assertGreaterEqual(int(status["Uid"].split()[0]), 0x70000000)
        self.hv("stop", "web")

    def test_without_the_right_to_make_namespaces(self):
        """As in a container: still a user of its own, and by the profile's wish nothing less."""
        start = ["setpriv", "--bounding-set=-sys_admin", "hvlaunch", "start", "web"]
        self.profile("web", confine="strict")
        refused = self.host.run(start)
        self.assertEqual(refused.status, 6, refused)
        self.assertIn("[no-namespaces]", refused.err)
        self.profile("web", disk_gb=1)
        self.assertTrue((started := self.host.run(start)).ok, started)
        pid = self.qemu("web")
        self.assertGreaterEqual(int(self.status_of(pid)["Uid"].split()[0]), 0x70000000)
        self.hv("stop", "--force", "web")

    def test_off_is_root(self):
        self.profile("web", confine="off")
        self.hv("start", "web")
        self.assertRegex(self.status_of(self.qemu("web"))["Uid"], r"^0\s+0")
        self.hv("stop", "web")


if __name__ == "__main__":
    unittest.main()
