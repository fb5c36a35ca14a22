# SPDX-License-Identifier: MIT
"""The integration tests' case for an ordinary user: the program, the guests and the test's
folder belong to somebody who is not root."""
import os
import shutil
import stat
import subprocess
from pathlib import Path

import hv

USER = 61234  # Nobody's: systemd and Debian leave this range free.


class Case(hv.Case):
    """Root becomes the user by setpriv."""

    def setUp(self):
        self.need(os.geteuid() == 0, "root, to become an ordinary user")
        self.need(shutil.which("setpriv"), "setpriv (util-linux)")
        super().setUp()
        # The user may not see the repository: it is root's home, often.
        self.program = self.copy_of(hv.HVLAUNCH, "hvlaunch", 0o755)
        self.own(self.place)

    def copy_of(self, file, name, mode=0o644):
        copy = self.place / name
        shutil.copyfile(file, copy)
        copy.chmod(mode)
        return copy

    def own(self, path):
        """Gives a file, or a folder and all that is in it, to the user."""
        for file in [path, *Path(path).rglob("*")]:
            os.chown(file, USER, USER, follow_symlinks=False)

    def guest(self, arch="x86_64", words="", qemu=None):
        fields = super().guest(arch, words, qemu)
        for name in ("kernel", "initrd"):
            fields[name] = str(self.copy_of(fields[name], name))
            os.chown(fields[name], USER, USER)
        return fields

    def profile(self, name, **fields):
        path = super().profile(name, **fields)
        self.own(self.config_dir)
        return path

    def argv(self, *args):
        """Without --user: it is what an ordinary user has anyway."""
        return ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups", "--no-new-privs",
                str(self.program), *map(str, args)]

    def as_user(self, *argv):
        return subprocess.run(self.argv()[:-1] + list(argv), env=self.env, check=True,
                              capture_output=True, text=True).stdout

    def files_of_user(self):
        """What the user owns anywhere outside the test's folder."""
        found = []
        for folder in ("/tmp", "/var/tmp", "/run", "/dev/shm", "/var/lib", "/var/cache", "/var/log"):
            for path, folders, files in os.walk(folder):
                folders[:] = [name for name in folders if os.path.join(path, name) != str(self.place)]
                found += [file for name in folders + files if self.owns(file := os.path.join(path, name))]
        return found

    def owns(self, path):
        try:
            status = os.lstat(path)
        except OSError:
            return False
        return status.st_uid == USER and not stat.S_ISLNK(status.st_mode)
