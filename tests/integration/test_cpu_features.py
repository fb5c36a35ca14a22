# SPDX-License-Identifier: MIT
"""Real QEMUs take the CPU features of the golden tables.

Each plan of tests/golden/features-*.txt is given to the QEMU that it is for, as far as the CPU and the
machine go, and under TCG: KVM's `host` becomes `max`. QEMU must reach the state 'prelaunch', or
refuse for what the hardware lacks; never for how it was asked.

HVLAUNCH_UNIT_TESTS is the program that writes the arguments, HV_QEMUS what tests/qemus made.
"""
import concurrent.futures
import functools
import json
import os
import subprocess
import tempfile
import unittest
from pathlib import Path

from accept_guest import REPOSITORY, installed

PROGRAM = Path(os.environ.get("HVLAUNCH_UNIT_TESTS", REPOSITORY / "build/release/bin/unit_tests"))
CI = os.environ.get("CI") == "true"
AT_ONCE = 2
# What QEMU says of a feature that it knows and that TCG, or this CPU, does not have.
OF_THE_HARDWARE = ("doesn't support requested feature", "requires KVM", "is not supported by KVM",
                   "does not support providing", "kernel doesn't allow setting")


find = functools.cache(installed)


def under_tcg(case):
    """The arguments as a machine without KVM can take them."""
    arguments = list(case["arguments"])
    for i, word in enumerate(arguments):
        if arguments[i - 1] == "-cpu":
            model, *properties = word.split(",", 1)
            arguments[i] = ",".join(["max" if model == "host" else model, *properties])
        arguments[i] = arguments[i].replace("gic-version=host", "gic-version=3")
        for part in (",memory-backend=ram", ",pflash0=firmware-code", ",pflash1=firmware-vars"):
            arguments[i] = arguments[i].replace(part, "")
    return tuple(arguments)


def ask(binary, arguments):
    """None if QEMU stands before its first instruction, else what it said."""
    command = [str(binary), "-nodefaults", "-display", "none", "-S", "-accel", "tcg", "-m", "256", "-qmp", "stdio",
               *arguments]
    commands = [{"execute": "qmp_capabilities"}, {"execute": "query-status"}, {"execute": "quit"}]
    done = subprocess.run(command, input="".join(json.dumps(one) + "\n" for one in commands), capture_output=True,
                          text=True, timeout=60)
    if done.returncode == 0 and '"prelaunch"' in done.stdout:
        return None
    return done.stderr.strip() or f"ended with {done.returncode}"


class CpuFeatures(unittest.TestCase):
    def test_plans_of_features(self):
        if not PROGRAM.exists():
            self.fail(f"missing: {PROGRAM}") if CI else self.skipTest(f"missing: {PROGRAM}")
        with tempfile.NamedTemporaryFile() as file:
            subprocess.run([str(PROGRAM), "-tc=golden plans of features*"], check=True, capture_output=True,
                           env={**os.environ, "HVLAUNCH_FEATURES_ARGV": file.name})
            cases = json.loads(Path(file.name).read_text())
        asked = {}
        for case in cases:
            binary = find(f"{case['qemu']}-{case['architecture']}")
            if binary is None:
                self.assertFalse(CI, f"no QEMU {case['qemu']}-{case['architecture']}")
                continue
            asked.setdefault((str(binary), under_tcg(case)), f"{case['feature']} on {case['host']}")
        self.assertTrue(asked, "no QEMU to ask")
        with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
            answers = list(pool.map(lambda key: ask(*key), asked))
        refused = [f"{name}: {' '.join(key)}\n    {answer}" for (key, name), answer in
                   zip(((f"{k[0]} {' '.join(k[1])}".split(), v) for k, v in asked.items()), answers)
                   if answer and not any(part in answer for part in OF_THE_HARDWARE)]
        by_hardware = sum(1 for answer in answers if answer) - len(refused)
        print(f"{len(answers) - by_hardware - len(refused)} accepted, {by_hardware} refused by the hardware")
        self.assertEqual(refused, [], "\n".join(["refused:", *refused]))
        self.assertGreater(len(answers) - by_hardware, 20)


if __name__ == "__main__":
    unittest.main()
