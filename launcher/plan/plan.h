// SPDX-License-Identifier: MIT
//
// What a start will do, as plain data: QEMU's arguments, the descriptors it
// gets, and the changes to the host, in order. `hvlaunch plan` prints the very
// object that `hvlaunch start` carries out.
#pragma once

#include "launcher/base/cpu_set.h"
#include "launcher/plan/cage.h"
#include "launcher/plan/cause.h"
#include "launcher/plan/limits.h"
#include "profiles/profile.h"
#include "vfio/hand_over.h"
#include "vfio/sriov.h"

#include <string>
#include <variant>
#include <vector>

namespace hv::plan {

/// One option of QEMU's command line.
struct Argument {
  std::string option;
  std::string value;  ///< Empty for an option without a value.
  Cause cause;
};

/// What a descriptor that QEMU inherits is.
enum class Handle : std::uint8_t {
  lock,           ///< The VM's lock: held for as long as QEMU lives.
  listener,       ///< A UNIX socket that listens at `path`.
  connection,     ///< A connection to the helper that listens at `path`.
  tap,            ///< A tap device in bridge `path`.
  vhost_net,      ///< /dev/vhost-net.
  vhost_vsock,    ///< /dev/vhost-vsock.
  directory,      ///< A way to the directory at `path`, for what QEMU makes there.
  file,           ///< The file at `path`, to read.
  writable_file,  ///< The file at `path`, to read and write.
  direct_file,    ///< The same, past the host's cache (O_DIRECT).
};

struct Descriptor {
  int number = -1;
  Handle handle = Handle::lock;
  std::string path{};
  Cause cause{};
};

/// Makes a disk image if there is none.
struct MakeDisk {
  std::string path;
  profiles::DiskFormat format = profiles::DiskFormat::qcow2;
  std::uint64_t size_gib = 0;
  std::string base{};  ///< The new image is a copy-on-write overlay of this one.
  std::string base_format{};
};

/// Copies a file if `to` is not there yet: a variable store from its template.
struct CopyFile {
  std::string from;
  std::string to;
};

/// Makes a NoCloud seed from the user's cloud-init files.
struct MakeSeed {
  std::string path;
  std::string user_data;
  std::string meta_data;       ///< Empty: made from the VM's name.
  std::string network_config;  ///< Empty: none.
  std::string instance;        ///< The VM's name.
};

/// Starts a TPM emulator, which ends with QEMU.
struct StartTpm {
  std::string state_directory;
  std::string socket;
};

/// Makes a file of shared memory that a program of the host reads, too.
struct MakeSharedMemory {
  std::string path;
  std::uint64_t size_mib = 0;
  std::uint32_t owner = 0;  ///< QEMU's user; 0: who starts the guest.
};

/// Makes a directory in which QEMU's user may make files.
struct MakeDirectory {
  std::string path;
  std::uint32_t owner = 0;  ///< As of MakeSharedMemory.
};

/// Binds a PCI function of the host to the driver that hands it over, or takes
/// it from every driver.
struct BindFunction {
  vfio::PciAddress address;
  std::string driver;  ///< Empty: none.
  std::string former_driver;
};

/// Makes the virtual functions of a PCI function (SR-IOV) unless there are some.
struct MakeVirtualFunctions {
  vfio::PciAddress physical;
  std::uint64_t count = 0;
  bool there = false;  ///< When the plan was made: another guest's start made them.
  std::vector<vfio::PciAddress> functions;  ///< Of them, this guest's.
};

/// Sets what a virtual function of a network card sends as and where.
struct SetVirtualFunction {
  vfio::PciAddress physical;
  std::string interface;    ///< The card's own.
  std::uint64_t index = 0;  ///< Of the virtual function.
  vfio::VfNetwork network;
};

/// Makes a mediated device.
struct MakeMdev {
  vfio::PciAddress parent;
  std::string type;
  std::string uuid;
};

/// Sees to it that so many huge pages are free on a node.
struct HugePages {
  std::uint32_t node = 0;
  std::uint64_t page_kib = 0;
  std::uint64_t pages = 0;
  std::uint64_t free = 0;  ///< Of them, when the plan was made.
};

/// Keeps the host's own work off CPUs.
struct IsolateCpus {
  CpuSet cpus;
};

using Action = std::variant<MakeDisk, CopyFile, MakeSeed, StartTpm, MakeSharedMemory, MakeDirectory,
                            MakeVirtualFunctions, SetVirtualFunction, vfio::Release, BindFunction,
                            MakeMdev, HugePages, IsolateCpus, LimitGuest>;

struct Step {
  Action action;
  Cause cause;
};

/// A disk as `status` shows it and as claims compare it.
struct DiskSummary {
  std::string node;  ///< QEMU's block node name.
  std::string path;
  bool writable = true;
};

/// A file that the guest needs and that hvlaunch does not make.
struct NeededFile {
  std::string path;
  Cause cause;
};

/// A port of the host at which QEMU listens for the guest.
struct HostPort {
  std::string protocol;  ///< "tcp" or "udp".
  std::string address;   ///< "0.0.0.0": all of them.
  std::uint64_t port = 0;

