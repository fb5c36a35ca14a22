# SPDX-License-Identifier: MIT
"""One golden plan, made ready for the machine that runs the tests: see test_accept.py."""
import fcntl
import functools
import json
import os
import re
import select
import shutil
import socket
import struct
import subprocess
import tempfile
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
GUESTS = Path(os.environ.get("HV_GUESTS", REPOSITORY / "build/guests")).absolute()
QEMUS = Path(os.environ.get("HV_QEMUS", REPOSITORY / "build/qemus")).absolute()
SYSTEM_QEMU = "7.2"
TIMEOUT = 60

# What QEMU may say without a fault of ours; each with the reason.
KNOWN_NOISE = [
    r"terminating on signal",
    r"warning: Machine type '.*' is deprecated",  # Plans say so too: deprecated-machine.
    r"warning: TCG doesn't support requested feature",  # Named models have more than TCG emulates.
    # TCG's best model is an AMD CPU without topoext, which TCG cannot give it.
    r"warning: This family of AMD CPU doesn't support hyperthreading",
    r"^Please configure -smp options properly or try enabling topoext feature",
]
LARGEST_MIB = 1024

BEST_MODEL = {"x86_64": "max", "aarch64": "max", "riscv64": "rv64", "loongarch64": "la464"}


def installed(qemu):
    """The binary of "7.2-x86_64", or None."""
    version, arch = qemu.split("-")
    name = f"qemu-system-{arch}"
    if version != SYSTEM_QEMU:
        binary = QEMUS / version / "bin" / name
        return str(binary) if binary.exists() else None
    found = shutil.which(name)
    if found is None:
        return None
    said = subprocess.run([found, "--version"], capture_output=True, text=True, check=False).stdout
    return found if f"version {version}." in said else None


def firmware(path):
    """The real image of a path in a plan, or None."""
    if not path.startswith("/usr/share/"):
        path = "/usr/share/OVMF/OVMF_CODE_4M.fd"  # The case names files of its own.
    if path.startswith("/usr/share/ovmf/OVMF."):
        path = "/usr/share/ovmf/OVMF.fd"  # Debian 12 has no build for confidential guests.
    fetched = QEMUS / "firmware/share" / Path(path).relative_to("/usr/share")
    return next((str(image) for image in (Path(path), fetched) if image.exists()), None)


MODES = {"file": os.O_RDONLY, "writable_file": os.O_RDWR, "direct_file": os.O_RDWR | os.O_DIRECT}


