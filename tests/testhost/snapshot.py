# SPDX-License-Identifier: MIT
"""What hvlaunch may change on a host, as values that can be compared.

    before = host.snapshot()
    ...
    self.assertEqual(before.difference(host.snapshot()), [])

A key says what it is ("driver 0000:01:00.0", "free 2M pages of node 1"), so that a
difference reads as a sentence. What has a new number each time, such as an
interrupt or an inode, is known by its name; what comes and goes by itself is not
looked at. A line for PATTERNS is enough to look at one more kind of file.
"""
import json
import re

# Read in one go in the host by agent/survey.cpp; in this order they are shown.
PCI = "/sys/bus/pci/devices/*/"
NODES = "/sys/devices/system/node/node*/hugepages/*/"
CPUS = "/sys/devices/system/cpu/"
CGROUPS = "/sys/fs/cgroup/**/"
LINKS = "/sys/class/net/*/"
PATTERNS = [
    PCI + "driver", PCI + "driver_override", PCI + "iommu_group", PCI + "sriov_numvfs",
    PCI + "sriov_drivers_autoprobe", PCI + "power/control", PCI + "d3cold_allowed", PCI + "reset_method",
    PCI + "enable", PCI + "msi_bus", PCI + "broken_parity_status", PCI + "mdev_supported_types/*/available_instances",
    "/sys/bus/mdev/devices/*", "/sys/bus/pci/drivers_autoprobe", "/sys/kernel/iommu_groups/*/type",
    "/dev/vfio/*", "/dev/vfio/devices/*", "/sys/bus/pci/drivers/*/new_id",
    NODES + "nr_hugepages", NODES + "free_hugepages", NODES + "surplus_hugepages",
    "/sys/kernel/mm/hugepages/*/nr_overcommit_hugepages", "/sys/kernel/mm/hugepages/*/resv_hugepages",
    "/proc/irq/*/smp_affinity_list", "/proc/irq/*/*", "/proc/irq/default_smp_affinity",
    CGROUPS + "cpuset.cpus", CGROUPS + "cpuset.mems", CGROUPS + "cpuset.cpus.partition",
    CGROUPS + "cpuset.cpus.exclusive", CGROUPS + "cgroup.subtree_control", CGROUPS + "cpu.weight", CGROUPS + "memory.max",
    CPUS + "cpu*/online", CPUS + "cpu*/cpufreq/scaling_governor", CPUS + "cpu*/cpufreq/scaling_*_freq",
    CPUS + "cpu*/cpufreq/energy_performance_preference", CPUS + "cpu*/power/pm_qos_resume_latency_us",
    CPUS + "cpu*/cpuidle/state*/disable", CPUS + "smt/control", CPUS + "cpufreq/boost", CPUS + "intel_pstate/no_turbo",
    "/sys/devices/virtual/workqueue/cpumask",
    "/sys/kernel/mm/ksm/run", "/sys/kernel/mm/ksm/merge_across_nodes", "/sys/kernel/mm/ksm/pages_to_scan",
    "/sys/kernel/mm/ksm/sleep_millisecs", "/sys/kernel/mm/transparent_hugepage/*",
    "/proc/sys/vm/*", "/proc/sys/kernel/*", "/proc/sys/net/ipv4/ip_forward", "/proc/sys/net/ipv4/conf/*/forwarding",
    "/sys/module/kvm*/parameters/*", "/sys/module/vfio*/parameters/*",
    "/sys/class/vtconsole/*/bind", "/sys/bus/platform/drivers/*-framebuffer/*",
    LINKS + "address", LINKS + "mtu", LINKS + "flags", LINKS + "master", LINKS + "tun_flags", LINKS + "owner",
    LINKS + "ifalias", LINKS + "tx_queue_len", LINKS + "brif/*",
    "/proc/self/mountinfo", "/proc/locks", "/proc/net/route", "/proc/swaps",
    "/run/hvlaunch/**", "/run/user/*/hvlaunch/**", "/var/lib/hypervisor/**", "/etc/hypervisor/**", "/dev/shm/**",
    "/dev/hugepages/**", "/dev/mqueue/**", "/run/udev/rules.d/**", "/etc/udev/rules.d/**", "/run/systemd/system/**",
    "/run/systemd/system.control/**",
    "/etc/modprobe.d/**", "/run/modprobe.d/**",
    "/proc/[0-9]*/stat", "/proc/[0-9]*/status",
]

# Counters, and what the kernel or a timer changes.
VOLATILE = re.compile(
    r"/proc/sys/vm/(stat_refresh|compact_memory|drop_caches|nr_hugepages\w*)$|"
    r"/proc/sys/kernel/(ns_last_pid|pty|random|usermodehelper|keys|perf_event\w*|sched_domain|seccomp)|"
    r"/sys/kernel/mm/transparent_hugepage/(khugepaged|stats)")
# These are there while the kernel or udev has something to do.
FLEETING = re.compile(r"kworker/|\(udev-worker\)|\(sd-|kcompactd|irq/|modprobe|systemd-udevd?-|scsi_eh|ksoftirqd|migration/")

