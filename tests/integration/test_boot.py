# SPDX-License-Identifier: MIT
"""Real guests come up from a profile, on each architecture and each QEMU at hand."""
import json
import unittest

import hv


class Boot(hv.Case):
    def boots(self, arch, machine_word, qemu=None, **fields):
        self.profile("demo", **{**self.guest(arch, qemu=qemu), **fields})
        self.hv("start", "demo")
        with self.console("demo") as console:
            console.expect(hv.UP, machine_word, hv.READY, timeout=120)
        status = self.status("demo")
        self.assertEqual(status["state"], "running")
        self.hv("stop", "demo", "--force")
        self.assert_nothing_left()

    def test_x86_64(self):
        self.boots("x86_64", "x86_64")

    def test_aarch64(self):
        self.boots("aarch64", "aarch64")

    def test_riscv64(self):
        self.boots("riscv64", "riscv64")

    def test_x86_64_under_10_0(self):
        self.boots("x86_64", "x86_64", "10.0")

    def test_aarch64_under_11_1(self):
        self.boots("aarch64", "aarch64", "11.1")

    def test_riscv64_under_10_0(self):
        self.boots("riscv64", "riscv64", "10.0")

    def test_x86_64_under_11_1(self):
        self.boots("x86_64", "x86_64", "11.1")

    def test_x86_64_through_uefi(self):
        self.boots("x86_64", "x86_64", firmware="uefi")

    def test_aarch64_through_uefi(self):
        self.boots("aarch64", "aarch64", firmware="uefi")

    def test_riscv64_through_uefi(self):
        self.boots("riscv64", "riscv64", "11.1", firmware="uefi")

    def test_virtio_console(self):
        fields = self.guest("x86_64")
        fields["cmdline"] = "console=hvc0 quiet panic=-1"
        self.boots("x86_64", "x86_64", **{**fields, "console": "virtio"})


class Firmware(hv.Case):
    """A kernel for loongarch64 is not in Debian's stable releases; its firmware is."""

    def loongarch64(self, version):
        self.profile("demo", arch="loongarch64", memory_mb=1024, firmware="uefi",
                     **self.qemu("loongarch64", version))
        self.hv("start", "demo")
        with self.console("demo") as console:
            console.expect("UEFI Interactive Shell", "Shell>", timeout=120)
        self.hv("stop", "demo", "--force")
        self.assert_nothing_left()

    def test_loongarch64_under_10_0(self):
        self.loongarch64("10.0")

    def test_loongarch64_under_11_1(self):
        self.loongarch64("11.1")


class Refusals(hv.Case):
    """What cannot start says why, with the status of design.md, and leaves nothing."""

    def refused(self, exit, *words):
        result = self.hv("start", "demo", exit=exit)
        for word in words:
            self.assertIn(word, result.err)
        self.assertEqual(result.out, "")
        self.assert_nothing_left()

    def test_unknown_vm(self):
        self.refused(hv.NO_SUCH_VM, "demo")

    def test_every_error_of_a_profile(self):
        path = self.profile("demo", cpus=0, memory_mb="many", colour="red")
        self.refused(hv.PROFILE, f"{path}:", "cpus", "memory_mb", "colour")

    def test_kernel_that_is_not_there(self):
        self.profile("demo", kernel="/nowhere/vmlinuz")
        self.refused(hv.CANNOT, "/nowhere/vmlinuz")

    def test_qemu_that_is_not_there(self):
        self.profile("demo", **{**self.guest(), "qemu": {"binary": "/nowhere/qemu"}})
        self.refused(hv.CANNOT, "/nowhere/qemu")

    def test_words_of_a_qemu_that_dies(self):
        extra = [{"reason": "to make it fail", "args": ["-device", "no-such-device"]}]
        self.profile("demo", **{**self.guest(), "qemu": {"extra_args": extra}})
        result = self.hv("start", "demo", exit=None)
        self.assertIn(result.rc, (hv.FAILED, hv.CANNOT))
        self.assertIn("no-such-device", result.err)
        self.assert_nothing_left(allow=["demo/qemu.log"])

    def test_name_already_running(self):
        self.profile("demo", **self.guest())
        self.hv("start", "demo")
        self.hv("start", "demo", exit=hv.WRONG_STATE)
        self.assertEqual(self.status("demo")["state"], "running")
        self.hv("stop", "demo", "--force")
        self.assert_nothing_left()

    def test_many_starts_at_once_have_one_winner(self):
        self.profile("demo", **self.guest())
        racers = [self.spawn("start", "demo") for _ in range(50)]
        ends = [(racer.communicate(timeout=120), racer.returncode) for racer in racers]
        codes = sorted(code for _, code in ends)
        self.assertEqual(codes, [hv.DONE] + [hv.WRONG_STATE] * 49, ends)
        qemus = self.processes("qemu-system-")
        self.assertEqual(len(qemus), 1, qemus)
        self.hv("stop", "demo", "--force")
        self.assert_nothing_left()

    def test_plan_is_json(self):
        self.profile("demo", **self.guest())
        plan = self.hv("plan", "demo", "--json")
        self.assertIsInstance(json.loads(plan.out), dict)
        self.assert_nothing_left()


if __name__ == "__main__":
    unittest.main()