class Guest:
    """One case: its place, its arguments as they can be run here, its descriptors."""

    def __init__(self, name, plan, place):
        self.name, self.arch, self.qemu = name, plan["architecture"], plan["qemu"]
        self.place = place
        self.replaced = []
        self.moves = {"/var/lib/hypervisor": f"{place}/s", "/run/hvlaunch": f"{place}/r",
                      "/srv": f"{place}/srv", "/dev/shm/": f"{place}/shm-", "/boot": f"{place}/boot"}
        self.descriptors = {}
        self.images = {}  # By the names that arguments have for them.
        self.tpm = None
        self.plan = plan

    def prepare(self):
        words = self.plan["argv"]
        self.argv = [words[0], *(self.moved_argument(*pair) for pair in zip(words, words[1:]))]
        self.control = self.open_descriptors(self.plan["descriptors"])
        self.argv = self.adapted()

    def moved(self, text, comma=","):
        """Only at the start of a path: a value may have any text in it."""
        for old, new in self.moves.items():
            text = re.sub(rf"(^|[\"=:]){re.escape(old)}",
                          lambda found: found[1] + new.replace(",", comma), text)
        return text

    def moved_argument(self, option, value):
        """QEMU takes these files by their names, JSON by its own rules, and doubled commas elsewhere."""
        verbatim = option in ("-kernel", "-initrd", "-append") or value.startswith("{")
        return self.moved(value, "," if verbatim else ",,")

    def instead(self, what):
        self.replaced.append(what)

    # Descriptors

    def open_descriptors(self, wanted):
        control = None
        for each in wanted:
            number, kind, path = each["number"], each["kind"], self.moved(each["path"])
            if kind in ("lock", "listener", "connection"):
                Path(path).parent.mkdir(parents=True, exist_ok=True)
            if kind == "lock":
                self.descriptors[number] = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            elif kind == "listener":
                listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
                listener.bind(path)
                listener.listen(16)
                self.descriptors[number] = listener.detach()
                control = path if path.endswith("/monitor.sock") else control
            elif kind == "connection":
                self.start_tpm(path)
                client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
                client.connect(path)
                self.descriptors[number] = client.detach()
            elif kind == "directory":
                Path(path).mkdir(parents=True, exist_ok=True)
                self.descriptors[number] = os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
            elif kind in MODES:
                self.images[f"/dev/fdset/{number}"] = (number, kind, path)
            else:
                opened = self.open_tap() if kind == "tap" else self.open_file(path)
                if opened is not None:
                    self.descriptors[number] = opened
        return control

    def open_file(self, path):
        try:
            return os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            return None

    def open_tap(self):
        IFF_TAP, IFF_NO_PI, IFF_VNET_HDR, TUNSETIFF = 0x0002, 0x1000, 0x4000, 0x400454CA
        tap = self.open_file("/dev/net/tun")
        if tap is None:
            return None
        try:
            fcntl.ioctl(tap, TUNSETIFF, struct.pack("16sH22s", b"", IFF_TAP | IFF_NO_PI | IFF_VNET_HDR, b""))
        except OSError:
            os.close(tap)
            return None
        return tap

    # Arguments, and the files they name

    def adapted(self):
        words, changed = self.argv, [installed(self.qemu)]
        for option, value in zip(words[1:], words[2:] + [""]):
            change = getattr(self, "adapt" + option.replace("-", "_"), None) if option.startswith("-") else None
            if len(changed) > 1 and changed[-1] is None:
                changed.pop()
                continue
            changed.append(option)
            if change:
                other = change(value)
                changed[-1:] = [None] if other is None else [option, other, None]
        return [word for word in changed if word is not None]

    def adapt_accel(self, value):
        if value != "kvm":
            return value
        self.instead("TCG for KVM")
        return "tcg"

    def adapt_cpu(self, value):
        return BEST_MODEL[self.arch] if value.split(",")[0] == "host" else value

    def adapt_machine(self, value):
        value = value.replace(",confidential-guest-support=confidential", "")
        return value.replace("gic-version=host", "gic-version=3")

    def adapt_bios(self, value):
        self.file(value, firmware("/usr/share/ovmf/OVMF.fd") or self.fail("no firmware"))
        return value

    def adapt_kernel(self, value):
        guest = GUESTS / self.arch / "vmlinuz"
        if guest.exists():
            self.file(value, guest)
        else:
            self.file(value)
            Path(value).write_bytes(tiny_elf(self.arch))
        return value

    def adapt_initrd(self, value):
        self.file(value)
        return value

    def adapt_m(self, value):
        size = int(re.fullmatch(r"size=(\d+)M", value)[1])
        if size > LARGEST_MIB:
            self.instead(f"{LARGEST_MIB} MiB for {size}")
        return f"size={min(size, LARGEST_MIB)}M"

    def adapt_object(self, value):
        made = json.loads(value)
        if made["id"] == "confidential":
            self.instead("nothing encrypted")
            return None
        if not set(made.get("node-affinity", [])) <= host_nodes():
            self.instead("this host's CPUs for those of its nodes")
            made["node-affinity"] = sorted(host_nodes())[:1]
        if made["id"].startswith("ram"):
            made["size"] = self.ram()[made["id"]]
        if made.get("hugetlb") and free_huge_pages(made["hugetlbsize"]) * made["hugetlbsize"] < made["size"]:
            self.instead("ordinary memory for huge pages")
            for name in ("hugetlb", "hugetlbsize", "prealloc", "prealloc-threads", "prealloc-context"):
                made.pop(name, None)
        if not set(made.get("host-nodes", [])) <= host_nodes():
            self.instead("this host's memory for that of its nodes")
            del made["host-nodes"], made["policy"]
        return json.dumps(made)

    def ram(self):
        """The sizes of its parts: as in the plan, or in the same proportion and LARGEST_MIB together."""
        objects = [json.loads(word) for word in self.plan["argv"] if word.startswith('{"qom-type":"memory-backend-')]
        sizes = {made["id"]: made["size"] for made in objects}
        whole, most, page = sum(sizes.values()), LARGEST_MIB << 20, 2 << 20
        if whole <= most:
            return sizes
        scaled = {name: size * most // whole // page * page for name, size in sizes.items()}
        scaled[next(reversed(scaled))] += most - sum(scaled.values())
        return scaled

    def adapt_overcommit(self, value):
        if os.geteuid() != 0:
            self.instead("memory that may be swapped out for locked")
            return value.replace("mem-lock=on", "mem-lock=off")
        return value

    def adapt_device(self, value):
        """Devices of the host are left out, if this QEMU knows all that is said of them."""
        if not value.startswith("{"):
            return value  # of qemu.extra_args
        made = json.loads(value)
        if made["driver"] == "vhost-vsock-pci" and int(made["vhostfd"]) not in self.descriptors:
            self.instead("no vsock of the host")
            return None
        if made["driver"] != "vfio-pci":
            return value
        known = properties_of(installed(self.qemu), "vfio-pci") | {"driver", "id", "bus"}
        if unknown := sorted(set(made) - known):
            self.fail(f"vfio-pci has no {', '.join(unknown)}")
        self.instead("no device of the host")
        return None

    def adapt_netdev(self, value):
        made = json.loads(value)
        if "vhostfd" in made and int(made["vhostfd"]) not in self.descriptors:
            self.instead("QEMU for vhost")
            made["vhost"] = False
            del made["vhostfd"]
        if "fd" in made and int(made["fd"]) not in self.descriptors:
            self.instead("a user network for a tap")
            made = {"type": "user", "id": made["id"]}
        return json.dumps(made)

    def adapt_blockdev(self, value):
        made = json.loads(value)
        node = made
        while node:
            self.image(node, made["node-name"])
            node = node.get("backing")
        return json.dumps(made)

    def file(self, path, source=None):
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        if source:
            shutil.copyfile(source, path)
        else:
            Path(path).write_bytes(b"\0" * 4096)

    def image(self, node, name):
        number, kind, path = self.images[node["file"]["filename"]]
        if node["driver"] == "qcow2" and name.startswith("firmware-"):
            image = "/usr/share/OVMF/OVMF_CODE_4M.fd"
            if name == "firmware-vars":
                image = image.replace("CODE", "VARS")
            path = f"{self.place}/{name}.qcow2"
            subprocess.run(["qemu-img", "convert", "-O", "qcow2", "--",
                            firmware(image) or self.fail(f"no firmware {image}"), path], check=True)
        elif name == "firmware-code":
            path = firmware(path) or self.fail(f"no firmware {path}")
            self.template = variables_of(path)
        elif name == "firmware-vars":
            self.file(path, self.template)
        else:
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            subprocess.run(["qemu-img", "create", "-q", "-f", node["driver"], "--", path, "1M"],
                           check=True)
        self.descriptors[number] = os.open(path, MODES[kind] | os.O_CLOEXEC)

    def fail(self, why):
        raise AssertionError(why)

    def start_tpm(self, path):
        """swtpm knows no way to write a comma: it gets a socket, and a directory without one."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
            listener.bind(path)
            listener.listen(1)
            self.tpm_state = tempfile.mkdtemp(prefix="hva", dir="/tmp")
            self.tpm = subprocess.Popen(
                ["swtpm", "socket", "--tpm2", "--terminate", "--tpmstate", f"dir={self.tpm_state}",
                 "--ctrl", f"type=unixio,fd={listener.fileno()}"],
                pass_fds=[listener.fileno()], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)

    def close(self):
        if self.tpm:
            self.tpm.kill()
            self.tpm.wait()
            shutil.rmtree(self.tpm_state)

    # Running

    def run(self):
        """None, or what QEMU had against the arguments."""
        log = open(self.place / "stderr", "w+b")
        moves = [(number, fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 200)) for number, fd in self.descriptors.items()]
        actions = [(os.POSIX_SPAWN_DUP2, fd, number) for number, fd in moves]
        null = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
        actions = [(os.POSIX_SPAWN_DUP2, null, 0), (os.POSIX_SPAWN_DUP2, log.fileno(), 1),
                   (os.POSIX_SPAWN_DUP2, log.fileno(), 2)] + actions
        pid = os.posix_spawn(self.argv[0], self.argv, {"PATH": "/usr/bin:/bin"}, file_actions=actions)
        # If QEMU dies, nobody may be left that listens.
        for fd in [*self.descriptors.values(), *(fd for _, fd in moves), null]:
            os.close(fd)
        said = ""
        try:
            said = self.talk()
        except (OSError, ValueError) as error:
            said = f"QMP: {error!r}"
        pidfd = os.pidfd_open(pid)
        if not select.select([pidfd], [], [], TIMEOUT)[0]:
            os.kill(pid, 9)
            said += " did not end after quit;"
        os.close(pidfd)
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        log.seek(0)
        output = log.read().decode(errors="replace")
        log.close()
        lines = [line for line in output.splitlines()
                 if not any(re.search(noise, line) for noise in KNOWN_NOISE)]
        if said or status or lines:
            return f"{said} exit {status}\n" + "\n".join(lines)
        return None

    def talk(self):
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as monitor:
            monitor.settimeout(TIMEOUT)
            monitor.connect(self.control)
            stream = monitor.makefile("rwb")

            def line():
                text = stream.readline()
                if not text:
                    raise ValueError("closed")
                return json.loads(text)

            def call(command):
                stream.write(json.dumps({"execute": command}).encode() + b"\n")
                stream.flush()
                while True:
                    reply = line()
                    if "event" not in reply:
                        return reply
            if "QMP" not in line():
                raise ValueError("no greeting")
            call("qmp_capabilities")
            status = call("query-status")
            call("quit")
            state = status.get("return", {}).get("status")
            return "" if state == "prelaunch" else f"state {status};"


def variables_of(code):
    """The image that a variable store for this firmware starts as."""
    named = code.replace("_CODE", "_VARS").replace("QEMU_EFI", "QEMU_VARS")
    return named if Path(named).exists() else re.sub(r"\.(secboot|no-secboot)", "", named)


def tiny_elf(arch):
    """A kernel of no instructions, for where there is no guest to boot."""
    number = {"x86_64": 62, "aarch64": 183, "riscv64": 243, "loongarch64": 258}[arch]
    start = 0x9000000000200000 if arch == "loongarch64" else 0x80200000
    header = struct.pack("<4sBBBBB7xHHIQQQIHHHHHH", b"\x7fELF", 2, 1, 1, 0, 0, 2, number, 1,
                         start, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    return header + struct.pack("<IIQQQQQQ", 1, 5, 0, start, start, 4096, 4096, 4096) + bytes(3976)


@functools.cache
def properties_of(binary, device):
    said = subprocess.run([binary, "-device", f"{device},help"], capture_output=True, text=True, check=True).stdout
    return set(re.findall(r"^ +([\w.-]+)=<", said, re.MULTILINE))


def free_huge_pages(size):
    try:
        return int(Path(f"/sys/kernel/mm/hugepages/hugepages-{size >> 10}kB/free_hugepages").read_text())
    except OSError:
        return 0


def host_nodes():
    return {int(path.name[4:]) for path in Path("/sys/devices/system/node").glob("node[0-9]*")}
