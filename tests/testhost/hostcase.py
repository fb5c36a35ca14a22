# SPDX-License-Identifier: MIT
"""The base of the tests in the test host.

    class Bind(hostcase.HostCase):
        def test_gives_the_nic_back(self):
            before = self.host.snapshot()
            self.profile("web", devices=[{"host": machine.NIC}])
            self.hv("start", "web")
            self.assertIn("8086:10d3", self.guest_says("web"))
            self.hv("stop", "web")
            self.assert_unchanged(before)

Each test has a host of its own, restored when it first asks for it.
"""
import json
import os
import sys
import time
import unittest

import boot
from qemu_process import RigFault

CI = os.environ.get("CI") == "true"
BARE = "/var/lib/hypervisor/bare.elf"
READY = "bare: ready"
# A hypervisor in an emulated host in a busy machine.
PATIENCE = 90


class HostCase(unittest.TestCase):
    maxDiff = None
    _host = None

    @classmethod
    def setUpClass(cls):
        if (lack := boot.missing()) is not None:
            if CI:
                raise AssertionError(f"missing: {lack}")
            raise unittest.SkipTest(f"missing: {lack}")

    @property
    def host(self):
        if self._host is None:
            context = boot.fresh_host()
            self._host = context.__enter__()
            self.addCleanup(context.__exit__, None, None, None)
            self._host.install_hvlaunch()
        return self._host

    def _callTestMethod(self, method):
        """A host that breaks is no failed test: it is tried once more, in a new one. What
        the test itself finds wrong is never tried again."""
        try:
            method()
        except RigFault as fault:
            print(f"\n{self.id()}: again in a new host, for: {fault}", file=sys.stderr)
            self._host = None
            method()

    # hvlaunch in the host

    def profile(self, name, **fields):
        """A small VM with the tiny guest, but for the fields; None takes one out."""
        whole = {"name": name, "cpus": 1, "memory_mb": 256, "kernel": BARE, "disk_gb": 0,
                 "network": {"mode": "none"}, "display": {"type": "none"}, "console": "serial", **fields}
        text = json.dumps({k: v for k, v in whole.items() if v is not None}, indent=2)
        self.host.write(f"/var/lib/hypervisor/vm-profiles/{name}.json", text, mode=0o644)

    def hv(self, *args, exit=0, timeout=PATIENCE):
        """Runs hvlaunch and checks its exit status; exit=None takes any."""
        result = self.host.run(["hvlaunch", *args], timeout=timeout)
        if exit is not None and result.status != exit:
            self.fail(f"exit {result.status}, not {exit}\n{result}\n{self._logs()}")
        return result

    def guest_says(self, name, last=READY):
        """The guest's console, once it has come to the line."""
        return self.wait_for_text(f"/run/hvlaunch/{name}/console.log", last)

    def wait_for_text(self, path, text, timeout=PATIENCE):
        deadline = time.monotonic() + timeout
        while True:
            try:
                if text in (said := self.host.read(path)):
                    return said
            except FileNotFoundError:
                said = ""
            if time.monotonic() > deadline:
                self.fail(f"{path}: no {text!r} for {timeout} s\n{said}\n{self._logs()}")
            time.sleep(0.05)

    def assert_unchanged(self, before, ignore=()):
        """The host is as it was. What udev does about a device is given the time it needs."""
        self.host.run(["udevadm", "settle"])
        self.assertEqual(before.difference(self.host.snapshot(), ignore), [])

    def _logs(self):
        said = self.host.run("tail -n 20 /run/hvlaunch/*/*.log; dmesg | tail -n 20")
        return said.out + said.err

    # sysfs by hand

    def bind(self, address, driver):
        """Gives a function to a driver, or with "" back to the one that would take it."""
        place = f"/sys/bus/pci/devices/{address}"
        self.host.write(f"{place}/driver_override", driver or "\n")
        if self.host.driver(address):
            self.host.write(f"{place}/driver/unbind", address)
        self.host.write("/sys/bus/pci/drivers_probe", address)

    def plain_guest(self, *arguments, words="poweroff", qemu="qemu-system-x86_64"):
        """What the tiny guest says in a QEMU without hvlaunch, which it has powered off."""
        command = [qemu, "-nodefaults", "-no-user-config", "-display", "none", "-machine", "q35", "-accel", "kvm",
                   "-cpu", "host", "-m", "128M", "-kernel", BARE, "-append", words,
                   "-serial", "file:/run/bare.log", *arguments]
        self.host.run(command, check=True, timeout=PATIENCE)
        return self.host.read("/run/bare.log")
