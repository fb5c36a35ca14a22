# SPDX-License-Identifier: MIT
"""Each system call of a start, of stage `exec` and of a stop, failed in turn by strace:
the guest is started whole or not at all, and one `recover` leaves nothing behind.

HV_FAULTS=all fails every one of them (minutes); else it is one in STEP, as in CI.
"""
import os
import re
import subprocess
import unittest

import hv

STEP = 1 if os.environ.get("HV_FAULTS") == "all" else 13
# What can go wrong with each, by the names that strace has for them.
FAULTS = [("openat2", "EMFILE"), ("openat2", "EACCES"), ("newfstatat", "ENOMEM"), ("read", "EIO"), ("read", "EINTR"),
          ("pread64", "EIO"), ("write", "ENOSPC"), ("write", "EINTR"), ("fsync", "EIO"), ("mkdirat", "ENOSPC"),
          ("renameat", "EROFS"), ("renameat2", "EROFS"), ("unlinkat", "EROFS"), ("ftruncate", "ENOSPC"),
          ("getdents64", "ENOMEM"), ("readlinkat", "EACCES"), ("fcntl", "EMFILE"), ("dup2", "EMFILE"), ("pipe2", "EMFILE"),
          ("close_range", "ENOMEM"), ("clone", "EAGAIN"), ("clone3", "EAGAIN"), ("execve", "ENOMEM"), ("setsid", "EPERM"),
          ("prctl", "EPERM"), ("seccomp", "ENOMEM"), ("landlock_create_ruleset", "ENOMEM"),
          ("landlock_add_rule", "ENOMEM"), ("landlock_restrict_self", "EPERM"), ("socket", "EMFILE"), ("bind", "ENOSPC"),
          ("listen", "ENOMEM"), ("connect", "EAGAIN"), ("sendmsg", "ENOBUFS"), ("recvmsg", "EINTR"),
          ("recvmsg", "ECONNRESET"), ("epoll_create1", "EMFILE"), ("epoll_ctl", "ENOMEM"), ("epoll_wait", "EINTR"),
          ("eventfd2", "EMFILE"), ("timerfd_create", "EMFILE"), ("timerfd_settime", "EINVAL"), ("pidfd_open", "EMFILE"),
          ("pidfd_send_signal", "EPERM"), ("poll", "EINTR"), ("wait4", "EINTR"), ("waitid", "EINTR")]
# ld.so's word for it is none of ours.
LOADER = 127


class InjectedFaults(hv.Case):
    def setUp(self):
        super().setUp()
        self.profile("demo", disk_gb=1, network={"mode": "user"}, memory_mb=256)
        self.start()  # QEMU is known from now on, as at most starts.
        self.hv("stop", "--force", "demo")

    def traced(self, call, fault, words):
        """The command with strace on itself alone, not on those that it starts; ends when it does, or is QEMU."""
        log = self.place / "strace"
        log.unlink(missing_ok=True)
        # As a grandchild, strace does not keep us waiting for QEMU's end.
        argv = ["strace", "-D", "-qq", "-o", str(log), "-e", f"trace={call},execve", *fault, *self.argv(*words)]
        # Into files: QEMU may hold what it inherits.
        with open(self.place / "out", "wb") as out, open(self.place / "err", "wb") as err:
            process = subprocess.Popen(argv, env=self.env, stdin=subprocess.DEVNULL, stdout=out, stderr=err)
        self.addCleanup(process.kill)
        for _ in range(6000):
            text = log.read_text() if log.exists() else ""
            if "execve(" in text.partition("\n")[2] and re.search(r'execve\("[^"]*qemu.* = 0', text):
                return hv.Result(argv, hv.DONE, "", ""), text.rpartition("execve(")[0]
            try:
                rc = process.wait(0.01)
                return hv.Result(argv, rc, (self.place / "out").read_text(), (self.place / "err").read_text()), log.read_text()
            except subprocess.TimeoutExpired:
                pass
        return self.fail(f"not done in time: {argv}")

    def each(self, words, before):
        """(what, result) of every fault, of those that are to be tried, each after `before`."""
        tried = 0
        for call in dict.fromkeys(call for call, _ in FAULTS):
            self.end()
            before()
            _, text = self.traced(call, [], words)
            count = len(re.findall(rf"^{call}\(", text, re.M)) - (call == "execve")
            for error in (error for name, error in FAULTS if name == call):
                for number in range(1, count + 1):
                    tried += 1
                    if tried % STEP:
                        continue
                    self.end()
                    before()
                    fault = ["-e", f"inject={call}:error={error}:when={number + (call == 'execve')}"]
                    yield f"{call} {error} {number}", self.traced(call, fault, words)[0]

    def start(self):
        self.hv("start", "--paused", "demo")

    def check_said(self, result):
        if result.rc in (hv.DONE, LOADER):
            return
        log = self.run_dir("demo") / "qemu.log"  # Where QEMU's errors go, and those on the way to it.
        said = result.err or log.read_text()
        self.assertTrue(re.search(r"\[[a-z0-9-]+\]", said), f"{result}\n{said}")

    def end(self):
        """Whatever there is left ends, and nothing stays."""
        self.hv("kill", "demo", exit=None)
        self.hv("recover")
        self.assert_nothing_left()

    def test_start(self):
        started = failed = 0
        for what, result in self.each(["start", "--paused", "demo"], lambda: None):
            with self.subTest(what):
                self.check_said(result)
                if result.rc == hv.DONE:
                    started += 1
                    self.assertEqual(self.status("demo")["state"], "paused")
                    self.hv("stop", "--force", "demo")
                else:
                    failed += 1
                    self.hv("recover")
                    self.assertEqual(self.status("demo")["state"], "stopped", result)
                self.assert_nothing_left()
        self.end()
        print(f"{started + failed} faults: {started} starts went on, {failed} ended as if never begun")
        self.assertGreater(min(started, failed), 0)

    def test_exec(self):
        """The stage that becomes QEMU."""
        started = failed = 0
        for what, result in self.each(["exec", "demo"], lambda: self.hv("prepare", "demo")):
            with self.subTest(what):
                self.check_said(result)
                if result.rc == hv.DONE:
                    started += 1
                    self.hv("kill", "demo")
                else:
                    failed += 1
                    self.hv("cleanup", "demo")
                self.assert_nothing_left()
        self.end()
        print(f"{started + failed} faults: {started} times QEMU was started, {failed} times it was said why not")
        self.assertGreater(min(started, failed), 0)

    def test_stop(self):
        stopped = failed = 0
        for what, result in self.each(["stop", "--force", "demo"], self.start):
            with self.subTest(what):
                self.check_said(result)
                state = self.status("demo")["state"]
                self.assertIn(state, ("stopped", "paused", "stopping"))
                if result.rc == hv.DONE:
                    stopped += 1
                    self.assertEqual(state, "stopped")
                else:
                    failed += 1
        self.end()
        print(f"{stopped + failed} faults: {stopped} stops went on, {failed} said why not")


if __name__ == "__main__":
    unittest.main()
