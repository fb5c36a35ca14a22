# SPDX-License-Identifier: MIT
"""All that an ordinary user can do, without any change of the host."""
import os
import subprocess
import unittest

import hv
import hv_user


class Work(hv_user.Case):
    def test_a_guest_from_create_to_delete(self):
        fields = self.guest()
        settings = {**fields, "memory_mb": 512, "cpus": 1, "disk_gb": 1, "accel": "tcg",
                    "network.mode": "none", "display.type": "none"}
        sets = [word for name, value in settings.items() for word in ("--set", f"{name}={value}")]
        self.hv("create", "demo", *sets)
        self.hv("check", "demo")
        self.hv("check")
        self.assertEqual(self.hv("plan", "demo", "--json").json["name"], "demo")
        self.hv("start", "demo")
        with self.console("demo") as console:
            console.expect(hv.UP, hv.READY, timeout=120)
        self.assertEqual(self.status("demo")["state"], "running")
        self.assertIn("demo", self.hv("list").out)
        self.assertEqual(self.hv("qmp", "demo", "query-status").json["status"], "running")
        for pid in self.processes("qemu-system-"):
            self.assertEqual(os.stat(f"/proc/{pid}").st_uid, hv_user.USER)
        self.hv("restart", "demo")
        self.hv("pause", "demo")
        self.hv("resume", "demo")
        self.hv("stop", "demo", "--force")
        self.hv("edit", "demo", "--set", "memory_mb=384")
        self.hv("clone", "demo", "copy")
        self.hv("start", "copy")
        self.assertEqual(self.status("copy")["memory_mib"], 384)
        self.hv("kill", "copy")
        self.hv("delete", "copy", "--disks")
        self.hv("delete", "demo", "--disks")
        self.assertEqual(self.hv("list", "--json").json, [])
        self.assertEqual([path for path in self.state_dir.rglob("*") if path.is_file()], [])
        self.assert_nothing_left()
        self.assertEqual(self.files_of_user(), [])

    def test_clean_stop(self):
        self.profile("demo", **self.guest())
        self.hv("start", "demo")
        with self.console("demo") as console:
            console.expect(hv.READY, timeout=120)
        self.assertEqual(self.hv("stop", "demo", "--json").json["by"], "acpi")
        self.assert_nothing_left()

    def test_what_is_made_is_for_nobody_else(self):
        self.profile("demo", **self.guest(), disk_gb=1)
        self.hv("start", "demo")
        for path in (self.runtime_dir, self.run_dir("demo"), self.state_dir):
            self.assertEqual(path.stat().st_uid, hv_user.USER)
        self.assertEqual(self.run_dir("demo").stat().st_mode & 0o777, 0o700)
        self.assertEqual((self.state_dir / "disks").stat().st_mode & 0o007, 0)
        self.hv("kill", "demo")
        self.assert_nothing_left()


