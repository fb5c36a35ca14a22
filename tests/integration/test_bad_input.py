# SPDX-License-Identifier: MIT
"""Wrong profiles, names and words, and a host that lacks what a profile needs: each has
its exit status, its id, its cause and its cure, and leaves nothing."""
import os
import unittest

import hv


class Host(hv.Case):
    """What this host or this QEMU lacks."""

    def test_no_qemu_on_the_path(self):
        self.profile("demo", **self.guest(), qemu={"binary": "qemu-system-of-nobody"})
        self.refused("start", "demo", exit=hv.CANNOT, id="qemu-missing",
                     words=["'qemu-system-of-nobody'"], hint="qemu-system-<architecture>")
        self.assert_nothing_left()

    def test_qemu_that_is_no_program(self):
        path = self.place / "qemu"
        path.write_text("no program\n")
        self.profile("demo", **{**self.guest(), "qemu": {"binary": str(path)}})
        self.refused("start", "demo", exit=hv.PERMISSION, id="qemu-not-executable",
                     words=[str(path)], hint="chmod +x")
        self.assert_nothing_left()

    def test_qemu_that_is_something_else(self):
        self.profile("demo", **{**self.guest(), "qemu": {"binary": "/bin/true"}})
        result = self.hv("start", "demo", exit=hv.CANNOT)
        self.assertIn("/bin/true", result.err)
        self.assert_nothing_left()

    def test_machine_without_flash(self):
        self.profile("demo", **{**self.guest("riscv64"), "firmware": "uefi"})
        self.refused("start", "demo", exit=hv.CANNOT, id="no-flash",
                     words=["demo.json:", "/firmware", "qemu-system-riscv64"], hint="newer QEMU")
        self.assert_nothing_left()

    def test_firmware_that_is_not_there(self):
        self.profile("demo", **self.guest(), firmware={"type": "uefi", "code": "/nowhere/code.fd"})
        self.refused("start", "demo", exit=hv.CANNOT, id="no-file",
                     words=["demo.json:", "/firmware/code", "/nowhere/code.fd"])
        self.assert_nothing_left()

    def test_no_descriptor_fits(self):
        """The user's own file of the same name masks the host's."""
        masks = self.place / "c/qemu/firmware"
        masks.mkdir(parents=True)
        for folder in ("/usr/share/qemu/firmware", "/etc/qemu/firmware"):
            for name in os.listdir(folder) if os.path.isdir(folder) else []:
                (masks / name).write_text("")
        self.profile("demo", **self.guest(), firmware="uefi")
        self.refused("start", "demo", exit=hv.CANNOT, id="no-firmware",
                     words=["demo.json:", "x86_64"], hint="ovmf")
        self.assert_nothing_left()

    def test_words_of_a_qemu_that_dies(self):
        extra = [{"reason": "to make it fail", "args": ["-device", "no-such-device"]}]
        self.profile("demo", **self.guest(), qemu={"extra_args": extra})
        self.refused("start", "demo", exit=hv.CANNOT, id="no-device",
                     words=["'no-such-device' is not a valid device model name"], hint="built without")
        self.assert_nothing_left()


class Words(hv.Case):
    """What is typed."""

    NAMES = ["", "../x", "x" * 65, "a\nb", ".hidden", "-", "a b", "\x1b[2J"]

    def test_names(self):
        for name in self.NAMES:
            with self.subTest(name):
                result = self.hv("create", "--", name, exit=hv.USAGE)
                self.assertIn("[bad-name]", result.err)
                self.assertIn("hint: letters, digits", result.err)
                self.assertNotIn("\x1b", result.err)
        self.assertEqual(list(self.place.rglob("*.json")), [])
        self.assert_nothing_left()

    def test_names_of_no_guest(self):
        for command in ("start", "stop", "kill", "status", "restart", "delete", "edit", "console"):
            for name in ("../x", "x" * 65, "a\nb", ""):
                with self.subTest(command=command, name=name):
                    result = self.hv(command, name, exit=None)
                    self.assertIn(result.rc, (hv.USAGE, hv.NO_SUCH_VM), result)
                    self.assertRegex(result.err, r"\[(bad-name|no-such-vm|usage)\]")
                    self.assertEqual(result.out, "")
        self.assert_nothing_left()

    def test_name_of_another(self):
        self.profile("other", **self.guest())
        (self.config_dir / "vm-profiles/other.json").rename(self.config_dir / "vm-profiles/demo.json")
        self.refused("start", "demo", exit=hv.PROFILE, id="name-mismatch",
                     words=["demo.json:2:", "'demo'", "'other'"], hint="without .json")
        self.assert_nothing_left()

    def test_near_words(self):
        self.profile("demo", **self.guest())
        for words, near in ((["strat", "demo"], "start"), (["start", "--pasued", "demo"], "--paused"),
                            (["--jsno", "list"], "--json")):
            with self.subTest(words):
                result = self.hv(*words, exit=hv.USAGE)
                self.assertIn("[usage]", result.err)
                self.assertIn(near, result.err)
                self.assertIn("hint: ", result.err)
        self.refused("start", "dmeo", exit=hv.NO_SUCH_VM, id="no-such-vm", hint="did you mean 'demo'?")
        self.refused("start", exit=hv.USAGE, id="usage", hint="--help")
        self.refused("start", "demo", "more", exit=hv.USAGE, id="usage", words=["'more'"], hint="--help")
        self.assert_nothing_left()

    def test_json_has_the_error_too(self):
        path = self.profile("demo", cpus=0, colour="red")
        report = self.hv("start", "demo", "--json", exit=hv.PROFILE).json
        ids = {error["id"] for error in report["errors"]}
        self.assertEqual(ids, {"out-of-range", "unknown-member"})
        self.assertIn(str(path), str(report))


