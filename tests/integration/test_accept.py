# SPDX-License-Identifier: MIT
"""Real QEMUs accept the golden plans.

Every golden case that ends in a plan is run by the QEMU that the case names, and those for 7.2 are
planned anew for each newer QEMU and run by that. It gets exactly the arguments of the plan, up to where `-S` stops it: QEMU answers on the control monitor, is in the
state 'prelaunch', obeys `quit`, ends with status 0, and has said nothing that we do not know.

What differs from the plan, because the machine that runs the tests is not the recorded one:
- the system's directories are replaced by ones of the test, in which the files are made, and whose
  names are as awkward as QEMU's parsers deserve;
- KVM becomes TCG, `-cpu host` the best model that TCG has, and the GIC of the host version 3;
- devices of the host are left out, once QEMU was seen to know each property that they are given;
- what encrypts a guest is left out: test_confidential.py has it;
- without huge pages (as root, the test asks the kernel for some), host NUMA nodes, /dev/net/tun
  or /dev/vhost-net, ordinary memory or a user network stand in for them;
- guests have 1 GiB at most.
Each such replacement is printed.

HVLAUNCH_UNIT_TESTS is the program that writes the arguments (build/release/bin/unit_tests),
HV_GUESTS what tests/guests/build made, HV_QEMUS what tests/qemus made. HV_ACCEPT names cases, by
patterns, if not all are wanted.
"""
import concurrent.futures
import contextlib
import fnmatch
import json
import os
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

from accept_guest import LARGEST_MIB, REPOSITORY, Guest, installed

PROGRAM = Path(os.environ.get("HVLAUNCH_UNIT_TESTS", REPOSITORY / "build/release/bin/unit_tests"))
WANTED = os.environ.get("HV_ACCEPT", "*").split()
CI = os.environ.get("CI") == "true"
AT_ONCE = 2


def accept(name, plan):
    """(name, why it was refused or None, what was replaced, why it was skipped or None)"""
    if installed(plan["qemu"]) is None:
        return name, None, [], f"no QEMU {plan['qemu']}"
    place = Path(tempfile.mkdtemp(prefix="hv a,b=c:{d", dir="/tmp"))
    try:
        with contextlib.closing(Guest(name, plan, place)) as guest:
            guest.prepare()
            return name, guest.run(), guest.replaced, None
    except Exception as error:  # Of one case; the others go on.
        return name, f"{type(error).__name__}: {error}", [], None
    finally:
        shutil.rmtree(place, ignore_errors=True)


class Accept(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        for size_mib, count in ((2, AT_ONCE * LARGEST_MIB // 2), (1024, AT_ONCE)):
            pool = Path(f"/sys/kernel/mm/hugepages/hugepages-{size_mib << 10}kB/nr_hugepages")
            try:
                before = pool.read_text()
                pool.write_text(str(int(before) + count))
                if int(pool.read_text()) < int(before) + count:
                    pool.write_text(before)  # Two guests at once would fight for them.
            except OSError:
                continue
            cls.addClassCleanup(pool.write_text, before)

    def test_golden_plans(self):
        if not PROGRAM.exists():
            self.fail(f"missing: {PROGRAM}") if CI else self.skipTest(f"missing: {PROGRAM}")
        plans = self.plans()
        self.assertTrue(plans, "no golden plans")
        with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
            results = list(pool.map(lambda item: accept(*item), sorted(plans.items())))
        skipped = [f"{name}: {why}" for name, _, _, why in results if why]
        refused = [f"{name}: {why}" for name, why, _, _ in results if why]
        for name, _, replaced, _ in results:
            if replaced:
                print(f"{name}: {', '.join(sorted(set(replaced)))}")
        print(f"{len(results) - len(skipped) - len(refused)} accepted, {len(refused)} refused, {len(skipped)} skipped")
        self.assertEqual(refused, [], "\n".join(["refused:", *refused]))
        if skipped:
            self.fail("\n".join(skipped)) if CI else print("\n".join(skipped))

    def plans(self):
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run([str(PROGRAM), "-tc=golden pl*,golden pr*"], check=True, capture_output=True,
                           env={**os.environ, "HVLAUNCH_GOLDEN_ARGV": folder})
            return {path.stem: json.loads(path.read_text()) for path in Path(folder).glob("*.json")
                    if any(fnmatch.fnmatch(path.stem, pattern) for pattern in WANTED)}


if __name__ == "__main__":
    unittest.main()
