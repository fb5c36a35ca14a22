# SPDX-License-Identifier: MIT
"""Confidential guests, as far as a machine without the hardware can see.

`hvlaunch measure` is compared with what a few lines of Python make of the same files. The golden
plans are given to the real QEMUs with the object that encrypts: these must refuse the accelerator
or the processor, and nothing of the plan.
"""
import base64
import contextlib
import hashlib
import json
import os
import re
import shutil
import struct
import subprocess
import tempfile
import unittest
import uuid
from pathlib import Path

import hv
from accept_guest import Guest, installed

UNIT_TESTS = Path(os.environ.get("HVLAUNCH_UNIT_TESTS", hv.REPOSITORY / "build/release/bin/unit_tests"))

PAGE = 4096
ZERO, SECRETS, CPUID, HASHES = 1, 2, 3, 0x10
SNP = [(0x800000, 0x9000, ZERO), (0x80d000, PAGE, SECRETS), (0x80e000, PAGE, CPUID), (0x810000, PAGE, HASHES)]
RESET, TABLE = 0x80b004, 0x810400
TDX = [(0x1000, 0x3000, 0xfffff000 - 0x2000, 0x3000, 0, 1), (0, 0, 0x809000, 0x2000, 3, 0)]


def guid(text):
    return uuid.UUID(text).bytes_le


def image(pages=4, snp=SNP, tdx=TDX, hashes=TABLE):
    """Firmware of no code, with the table of a real one at its end."""
    def entry(data, name):
        return data + struct.pack("<H", len(data) + 18) + guid(name)
    sev = b"ASEV" + struct.pack("<III", 16 + 12 * len(snp), 1, len(snp)) + b"".join(struct.pack("<III", *s) for s in snp)
    td = b"TDVF" + struct.pack("<III", 16 + 32 * len(tdx), 1, len(tdx)) + b"".join(struct.pack("<IIQQII", *s) for s in tdx)
    table = entry(struct.pack("<I", 512 + len(td)), "e47a6535-984a-4798-865e-4685a7bf8ec2")
    table += entry(struct.pack("<I", 512 + len(td) + len(sev)), "dc886566-984a-4798-a75e-5585a7bf67cc")
    table += entry(struct.pack("<II", hashes, 0x400), "7255371f-3a3b-4b04-927b-1da6efa8d454")
    table += entry(struct.pack("<I", RESET), "00f771de-1a7e-4fcb-890e-68c77e2fb44e")
    table += struct.pack("<H", len(table) + 18) + guid("96b582de-1fb2-45f7-baea-a366c55a082d")
    whole = bytearray(os.urandom(pages * PAGE))
    whole[-512 - len(td) - len(sev):-512] = sev + td
    whole[-32 - len(table):-32] = table
    return bytes(whole)


def sha256(data):
    return hashlib.sha256(data).digest()


def sha384(data):
    return hashlib.sha384(data).digest()


def hashes_table(kernel, initrd, cmdline):
    def entry(name, data):
        return guid(name) + struct.pack("<H", 18 + len(data)) + data
    inner = (entry("97d02dd8-bd20-4c94-aa78-e7714d36ab2a", sha256(cmdline + b"\0"))
             + entry("44baf731-3a2f-4bd7-9af1-41e29169781d", sha256(initrd))
             + entry("4de79437-abd2-427f-b835-d5b172d2045b", sha256(kernel)))
    table = entry("9438d606-4f22-4cc9-b479-a793d411fd21", inner)
    return table + bytes(-len(table) % 16)


def vmsa(start, signature, features, fpu):
    page = bytearray(PAGE)
    for at, selector, attributes, base in [
            (0x00, 0, 0x93, 0), (0x10, 0xf000, 0x9b, start & ~0xffff), (0x20, 0, 0x93, 0), (0x30, 0, 0x93, 0),
            (0x40, 0, 0x93, 0), (0x50, 0, 0x93, 0), (0x60, 0, 0, 0), (0x70, 0, 0x82, 0), (0x80, 0, 0, 0),
            (0x90, 0, 0x8b, 0)]:
        struct.pack_into("<HHIQ", page, at, selector, attributes, 0xffff, base)
    for at, value in [(0xd0, 0x1000), (0x148, 0x40), (0x158, 0x10), (0x160, 0x400), (0x168, 0xffff0ff0), (0x170, 2),
                      (0x178, start & 0xffff), (0x268, 0x7040600070406), (0x310, signature), (0x3b0, features),
                      (0x3e8, 1)]:
        struct.pack_into("<Q", page, at, value)
    if fpu:
        struct.pack_into("<I", page, 0x408, 0x1f80)
        struct.pack_into("<H", page, 0x410, 0x37f)
    return bytes(page)


def vmsas(count, *state):
    return [vmsa(0xfffffff0 if not cpu else RESET, *state) for cpu in range(count)]