PF_WQ_WORKER = 0x20  # of include/linux/sched.h: threads of the kernel's workqueues
POLICIES = {0: "other", 1: "fifo", 2: "rr", 3: "batch", 5: "idle", 6: "deadline"}


class Snapshot:
    def __init__(self, survey):
        """From a TestHost's survey of PATTERNS."""
        self.values = {}
        interrupts, processes = {}, {}
        for path, (kind, text) in survey.items():
            if VOLATILE.match(path):
                continue
            text = text.rstrip("\n")
            if match := re.match(r"/proc/irq/(\d+)/(.*)", path):
                interrupts.setdefault(match[1], {})[match[2]] = (kind, text)
            elif match := re.match(r"/proc/(\d+)/(stat|status)$", path):
                processes.setdefault(match[1], {})[match[2]] = text
            elif path in TABLES:
                self._table(*TABLES[path], text)
            else:
                self._file(path, kind, text)
        self._interrupts(interrupts)
        self._processes(processes)

    def difference(self, after, ignore=()):
        """One sentence for each thing that is not as it was; ignore: regular expressions of keys."""
        lines = []
        for key in sorted(self.values.keys() | after.values.keys()):
            was, now = self.values.get(key), after.values.get(key)
            if was == now or any(re.search(word, key) for word in ignore):
                continue
            if was is None:
                lines.append(f"new: {key}: {now!r}")
            elif now is None:
                lines.append(f"gone: {key}: was {was!r}")
            else:
                lines.append(f"changed: {key}: {was!r}, now {now!r}")
        return lines

    def json(self):
        return json.dumps(self.values, indent=1, sort_keys=True)

    @staticmethod
    def from_json(text):
        result = Snapshot({})
        result.values = json.loads(text)
        return result

    def _file(self, path, kind, text):
        for pattern, name in NAMES:
            if match := re.match(pattern, path):
                path = name.format(*match.groups())
                break
        # A file's beginning is enough to be told apart.
        values = {"l": text.rsplit("/", 1)[-1], "d": "folder", "s": "special file", "e": f"error: {text}"}
        self.values[path] = values.get(kind, text[:400])

    def _table(self, name, fields, text):
        """Lines of a table, by how often they occur."""
        for line in text.splitlines():
            if (key := fields(line)) is not None:
                key = f"{name} {key}"
                self.values[key] = self.values.get(key, 0) + 1

    def _interrupts(self, interrupts):
        """By the names of those who asked for them: numbers are given out anew."""
        for number, files in interrupts.items():
            owners = [name for name, (kind, _) in files.items() if kind == "d"]
            if owners:
                key = f"interrupt {'+'.join(sorted(owners))}"
                while key in self.values:
                    key += "'"
                self.values[key] = "CPUs " + files["smp_affinity_list"][1]
        if "default_smp_affinity" in interrupts:
            self.values["interrupts by default"] = interrupts["default_smp_affinity"]

    def _processes(self, processes):
        """By their names, with where and how they may run."""
        places = {}
        for files in processes.values():
            if len(files) < 2:
                continue  # it ended while it was looked at
            # The name, in parentheses, may hold anything.
            name, _, rest = files["stat"].partition("(")[2].rpartition(")")
            if FLEETING.match(name):
                continue
            fields = rest.split()
            if int(fields[6]) & PF_WQ_WORKER:
                continue  # a workqueue's rescuer goes where it has work to do
            cpus = re.search(r"^Cpus_allowed_list:\s*(\S+)", files["status"], re.M)
            nodes = re.search(r"^Mems_allowed_list:\s*(\S+)", files["status"], re.M)
            policy, priority, nice = int(fields[38]), fields[37], fields[16]
            places.setdefault(name, []).append(
                f"CPUs {cpus[1]} nodes {nodes[1]} {POLICIES.get(policy, policy)} {priority} nice {nice}")
        for name, words in places.items():
            self.values[f"process {name}"] = " | ".join(sorted(words))


def _mount(line):
    fields = line.split(" ")
    end = fields.index("-")
    return f"{fields[4]} from {fields[3]} of {fields[end + 1]} {fields[end + 2]}, {fields[5]}"


def _lock(line):
    # number, kind, strictness, mode, process, device and inode, range
    fields = line.replace("->", "").split()
    return " ".join([*fields[1:4], *fields[5:]])


TABLES = {"/proc/self/mountinfo": ("mount", _mount), "/proc/locks": ("lock", _lock),
          "/proc/net/route": ("route", str.strip), "/proc/swaps": ("swap", str.strip)}
NAMES = [
    (r"/sys/bus/pci/devices/([^/]+)/driver$", "driver {0}"),
    (r"/sys/bus/pci/devices/([^/]+)/(.*)$", "{1} {0}"),
    (r"/sys/devices/system/node/node(\d+)/hugepages/hugepages-(\d+)kB/(\w+)_hugepages$", "{2} {1} kB pages of node {0}"),
    (r"/sys/class/net/([^/]+)/(.*)$", "{1} of link {0}"),
]
