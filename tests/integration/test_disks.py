# SPDX-License-Identifier: MIT
"""Disks that cannot be had: in use, without room, or not what the profile says."""
import errno
import fcntl
import os
import struct
import subprocess
import unittest

import hv


class Disks(hv.Case):
    def stopped_and_clean(self, name="demo"):
        self.hv("kill", name)
        self.assert_nothing_left()

    def disk(self, name="demo", format="qcow2", size="1G", *more):
        path = self.state_dir / "disks" / f"{name}.{format}"
        path.parent.mkdir(parents=True, exist_ok=True)
        self.image(path, format, size, *more)
        return path

    def image(self, path, format="qcow2", size="1G", *more):
        subprocess.run(["qemu-img", "create", "-q", "-f", format, *more, str(path), size], check=True)
        return path

    def test_one_disk_of_two_guests(self):
        disk = self.disk()
        for link in (os.symlink, os.link):
            with self.subTest(link.__name__):
                self.profile("demo", **self.guest(), disk_gb=1)
                self.hv("start", "demo")
                other = disk.with_name(f"{link.__name__}.qcow2")
                link(disk, other)
                self.profile(link.__name__, **self.guest(), disk_gb=1)
                self.refused("start", link.__name__, exit=hv.WRONG_STATE, id="disk-in-use",
                             words=["guest 'demo'", str(other)], hint="hvlaunch stop demo")
                self.assertEqual(self.status("demo")["state"], "running")
                self.stopped_and_clean()
                self.hv("start", link.__name__)
                self.stopped_and_clean(link.__name__)

    def test_disk_that_another_program_has(self):
        """QEMU locks a byte for each permission that it has, and one for each that it denies others."""
        disk = self.disk()
        deny_write = 200 + 1
        self.profile("demo", **self.guest(), disk_gb=1)
        with open(disk, "rb") as file:
            lock = struct.pack("hhqqi0q", fcntl.F_RDLCK, os.SEEK_SET, deny_write, 1, 0)
            fcntl.fcntl(file, fcntl.F_OFD_SETLK, lock)
            self.refused("start", "demo", exit=hv.WRONG_STATE, id="disk-in-use",
                         words=[str(disk)], hint="another program")
            self.assert_nothing_left()
        self.hv("start", "demo")
        self.stopped_and_clean()

    def mismatch(self, *words, **fields):
        self.profile("demo", **self.guest(), **{"disk_gb": 1, **fields})
        self.refused("start", "demo", exit=hv.CANNOT, id="disk-mismatch", words=words)
        self.assert_nothing_left()

    def test_raw_content_in_a_qcow2_disk(self):
        self.disk().write_bytes(bytes(1 << 20))
        self.mismatch("demo.qcow2", "no qcow2")

    def test_qcow2_content_in_a_raw_disk(self):
        path = self.disk()
        path.rename(path.with_suffix(".raw"))
        self.mismatch("demo.raw", "a qcow2", disk_format="raw")

    def test_overlay_of_a_base_that_is_not_named(self):
        base = self.image(self.place / "base.qcow2")
        self.disk("demo", "qcow2", "1G", "-b", str(base), "-F", "qcow2")
        self.mismatch("demo.qcow2", "disk_image_path")

    def test_base_image_larger_than_the_disk(self):
        base = self.image(self.place / "base.qcow2", "qcow2", "3G")
        self.profile("demo", **self.guest(), disk_gb=2, disk_image_path=str(base))
        self.refused("start", "demo", exit=hv.PROFILE, id="disk-too-small",
                     words=[str(base), "3 GiB", "disk_gb 2"], hint="smaller than its base")
        self.assert_nothing_left()
        self.assertFalse((self.state_dir / "disks/demo.qcow2").exists())

    def test_disk_that_is_a_folder(self):
        (self.state_dir / "disks/demo.qcow2").mkdir(parents=True)
        self.profile("demo", **self.guest(), disk_gb=1)
        result = self.hv("start", "demo", exit=None)
        self.assertIn(result.rc, (hv.FAILED, hv.CANNOT))
        self.assertIn("demo.qcow2", result.err)
        self.assert_nothing_left()


class Full(hv.Case):
    """File systems without room."""

    def small(self, folder, size):
        """A file system of its own for one of the test's folders."""
        self.need(os.geteuid() == 0, "root, for a tmpfs")
        path = self.place / folder
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=0700", "hv", path], check=True)
        self.addCleanup(subprocess.run, ["umount", "-l", path], check=True)
        return path

    def fill(self, folder):
        """Leaves no room for as much as a byte."""
        with open(folder / "filling", "wb", buffering=0) as file:
            try:
                while file.write(bytes(4096)):
                    pass
            except OSError as error:
                self.assertEqual(error.errno, errno.ENOSPC)
        return folder / "filling"

    def refused_for_room(self, *words):
        self.refused("start", "demo", exit=hv.FAILED, id="no-space",
                     words=["No space left on device", *words], hint="make room")
        self.assert_nothing_left()

    def starts(self):
        self.hv("start", "demo")
        self.hv("kill", "demo")
        self.assert_nothing_left()

    def test_no_room_for_the_disk(self):
        state = self.small("s", "64k")
        self.profile("demo", **self.guest(), disk_gb=20)
        self.refused_for_room("disks/demo.qcow2")
        self.assertEqual(list(self.state_dir.rglob("*.qcow2*")), [])
        subprocess.run(["mount", "-o", "remount,size=8m", state], check=True)
        self.starts()
        self.assertTrue((self.state_dir / "disks/demo.qcow2").exists())

    def test_no_room_for_a_record(self):
        filling = self.fill(self.small("s", "64k"))
        self.profile("demo", **self.guest())
        self.refused_for_room(str(self.state_dir))
        filling.unlink()
        self.starts()

    def test_no_room_in_run(self):
        filling = self.fill(self.small("r", "64k"))
        self.profile("demo", **self.guest())
        self.refused_for_room(str(self.runtime_dir))
        filling.unlink()
        self.starts()

    def test_full_disks_keep_no_guest_alive(self):
        folders = self.small("r", "256k"), self.small("s", "256k")
        self.profile("demo", **self.guest())
        for word in (["stop", "--force"], ["kill"]):
            self.hv("start", "demo")
            fillings = [self.fill(folder) for folder in folders]
            self.assertEqual(self.status("demo")["state"], "running")
            self.hv(*word, "demo")
            self.assertEqual(self.status("demo")["state"], "stopped")
            self.assertEqual(self.processes("qemu-system-"), {})
            for filling in fillings:
                filling.unlink()
            self.assert_nothing_left()


if __name__ == "__main__":
    unittest.main()