def snp_digest(firmware, table, pages):
    digest = bytes(48)

    def add(kind, address, contents=bytes(48)):
        nonlocal digest
        digest = sha384(digest + contents + struct.pack("<HBBIQ", 0x70, kind, 0, 0, address))
    for at in range(0, len(firmware), PAGE):
        add(1, (1 << 32) - len(firmware) + at, sha384(firmware[at:at + PAGE]))
    for address, size, kind in SNP:
        if kind == HASHES and table:
            offset = TABLE % PAGE
            add(1, address, sha384(bytes(offset) + table + bytes(PAGE - offset - len(table))))
            continue
        for at in range(0, size, PAGE):
            add({ZERO: 3, SECRETS: 5, CPUID: 6, HASHES: 3}[kind], address + at)
    for page in pages:
        add(2, 0xfffffffff000, sha384(page))
    return digest


def mrtd(firmware):
    def operation(name, address):
        return name.ljust(16, b"\0") + struct.pack("<Q", address) + bytes(104)
    hasher = hashlib.sha384()
    for offset, _, address, size, _, attributes in TDX:
        for page in range(0, size, PAGE):
            hasher.update(operation(b"MEM.PAGE.ADD", address + page))
            for at in range(page, page + PAGE, 256) if attributes & 1 else []:
                hasher.update(operation(b"MR.EXTEND", address + at) + firmware[offset + at:offset + at + 256])
    return hasher.digest()


class Measure(hv.Case):
    def setUp(self):
        super().setUp()
        self.files = {"fw": image(), "vmlinuz": os.urandom(200_001), "initrd": b"an initrd"}
        for name, data in self.files.items():
            (self.place / name).write_bytes(data)

    def vault(self, **fields):
        self.profile("vault", **{"accel": None, "cpus": 3, "cpu": "EPYC-Milan", "firmware": {"code": str(self.place / "fw")}, **fields})

    def kernel(self):
        return {"kernel": str(self.place / "vmlinuz"), "initrd": str(self.place / "initrd"), "cmdline": "root=/dev/vda quiet"}

    def measured(self):
        return self.hv("measure", "vault", "--json").json["measurement"]

    def test_measures_as_a_processor_would(self):
        firmware, kernel, initrd = self.files.values()
        table = hashes_table(kernel, initrd, b"root=/dev/vda quiet")
        hashed = {"confidential": {"kernel_hashes": True}, **self.kernel()}
        milan = 0xa00f11
        for toggle, more, expected in [
                ("sev", {}, sha256(firmware)),
                ("sev", hashed, sha256(firmware + table)),
                ("sev_es", hashed, sha256(firmware + table + b"".join(vmsas(3, milan, 0, False)))),
                ("sev_snp", {}, snp_digest(firmware, None, vmsas(3, milan, 1, True))),
                ("sev_snp", hashed, snp_digest(firmware, table, vmsas(3, milan, 1, True))),
                ("sev_snp", {**hashed, "initrd": None, "cpus": 1, "confidential": {"kernel_hashes": True, "vcpu_type": "EPYC-Genoa-v2"}},
                 snp_digest(firmware, hashes_table(kernel, b"", b"root=/dev/vda quiet"), vmsas(1, 0xa10f10, 1, True))),
                ("tdx", {"cpu": None}, mrtd(firmware)),
                ("tdx", {"cpu": "host", **self.kernel()}, mrtd(firmware))]:
            with self.subTest(toggle, **{"with": list(more)}):
                self.vault(cpu_features={toggle: True}, **more)
                self.assertEqual(self.measured(), expected.hex())

    def test_says_what_went_into_it(self):
        self.vault(cpu_features={"sev_snp": True}, confidential={"kernel_hashes": True, "policy": ["smt", "debug"]}, **self.kernel())
        said = self.hv("measure", "vault")
        answer = self.hv("measure", "vault", "--json").json
        for word in (answer["measurement"], str(self.place / "fw"), "'root=/dev/vda quiet'", "3, EPYC-Milan (0x00a00f11)",
                     "0xb0000 (smt, debug)", sha256(self.files["initrd"]).hex()):
            self.assertIn(word, said.out)
        self.assertEqual(said.err, "")
        self.assertEqual(answer["kernel"]["sha256"], sha256(self.files["vmlinuz"]).hex())
        self.assertEqual(answer["kernel"]["size"], 200_001)
        self.assertEqual(answer["vcpus"], {"count": 3, "type": "EPYC-Milan", "signature": 0xa00f11, "features": 1})
        self.assertEqual(answer["policy"], {"value": 0xb0000, "words": ["smt", "debug"]})
        self.assertEqual(answer["technology"], "sev_snp")

    def test_says_what_cannot_be_measured(self):
        (self.place / "plain").write_bytes(bytes(8192))
        (self.place / "torn").write_bytes(image(snp=[(0x800000, 100, ZERO)]))
        (self.place / "no-hashes").write_bytes(image(hashes=0))
        snp = {"cpu_features": {"sev_snp": True}}
        hashed = {"confidential": {"kernel_hashes": True}, **self.kernel()}
        for status, error, fields in [
                (hv.PROFILE, "not-confidential", {}),
                (hv.PROFILE, "unknown-cpu-signature", {**snp, "cpu": "Skylake-Server"}),
                (hv.CANNOT, "firmware-without-snp", {**snp, "firmware": {"code": str(self.place / "plain")}}),
                (hv.CANNOT, "broken-firmware", {**snp, "firmware": {"code": str(self.place / "torn")}}),
                (hv.CANNOT, "firmware-without-kernel-hashes",
                 {**hashed, "cpu_features": {"sev": True}, "firmware": {"code": str(self.place / "no-hashes")}}),
                (hv.CANNOT, "firmware-without-reset-address",
                 {"cpu_features": {"sev_es": True}, "firmware": {"code": str(self.place / "plain")}}),
                (hv.CANNOT, "firmware-without-tdx",
                 {"cpu_features": {"tdx": True}, "cpu": None, "firmware": {"code": str(self.place / "plain")}}),
                (hv.FAILED, "system-call", {**snp, **hashed, "initrd": "/nowhere"}),
                (hv.PROFILE, "conflict", {**snp, "memory_options": {"merge": True}})]:
            with self.subTest(error):
                self.vault(**fields)
                self.refused("measure", "vault", exit=status, id=error,
                             hint=None if error in ("broken-firmware", "system-call") else "")

    def test_a_start_without_the_hardware_says_what_lacks(self):
        self.need(not Path("/dev/sev").exists(), "a machine without SEV")
        self.vault(cpu_features={"sev": True})
        self.refused("start", "vault", exit=hv.CANNOT, id="no-confidential-host")
        self.vault(cpu_features={"sev": "prefer"}, firmware=None)
        self.assertIn("going on without SEV", self.hv("plan", "vault").out)


