# SPDX-License-Identifier: MIT
"""`hvlaunch doctor` says what is true of the test host, and the cure for what is not."""
import json
import unittest

import machine
from hostcase import HostCase

NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "env", "HOME=/tmp/nobody",
          "XDG_RUNTIME_DIR=/tmp/nobody"]


class DoctorCase(HostCase):
    def doctor(self, *words, exit=0, prefix=()):
        """The checks by their ids; of several with one id, the last."""
        done = self.host.run([*prefix, "hvlaunch", "doctor", "--json", *words], timeout=90)
        if exit is not None:
            self.assertEqual(done.status, exit, done)
        self.report = json.loads(done.out)
        return {check["id"]: check for check in self.report["checks"]}

    def assert_check(self, check, status, found, remedy=""):
        self.assertEqual(check["status"], status, check)
        self.assertIn(found, check["found"])
        self.assertIn(remedy, check.get("remedy", ""))


class Host(DoctorCase):
    def test_says_what_is_true_and_changes_nothing(self):
        before = self.host.snapshot()
        checks = self.doctor()
        self.assert_unchanged(before, ignore=["^/var/cache/hvlaunch"])
        self.assertEqual(self.report["fail"], 0)
        self.assert_check(checks["cpu"], "ok", "AMD-V")
        self.assert_check(checks["kvm"], "ok", "KVM answers")
        self.assert_check(checks["iommu"], "ok", "VT-d is on")
        self.assert_check(checks["interrupt-remapping"], "ok", "on")
        self.assert_check(checks["acs"], "warn", f"{machine.BRIDGED_DISK}, {machine.BRIDGED_NIC}", "another slot")
        self.assert_check(checks["hugepages-1g"], "ok", "1 GiB: 1 of 1 free on node 0, 1 of 1 free on node 1")
        self.assert_check(checks["memlock"], "ok", "CAP_IPC_LOCK")
        self.assert_check(checks["qemu"], "ok", "/qemu-system-x86_64 7.2")
        self.assert_check(checks["command-line"], "ok", "intel_iommu=on")
        for node in ("vfio-module", "vfio-access", "tun", "vhost-net"):
            self.assert_check(checks[node], "ok", "")

    def test_is_readable_without_json(self):
        said = self.host.run(["env", "LC_ALL=C", "hvlaunch", "doctor"], check=True, timeout=90).out
        self.assertIn("\nDevices for guests\n", said)
        self.assertRegex(said, r"\n  ok   IOMMU +VT-d is on")
        self.assertRegex(said, r"\n  warn isolation \(ACS\) +group \d+ has 2 devices")
        self.assertNotIn("\033", said)

    def test_misses_kvm_when_it_is_gone(self):
        self.host.run(["rm", "/dev/kvm"], check=True)
        checks = self.doctor(exit=6)
        self.assert_check(checks["kvm"], "fail", "there is no /dev/kvm", "mknod")
        self.host.run("mknod -m 660 /dev/kvm c 10 232", check=True)
        self.assert_check(self.doctor()["kvm"], "ok", "KVM answers")

    def test_tells_a_user_which_group_to_join(self):
        self.host.run("install -d -o 65534 -g 65534 -m 700 /tmp/nobody; groupadd -f kvm || true; "
                      "grep -q ^kvm: /etc/group || echo kvm:x:104: >>/etc/group; "
                      "chown root:kvm /dev/kvm; chmod 660 /dev/kvm", check=True)
        checks = self.doctor(exit=6, prefix=NOBODY)
        self.assert_check(checks["kvm"], "fail", "you may not open /dev/kvm", "`usermod -aG kvm nobody`")
        self.assert_check(checks["user"], "warn", "nobody is not in the group kvm", "`usermod -aG kvm nobody`")
        self.assert_check(checks["tun"], "warn", "only root")
        self.host.run(["chmod", "666", "/dev/kvm"], check=True)
        self.assert_check(self.doctor(prefix=NOBODY)["kvm"], "ok", "KVM answers")

    def test_misses_huge_pages(self):
        for node in range(machine.NODES):
            self.host.write(f"/sys/devices/system/node/node{node}/hugepages/hugepages-1048576kB/nr_hugepages", "0")
        checks = self.doctor()
        self.assert_check(checks["hugepages-1g"], "warn", "none are reserved", "hugepagesz=1G")
        self.assert_check(checks["hugepages"], "warn", "none are reserved", "vm.nr_hugepages")


class Guest(DoctorCase):
    def checks_of(self, status, area):
        return [check for check in self.report["checks"] if (check["status"], check["area"]) == (status, area)]

    def test_finds_nothing_wrong_with_a_guest_that_can_start(self):
        self.profile("web")
        checks = self.doctor("web")
        self.assertEqual((self.report["vm"], self.report["fail"]), ("web", 0))
        self.assert_check(checks["plan"], "ok", "kvm by QEMU 7.2")
        self.assert_check(checks["files"], "ok", "can be read")
        self.assertNotIn("iommu", checks)

    def test_finds_what_a_guest_lacks(self):
        self.profile("web", kernel="absent.elf")
        check = self.doctor("web", exit=6)["no-file"]
        self.assert_check(check, "fail", "absent.elf", "put it there")
        self.assertEqual((check["pointer"], check["line"]), ("/kernel", 5))

    def test_judges_each_device(self):
        self.profile("web", hostdevs=[machine.NIC, machine.DUAL[0]])
        self.doctor("web", exit=None)
        devices = {check["title"]: check for check in self.checks_of("ok", "Its devices")}
        self.assertIn("alone in it; the host's driver lets it go: e1000e", devices[machine.NIC]["found"])
        [refused] = [check for check in self.report["checks"] if check["status"] == "fail"]
        self.assertEqual((refused["id"], refused["pointer"]), ("incomplete-group", "/hostdevs/1"))
        self.assertIn(machine.DUAL[1], refused["found"])
        self.hv("vfio", "bind", machine.NIC)
        self.doctor("web", exit=None)
        [ready] = [check for check in self.checks_of("ok", "Its devices") if check["title"] == machine.NIC]
        self.assertIn("ready: it has the driver vfio-pci", ready["found"])

    def test_shows_the_huge_pages_that_a_guest_takes(self):
        self.profile("web", hugepages=True, numa={"nodeset": "1"})
        self.assert_check(self.doctor("web")["hugepages-need"], "ok", "have 128 huge pages of 2 MiB free on node 1")
        self.profile("web", hugepages={"size": "1G"}, memory_mb=65536)
        self.assert_check(self.doctor("web", exit=6)["no-hugepages"], "fail", "the guest needs 64 huge pages of 1 GiB")

    def test_compares_pins_with_cpus_and_with_other_guests(self):
        self.profile("first", pinning={"vcpus": ["2"]})
        self.assert_check(self.doctor("first")["pins"], "ok", "vCPUs on CPU 2")
        self.hv("start", "first")
        self.profile("second", pinning={"vcpus": ["2"]})
        self.assert_check(self.doctor("second", exit=6)["cpu-claimed"], "fail", "guest 'first' has CPU '2' for itself",
                          "stop first")
        self.profile("third", pinning={"vcpus": ["99"]})
        self.assert_check(self.doctor("third", exit=6)["no-such-cpu"], "fail", "no CPU '99'")

    def test_refuses_a_guest_that_is_not_there(self):
        self.assertIn("no-such-vm", self.hv("doctor", "absent", exit=4).err)


if __name__ == "__main__":
    unittest.main()
