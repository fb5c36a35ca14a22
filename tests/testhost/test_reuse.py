# SPDX-License-Identifier: MIT
"""What a host may change under hvlaunch: a process number has a new owner, the clock jumps."""
import hostcase

# Takes the number that QEMU had, as the kernel gives it to the next process once it is
# the next: another that is quicker takes it first, and then it is tried again.
TAKE_NUMBER = """
for try in $(seq 100); do
  echo $(({number} - 1)) >/proc/sys/kernel/ns_last_pid
  busybox sleep 1000 >/dev/null 2>&1 </dev/null &
  [ $! = {number} ] && exit 0
  kill $!
done
exit 1
"""
# The clock is set forth and back by days beside a command until that ends.
TIMED = """
read -r began _ </proc/uptime
hvlaunch {command} &
command=$!
while {jump} && kill -0 $command 2>/dev/null; do
  for days in 1 -3 400 -398; do date -s "@$(($(date +%s) + days * 86400))" >/dev/null; done
  busybox usleep 100000
done
wait $command
status=$?
read -r ended _ </proc/uptime
echo "$began $ended"
exit $status
"""


class Reused(hostcase.HostCase):
    def test_the_new_owner_of_qemus_number_is_left_alone(self):
        self.profile("web", watch=False)
        self.hv("start", "web")
        number = self.host.run("pgrep -x qemu-system-x86", check=True).out.strip()
        before = self.host.read("/run/hvlaunch/web/state.json")
        self.assertIn(number, before)
        self.host.run(f"kill -KILL {number}; while [ -e /proc/{number} ]; do busybox usleep 10000; done", check=True)
        self.host.run(TAKE_NUMBER.format(number=number), check=True)
        for command, exit in (("status web", 0), ("pause web", None), ("limits web", None), ("qmp web query-status", None),
                              ("stop web", None), ("kill web", None), ("cleanup web", None), ("recover", 0),
                              ("start web", 0), ("kill web", 0)):
            self.hv(*command.split(), exit=exit)
            owner = self.host.read(f"/proc/{number}/cmdline").split("\0")
            self.assertIn("sleep", owner, f"after {command}")
        self.assertIn("stopped", self.hv("status", "web").out)


class Jumping(hostcase.HostCase):
    def timed(self, jump, command):
        """(seconds it took, its exit status, what it said), while the clock jumps or does not."""
        done = self.host.run(TIMED.format(command=command, jump=jump), timeout=hostcase.PATIENCE)
        began, ended = done.out.splitlines()[-1].split()
        return float(ended) - float(began), done.status, done.out + done.err

    def test_deadlines_are_kept_whatever_the_clock_says(self):
        # SeaBIOS without a disk: it serves nothing, and hears no power button.
        self.profile("deaf", kernel=None, firmware="bios",
                     ready={"type": "tcp", "address": "127.0.0.1:9", "timeout_seconds": 4},
                     shutdown={"agent_seconds": 0, "acpi_seconds": 5, "quit_seconds": 30})
        self.hv("caps")  # QEMU is known from now on.
        took = {}
        for jump in ("false", "true"):
            seconds, status, said = self.timed(jump, "start deaf")
            self.assertEqual(status, 8, said)
            self.assertIn("not-ready", said)
            took["start", jump] = seconds
            seconds, status, said = self.timed(jump, "stop --json deaf")
            self.assertEqual(status, 0, said)
            self.assertIn('"quit"', said)
            took["stop", jump] = seconds
        for command, least in (("start", 4), ("stop", 5)):
            self.assertGreater(took[command, "true"], least, took)
            self.assertLess(took[command, "true"], took[command, "false"] + 4, took)
