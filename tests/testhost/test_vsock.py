# SPDX-License-Identifier: MIT
"""A guest's vsock: in its cage it has the address that the plan names, and no other guest gets it."""
import json
import unittest

from hostcase import HostCase
from test_guest_devices import KEPT

BY_HAND = ("qemu-system-x86_64 -nodefaults -no-user-config -display none -machine q35,accel=tcg -S -m 64 "
           "-device vhost-vsock-pci,guest-cid={}")


class Vsock(HostCase):
    def test_is_the_guests_alone_for_as_long_as_it_runs(self):
        if self.host.run("modprobe vhost_vsock; test -e /dev/vhost-vsock").status != 0:
            self.skipTest("missing: a kernel with vhost_vsock")
        self.profile("first", vsock=True)
        arguments = json.loads(self.hv("plan", "--json", "first").out)["arguments"]
        device = next(json.loads(one["value"]) for one in arguments if "vhost-vsock-pci" in one.get("value", ""))
        cid = device["guest-cid"]
        self.assertGreater(cid, 2)
        self.profile("second", vsock={"cid": cid})
        before = self.host.snapshot()
        self.assertIn(f"vsock address {cid}", self.hv("check", "--all").err)
        self.hv("start", "first")
        self.assertRegex(self.guest_says("first"), "1af4:10(53|12) ")
        refused = self.hv("start", "second", exit=5).err
        self.assertIn("[claimed]", refused)
        self.assertIn(f"vsock address {cid}", refused)
        # The kernel knows it by this address: it gives it to no one else.
        self.assertIn("Address already in use", self.host.run(f"timeout 20 {BY_HAND.format(cid)}", timeout=40).err)
        self.hv("stop", "--force", "first")
        self.hv("start", "--paused", "second")
        self.hv("stop", "--force", "second")
        self.assert_unchanged(before, ignore=KEPT)

    def test_start_returns_when_the_guest_says_that_it_is_up(self):
        if self.host.run("modprobe vhost_vsock; test -e /dev/vhost-vsock").status != 0:
            self.skipTest("missing: a kernel with vhost_vsock")
        self.profile("web", vsock=True, ready={"type": "vsock-notify", "timeout_seconds": 60})
        # SeaBIOS has no words for it.
        self.profile("mute", vsock=True, ready={"type": "vsock-notify", "timeout_seconds": 3}, kernel=None, firmware="bios")
        before = self.host.snapshot()
        self.hv("start", "web")
        self.assertRegex(self.host.read("/run/hvlaunch/web/notice"), "^READY=1\n")
        self.guest_says("web", "bare: told the host")
        self.assertRegex(self.hv("status", "web").out, r"it says +bare and\\x09ready")
        late = self.hv("start", "mute", exit=8)
        self.assertIn("waited 3 s in vain for its systemd to say that it is up", late.err)
        for name in ("web", "mute"):
            self.hv("stop", "--force", name)
        self.assert_unchanged(before, ignore=KEPT)


if __name__ == "__main__":
    unittest.main()