class Refusals(hv_user.Case):
    def lock_away(self, name):
        """A file that is there, and that only root may read."""
        path = self.place / name
        path.write_bytes(bytes(4096))
        os.chown(path, 0, 0)
        path.chmod(0o600)
        return path

    def refused_file(self, path, field):
        self.refused("start", "demo", exit=hv.PERMISSION, id="permission",
                     words=["demo.json:", field, str(path), "Permission denied"],
                     hint=f"user {hv_user.USER} must be able to read it")
        self.assert_nothing_left()

    def test_unreadable_kernel(self):
        path = self.lock_away("vmlinuz")
        self.profile("demo", **{**self.guest(), "kernel": str(path)})
        self.refused_file(path, "/kernel")

    def test_unreadable_iso(self):
        path = self.lock_away("demo.iso")
        self.profile("demo", **self.guest(), iso_path=str(path))
        self.refused_file(path, "/iso_path")

    def test_unreadable_base_image(self):
        path = self.lock_away("base.qcow2")
        self.profile("demo", **self.guest(), disk_gb=1, disk_image_path=str(path))
        self.refused_file(path, "/disk_image_path")
        self.assertFalse((self.state_dir / "disks/demo.qcow2").exists())

    def disk_with_mode(self, mode, hint):
        disk = self.state_dir / "disks/demo.qcow2"
        disk.parent.mkdir(parents=True)
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", str(disk), "1G"], check=True)
        self.own(self.state_dir)
        os.chown(disk, 0, 0)
        disk.chmod(mode)
        self.profile("demo", **self.guest(), disk_gb=1)
        self.refused("start", "demo", exit=hv.PERMISSION, id="permission", words=[str(disk)], hint=hint)
        self.assert_nothing_left()

    def test_unreadable_disk(self):
        self.disk_with_mode(0o600, f"user {hv_user.USER} may not")

    def test_disk_that_may_only_be_read(self):
        self.disk_with_mode(0o644, f"user {hv_user.USER} may not")

    def test_unreadable_profile(self):
        path = self.profile("demo", **self.guest())
        os.chown(path, 0, 0)
        path.chmod(0o600)
        result = self.hv("start", "demo", exit=hv.PERMISSION)
        self.assertIn(str(path), result.err)
        self.assert_nothing_left()

    def test_bridge_that_is_there(self):
        bridge = f"hv{os.getpid()}"
        made = subprocess.run(["ip", "link", "add", bridge, "type", "bridge"], capture_output=True)
        self.need(made.returncode == 0, f"a bridge: {made.stderr}")
        self.addCleanup(subprocess.run, ["ip", "link", "del", bridge], check=True)
        self.profile("demo", **self.guest(), network={"mode": "bridge", "bridge": bridge})
        self.refused("start", "demo", exit=hv.PERMISSION, id="permission", words=[f"tap in bridge {bridge}"],
                     hint='"mode": "user"')
        self.assert_nothing_left()

    def test_bridge_that_is_not_there(self):
        self.profile("demo", **self.guest(), network={"mode": "bridge", "bridge": "hvnobridge"})
        result = self.hv("start", "demo", exit=None)
        self.assertIn(result.rc, (hv.CANNOT, hv.PERMISSION), result)
        self.assertIn("/network", result.err)
        self.assertIn("hint: ", result.err)
        self.assert_nothing_left()

    def no_runtime_directory(self, path):
        self.profile("demo", **self.guest())
        self.refused("start", "demo", exit=hv.PERMISSION, id="permission", words=[f"make directory {path}"],
                     hint="XDG_RUNTIME_DIR must name")
        self.assertEqual(self.status("demo")["state"], "stopped")
        self.assertEqual(self.processes("qemu-system-"), {})
        self.assertEqual(self.files_of_user(), [])

    def test_runtime_directory_unset(self):
        del self.env["XDG_RUNTIME_DIR"]
        self.assertFalse(os.path.exists(f"/run/user/{hv_user.USER}"))
        self.no_runtime_directory(f"/run/user/{hv_user.USER}")

    def test_runtime_directory_that_is_not_there(self):
        self.env["XDG_RUNTIME_DIR"] = "/nowhere/at/all"
        self.no_runtime_directory("/nowhere")

    def test_runtime_directory_of_another(self):
        os.chown(self.place / "r", 0, 0)
        (self.place / "r").chmod(0o755)
        self.no_runtime_directory(self.runtime_dir)

    def test_runtime_directory_that_another_made_for_us(self):
        self.runtime_dir.mkdir(mode=0o777)
        self.runtime_dir.chmod(0o777)
        self.profile("demo", **self.guest())
        self.refused("start", "demo", exit=hv.PERMISSION, id="foreign-directory",
                     words=[str(self.runtime_dir)], hint="XDG_RUNTIME_DIR")
        self.assertEqual(self.processes("qemu-system-"), {})

    def test_state_directory_that_cannot_be_written(self):
        os.chown(self.place / "s", 0, 0)
        self.profile("demo", **self.guest(), disk_gb=1)
        result = self.hv("start", "demo", exit=hv.PERMISSION)
        self.assertIn(str(self.state_dir), result.err)
        self.assertIn("hint: ", result.err)
        self.assert_nothing_left()

    def test_cache_that_cannot_be_written(self):
        """It only makes the next start quicker."""
        os.chown(self.place / "h", 0, 0)
        self.profile("demo", **self.guest())
        self.hv("start", "demo")
        self.hv("kill", "demo")
        self.assert_nothing_left()


if __name__ == "__main__":
    unittest.main()