class Kept(Guest):
    """As in test_accept.py, but with what encrypts, and KVM if there is one."""

    def adapt_machine(self, value):
        return value

    def adapt_object(self, value):
        made = json.loads(value)
        for name in ("dh-cert-file", "session-file"):
            if name in made:
                self.file(made[name])
                Path(made[name]).write_bytes(base64.b64encode(bytes(64)))
        if made["id"] == "confidential":
            return json.dumps(made)
        return super().adapt_object(value)

    def adapt_accel(self, value):
        return value if os.access("/dev/kvm", os.R_OK | os.W_OK) else super().adapt_accel(value)

    def adapt_cpu(self, value):
        return value if os.access("/dev/kvm", os.R_OK | os.W_OK) else super().adapt_cpu(value)


# With KVM: what KVM, the processor or its driver lack. Without: that it takes KVM. QEMU 7.2 cannot say so.
HARDWARE = re.compile(
    r"cbitpos check failed, host|Failed to open /dev/sev|vm-type (SEV|SEV-ES|SEV-SNP|TDX) not supported by KVM"
    r"|accelerator does not support confidential guest|cannot set up private guest memory|`machine->cgs->ready' failed")


class RealQemus(unittest.TestCase):
    def plans(self):
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run([str(UNIT_TESTS), "-tc=golden pl*,golden pr*"], check=True, capture_output=True,
                           env={**os.environ, "HVLAUNCH_GOLDEN_ARGV": folder})
            for path in sorted(Path(folder).glob("x86_64-*.json")):
                plan = json.loads(path.read_text())
                if any('"id":"confidential"' in word for word in plan["argv"]):
                    yield path.stem, plan

    def test_refuse_the_hardware_and_not_the_words(self):
        if not UNIT_TESTS.exists():
            self.fail(f"missing: {UNIT_TESTS}") if hv.CI else self.skipTest(f"missing: {UNIT_TESTS}")
        objects = set()
        for name, plan in self.plans():
            if installed(plan["qemu"]) is None:
                self.assertFalse(hv.CI, f"missing: QEMU {plan['qemu']}")
                continue
            with self.subTest(name):
                place = Path(tempfile.mkdtemp(prefix="hv a,b=c:{d", dir="/tmp"))
                self.addCleanup(shutil.rmtree, place, ignore_errors=True)
                with contextlib.closing(Kept(name, plan, place)) as guest:
                    guest.prepare()
                    self.assertRegex(guest.run() or "it runs", HARDWARE)
                objects.add((plan["qemu"], next(json.loads(word)["qom-type"] for word in plan["argv"]
                                                if '"id":"confidential"' in word)))
        self.assertIn(("7.2-x86_64", "sev-guest"), objects)
        if installed("11.1-x86_64"):
            self.assertLessEqual({("10.0-x86_64", "sev-guest"), ("10.0-x86_64", "sev-snp-guest"),
                                  ("11.1-x86_64", "sev-snp-guest"), ("11.1-x86_64", "tdx-guest")}, objects)


if __name__ == "__main__":
    unittest.main()
