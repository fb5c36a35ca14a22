# SPDX-License-Identifier: MIT
"""What the test host is made of: QEMU's arguments, and where its devices sit.

The firmware numbers the buses in the order of the ports; test_smoke checks that
the addresses below are the true ones.
"""
# One port each, in this order, the first with bus 1. A port without devices is
# for what is plugged in later.
PORTS = {
    "nic": ["e1000e,mac=52:54:00:00:01:00,netdev=net0,romfile="],
    # Two functions in one group.
    "dual": ["e1000e,addr=0.0,multifunction=on,mac=52:54:00:00:02:00,romfile=",
             "e1000e,addr=0.1,mac=52:54:00:00:02:01,romfile="],
    "gpu": ["secondary-vga,addr=0.0,multifunction=on,vgamem_mb=1,romfile=", "intel-hda,addr=0.1"],
    # The kernel has no driver for it. Not QEMU's teaching device, which loses its
    # addresses in a snapshot.
    "plain": ["qemu-xhci"],
    "net": ["virtio-net-pci,mac=52:54:00:00:05:00,netdev=net1,iommu_platform=on,disable-legacy=on,romfile="],
    "sriov": ["igb,mac=52:54:00:00:06:00,netdev=net2,romfile="],
    "slot1": [],
    "slot2": [],
}
NIC = "0000:01:00.0"
DUAL = ("0000:02:00.0", "0000:02:00.1")
GPU = ("0000:03:00.0", "0000:03:00.1")
PLAIN = "0000:04:00.0"
NET = "0000:05:00.0"
SRIOV = "0000:06:00.0"
SLOTS = {"slot1": "0000:07:00.0", "slot2": "0000:08:00.0"}
# Behind a conventional bridge all is one group: the bridge, a disk, a NIC without driver.
BRIDGE = "0000:09:00.0"
BRIDGED_DISK = "0000:0a:01.0"
BRIDGED_NIC = "0000:0a:02.0"
# Near NUMA node 1; all others are near none.
FAR = "0000:81:00.0"

CPUS = 4
NODES = 2
MEMORY_MB = 8192

CMDLINE = ("console=ttyS0 panic=-1 quiet loglevel=4 nokaslr audit=0 mitigations=off tsc=reliable "
           "no_timer_check rcupdate.rcu_expedited=1 random.trust_cpu=on intel_iommu=on iommu.passthrough=0 "
           "systemd.show_status=0 hugepagesz=1G hugepages=0:1,1:1")


def arguments(image, ram, place, *, booting):
    """QEMU's arguments for the folders with the image, the memory's files, and the
    host's own ones.

    Booting writes to the memory's files; a restored host reads them and keeps what
    it writes for itself, so that any number of hosts can share them. Only what has
    no state in a snapshot may differ between the two.
    """
    # A boot with a thread per CPU hangs or dies now and then, and nested KVM
    # hangs without: the accelerator is not part of the snapshot.
    accel = "tcg,thread=single" if booting else "tcg,thread=multi"
    return [*_board(accel), *_memory(ram, "on" if booting else "off"), *_kernel(image), *_disks(image, place),
            *_network(), *_ports(), *_bridge(), *_far_node()]


def _board(accel):
    return ["-nodefaults", "-no-user-config", "-no-reboot", "-display", "none", "-machine", "q35,usb=off", "-accel", accel,
            "-cpu", "max,la57=off", "-smp", f"{CPUS},sockets={NODES},cores={CPUS // NODES},threads=1",
            "-device", "intel-iommu,intremap=on,caching-mode=on"]


def _memory(ram, share):
    words = ["-m", f"{MEMORY_MB}M"]
    for node in range(NODES):
        size = MEMORY_MB // NODES
        first = node * CPUS // NODES
        words += ["-object", f"memory-backend-file,id=ram{node},size={size}M,mem-path={ram}/ram{node},share={share}",
                  "-numa", f"node,nodeid={node},cpus={first}-{first + CPUS // NODES - 1},memdev=ram{node}"]
    return [*words, "-numa", "dist,src=0,dst=1,val=20"]


def _kernel(image):
    return ["-kernel", f"{image}/vmlinux", "-initrd", f"{image}/initrd", "-append", CMDLINE]


def _disks(image, place):
    return ["-drive", f"file={image}/root.erofs,format=raw,if=none,id=root,readonly=on",
            "-device", "virtio-blk-pci,drive=root,serial=root,bus=pcie.0,addr=1",
            "-drive", f"file={image}/qemu.erofs,format=raw,if=none,id=qemu,readonly=on",
            "-device", "virtio-blk-pci,drive=qemu,serial=qemu,bus=pcie.0,addr=3",
            "-drive", f"file={empty_disk(place, 'spare', 64)},format=raw,if=none,id=spare"]


def empty_disk(place, name, size_mb):
    path = place / f"{name}.img"
    with open(path, "wb") as file:
        file.truncate(size_mb << 20)
    return path


def _network():
    # restrict: nothing of the build machine can be reached.
    return [word for i in range(3) for word in ("-netdev", f"user,id=net{i},restrict=on")]


def _port(number, name, bus="pcie.0", addr=None):
    place = addr or f"{0x10 + number // 8:#x}.{number % 8}"
    return ["-device", f"pcie-root-port,id={name},bus={bus},chassis={number + 1},slot={number + 1},"
                       f"addr={place},multifunction=on"]


def _ports():
    words = []
    for number, (name, devices) in enumerate(PORTS.items()):
        words += _port(number, name)
        for function, device in enumerate(devices):
            words += ["-device", f"{device},id={name}.{function},bus={name}"]
    return words


def _bridge():
    return [*_port(len(PORTS), "bridge"), "-device", "pcie-pci-bridge,id=conventional,bus=bridge",
            "-device", "virtio-blk-pci,drive=spare,serial=spare,bus=conventional,addr=1,disable-legacy=on",
            "-device", "e1000,bus=conventional,addr=2,romfile="]


def _far_node():
    return ["-device", "pxb-pcie,id=node1,bus_nr=128,bus=pcie.0,addr=0x12,numa_node=1",
            *_port(len(PORTS) + 1, "far", bus="node1", addr="0"),
            "-device", "e1000e,mac=52:54:00:00:81:00,bus=far,romfile="]