  friend bool operator==(const HostPort&, const HostPort&) = default;
};

/// What a guest has for itself while it runs.
struct Claims {
  std::string guest;
  std::vector<vfio::PciAddress> functions{};
  CpuSet cpus{};
  std::vector<std::string> macs{};
  std::vector<std::uint64_t> cids{};  ///< Addresses of vsock.
  std::vector<HostPort> ports{};
};

/// Where threads run. An empty set: wherever the kernel puts them.
struct ThreadPins {
  std::vector<CpuSet> vcpus{};
  CpuSet emulator{};
  CpuSet iothreads{};
  CpuSet helpers{};                                   ///< vhost workers, helper programs.
  profiles::Policy policy = profiles::Policy::other;  ///< Of the vCPUs.
  std::uint64_t priority = 0;
};

/// "fifo 1", "batch"; a policy that is not real time has no priority.
[[nodiscard]] std::string scheduler_text(profiles::Policy policy, std::uint64_t priority);

struct NicSummary {
  std::string kind;  ///< "user" or "bridge br0".
  std::string mac;
};

struct Warning {
  std::string id;
  std::string message;
};

/// A toggle that the profile gives, and what has become of it.
struct FeatureState {
  std::string name;    ///< "shstk", "hyperv", "extensions.v".
  std::string state;   ///< "on", "off", "missing"; of avic also "active", "inhibited".
  std::string detail;  ///< Why, and what would change it; may be empty.
  std::string pointer;
};

/// The machine type that a VM got at its first start: a newer QEMU must not
/// change a guest's hardware.
struct Record {
  std::string machine{};
};

struct Plan {
  std::string vm;
  std::string architecture;
  std::string binary;
  std::string qemu_version;
  std::string accelerator;  ///< "kvm" or "tcg".
  std::string uuid;
  std::uint64_t vcpus = 0;
  std::uint64_t memory_mib = 0;
  std::vector<Argument> arguments;
  std::vector<Descriptor> descriptors;
  std::vector<NeededFile> files;
  std::vector<Step> steps;
  ThreadPins pins;
  Claims claims;
  std::uint64_t locked_memory_mib = 0;  ///< RLIMIT_MEMLOCK of QEMU; 0: as it is.
  Cage cage;
  std::vector<DiskSummary> disks;
  std::vector<NicSummary> nics;
  std::string display;  ///< URI of the display; empty: none.
  bool console = false;
  std::string tty;  ///< What a Linux guest calls its console: "ttyS0".
  bool watch = true;
  profiles::Shutdown shutdown;
  profiles::Ready ready;
  Record record;
  std::vector<FeatureState> features;
  std::vector<Warning> warnings;
};

/// The whole argument vector, the binary first.
[[nodiscard]] std::vector<std::string> argv_of(const Plan& plan);

/// One line: "make disk … (qcow2, 20 GiB)".
[[nodiscard]] std::string describe(const Action& action);

/// What takes the step back: "remove it if the start fails", "kept: …".
[[nodiscard]] std::string describe_undo(const Action& action);

}  // namespace hv::plan