class Profiles(hv.Case):
    """Profiles and guests that are in the way."""

    def started(self, **fields):
        self.profile("demo", **self.guest(), **fields)
        self.hv("start", "demo")

    def stopped_and_clean(self):
        self.hv("kill", "demo")
        self.assert_nothing_left()

    def test_create_of_one_that_is_there(self):
        path = self.profile("demo", **self.guest())
        before = path.read_bytes()
        self.refused("create", "demo", exit=hv.WRONG_STATE, id="already-there", words=[str(path)],
                     hint="another name")
        self.assertEqual(path.read_bytes(), before)

    def test_clone_and_delete_of_a_running_guest(self):
        self.started(disk_gb=1)
        self.refused("clone", "demo", "copy", exit=hv.WRONG_STATE, id="already-running",
                     words=["'demo'"], hint="--no-disk")
        self.refused("delete", "demo", exit=hv.WRONG_STATE, id="already-running", words=["'demo'"],
                     hint="hvlaunch stop demo")
        self.assertEqual(self.status("demo")["state"], "running")
        self.assertEqual([file.name for file in self.config_dir.rglob("*.json")], ["demo.json"])
        self.assertEqual(list(self.state_dir.rglob("copy*")), [])
        self.hv("clone", "demo", "copy", "--no-disk")
        self.stopped_and_clean()

    def test_editor_that_writes_rubbish(self):
        path = self.profile("demo", **self.guest())
        before = path.read_bytes()
        editor = self.place / "editor"
        editor.write_text("#!/bin/sh\nprintf '{\"name\": 7,, rubbish' >\"$1\"\n")
        editor.chmod(0o755)
        self.env["EDITOR"] = str(editor)
        self.refused("edit", "demo", exit=hv.PROFILE, id="json-syntax", hint="your text is kept")
        self.assertEqual(path.read_bytes(), before)
        self.assertEqual([file.name for file in path.parent.iterdir() if b"rubbish" in file.read_bytes()],
                         ["demo.json.edit"])
        # The next editor goes on with that text.
        editor.write_text(f"#!/bin/sh\ngrep -q rubbish \"$1\" && cat '{path}' >\"$1\"\n")
        self.hv("edit", "demo")
        self.assertEqual([file.name for file in path.parent.iterdir()], ["demo.json"])

    def test_editor_that_fails(self):
        path = self.profile("demo", **self.guest())
        before = path.read_bytes()
        self.env["EDITOR"] = "false"
        self.hv("edit", "demo", exit=hv.FAILED)
        self.assertEqual(path.read_bytes(), before)

    def test_profile_broken_while_its_guest_runs(self):
        self.started()
        path = self.profile("demo", cpus=0)
        self.refused("restart", "demo", exit=hv.PROFILE, id="out-of-range",
                     words=[f"{path}:3:"], hint=None)
        status = self.status("demo")
        self.assertEqual((status["state"], status["profile_edited"]), ("running", True))
        self.hv("stop", "demo", "--force")
        self.assert_nothing_left()
        path.unlink()
        self.hv("start", "demo", exit=hv.NO_SUCH_VM)

    def test_profile_removed_while_its_guest_runs(self):
        self.started()
        (self.config_dir / "vm-profiles/demo.json").unlink()
        self.assertEqual(self.status("demo")["state"], "running")
        self.hv("restart", "demo", exit=hv.NO_SUCH_VM)
        self.hv("stop", "demo", "--force")
        self.assert_nothing_left()


if __name__ == "__main__":
    unittest.main()
