# SPDX-License-Identifier: MIT
"""A guest's monitor for those who are not root: one group may do all with it, one may ask."""
import json

from hostcase import HostCase
from test_guest_devices import KEPT

GROUPS = {"hvlaunch": 4711, "hvlaunch-read": 4712}
NOBODY = 4242
# One command after the negotiation; prints its answer. perl-base is everywhere in Debian.
ASK = r"""
use IO::Socket::UNIX;
my ($path, $command) = @ARGV;
my $socket = IO::Socket::UNIX->new(Peer => $path) or do { print "refused: $!\n"; exit };
<$socket>;
print $socket "{\"execute\": \"qmp_capabilities\"}\n{\"execute\": \"$command\", \"id\": \"asked\"}\n";
$socket->flush;
while (<$socket>) { if (/"asked"/) { print; exit } }
print "closed\n";
"""


class Groups(HostCase):
    def ask(self, command, where, group):
        """What somebody of that group gets for a command on that socket, as JSON or in words."""
        self.host.write("/tmp/ask", ASK, mode=0o644)
        said = self.host.run(["setpriv", "--reuid", str(NOBODY), "--regid", str(group), "--clear-groups", "--", "perl",
                              "/tmp/ask", f"/run/hvlaunch/web/{where}qmp.sock", command], check=True).out.strip()
        return json.loads(said) if said.startswith("{") else said

    def test_one_may_do_all_and_one_may_ask(self):
        groups = self.host.read("/etc/group")
        self.host.write("/etc/group", groups.rstrip() + "\n" + "".join(f"{name}:x:{gid}:\n" for name, gid in GROUPS.items()))
        self.profile("web")
        before = self.host.snapshot()
        self.hv("start", "web")
        control, query = GROUPS.values()

        self.assertTrue(self.ask("query-status", "query/", query)["return"]["running"])
        for command in ("stop", "quit", "human-monitor-command", "qom-set", "qu\\u0065ry-status", "query-status/../stop"):
            answer = self.ask(command, "query/", query)
            self.assertIn("error", answer, command)
        self.assertTrue(self.ask("query-status", "query/", query)["return"]["running"])
        for where, group in (("control/", query), ("", query), ("query/", control), ("", control), ("control/", NOBODY),
                             ("query/", NOBODY), ("", NOBODY)):
            self.assertIn("Permission denied", self.ask("query-status", where, group), (where, group))
        # Nothing else of the guest's is to be read.
        files = " ".join(f"/run/hvlaunch/web/{name}" for name in self.host.run("ls /run/hvlaunch/web").out.split())
        self.assertIn("state.json", files)
        seen = self.host.run(["setpriv", "--reuid", str(NOBODY), "--regid", str(control), "--clear-groups", "--", "sh",
                              "-c", f"echo /run/hvlaunch/* /run/hvlaunch/web/*; cat {files}"])
        self.assertEqual(seen.out, "/run/hvlaunch/* /run/hvlaunch/web/*\n")

        self.assertEqual(self.ask("stop", "control/", control)["return"], {})
        self.assertIn("paused", self.hv("status", "web").out)
        self.assertEqual(self.ask("cont", "control/", control)["return"], {})
        self.hv("kill", "web")
        self.assert_unchanged(before, ignore=[*KEPT, r"^/run/hvlaunch(:|$| )"])

    def test_a_host_without_the_groups_keeps_the_way_shut(self):
        self.profile("web")
        self.hv("start", "web")
        self.assertEqual(self.host.run(["stat", "-c", "%a", "/run/hvlaunch/web"], check=True).out.strip(), "700")
        self.assertFalse(self.host.run(["test", "-e", "/run/hvlaunch/web/query"]).ok)
