// SPDX-License-Identifier: MIT
//
// What the user asked for: a VM's profile, typed, with defaults filled in and
// every value with the place it came from. It knows nothing of this host.
// What each field means stands once, in profile.cpp and host_fields.cpp, where it is read.
#pragma once

#include "launcher/base/error.h"
#include "profiles/cpu_features.h"
#include "profiles/numa.h"
#include "profiles/pinning.h"
#include "profiles/sourced.h"
#include "vfio/groups.h"
#include "vfio/selector.h"

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace hv::profiles {

inline constexpr std::uint64_t largest_memory_mib = 1ULL << 32U;  // 4 PiB: 52 bits of address.

enum class Arch : std::uint8_t { x86_64, aarch64, riscv64, loongarch64 };
enum class Accelerator : std::uint8_t { automatic, kvm, tcg };
enum class FirmwareKind : std::uint8_t { automatic, none, bios, uefi };
enum class DiskFormat : std::uint8_t { qcow2, raw };
enum class DiskCache : std::uint8_t { none, writeback, writethrough, directsync, unsafe };
enum class DiskIo : std::uint8_t { threads, native, io_uring };
enum class NetworkMode : std::uint8_t { none, user, bridge };
enum class Protocol : std::uint8_t { tcp, udp };
enum class DisplayKind : std::uint8_t { none, spice, vnc };
enum class Confinement : std::uint8_t { strict, standard, off };
enum class ReadyKind : std::uint8_t { qmp, agent, tcp, serial_match };
enum class ConsoleKind : std::uint8_t { none, serial, virtio };

/// A whole number, or AUTO_DETECT: chosen from the host when the plan is made.
struct Amount {
  std::uint64_t value = 0;  ///< If automatic: the least that will do.
  bool automatic = false;
};

struct Topology {
  Sourced<std::uint64_t> sockets;
  Sourced<std::uint64_t> dies;
  Sourced<std::uint64_t> cores;
  Sourced<std::uint64_t> threads;
};

struct Firmware {
  Sourced<FirmwareKind> kind;
  Sourced<bool> secure_boot;
  Sourced<std::string> code;           ///< Flash image of the firmware; empty: by descriptor.
  Sourced<std::string> vars_template;  ///< Image that the variable store starts as.
};

struct Disk {
  Sourced<std::uint64_t> size_gib;  ///< 0: the VM has no disk.
  Sourced<std::string> base_image;  ///< Empty: an empty disk.
  Sourced<DiskFormat> format;
  Sourced<DiskCache> cache;
  Sourced<DiskIo> io;
};

struct CloudInit {
  Sourced<std::string> seed_iso;
  Sourced<std::string> user_data;
  Sourced<std::string> meta_data;
  Sourced<std::string> network_config;
};

/// A port of the host that leads to one of the guest.
struct Forward {
  std::string pointer{};  ///< Its place in the profile.
  Sourced<std::uint64_t> host;
  Sourced<std::uint64_t> guest;
  Sourced<Protocol> protocol;
  Sourced<std::string> address;  ///< Of the host; IPv4.
};

struct Network {
  Sourced<NetworkMode> mode;
  Sourced<std::string> bridge;  ///< A name, "" or AUTO_DETECT.
  Sourced<bool> vhost;
  Sourced<std::string> zone;
  std::vector<Forward> forward;
};

/// A socket between host and guest that needs no network.
struct Vsock {
  Sourced<bool> enable;
  Sourced<std::uint64_t> cid;  ///< 0: derived from the name and this host.
};

struct Display {
  Sourced<DisplayKind> kind;
  Sourced<bool> headless;
  Sourced<std::uint64_t> heads;
};

struct LookingGlass {
  Sourced<bool> enable;
  Sourced<std::uint64_t> size_mib;  ///< A power of two.
};

enum class HugePagePolicy : std::uint8_t { require, prefer, off };

struct HugePages {
  Sourced<bool> enable;
  Sourced<std::uint64_t> size_kib;  ///< 0: the kernel's default size.
  Sourced<HugePagePolicy> policy;
};

/// Of a function with SR-IOV: which one the guest gets.
struct VirtualFunction {
  Sourced<std::uint64_t> count;  ///< To be made if there are none; 0: as many as can be.
  Sourced<std::string> mac;      ///< Empty: as it is.
  Sourced<std::uint64_t> vlan;   ///< 0: none.
};

/// How the host's screen leaves a device before the guest gets it.
struct HandOver {
  Sourced<bool> enable;
  Sourced<std::string> display_manager;       ///< A unit; empty: none is stopped.
  std::vector<Sourced<std::string>> modules;  ///< In the order of unloading; empty: the usual ones.
};

/// A PCI function of the host. What is given of the first six must all match.
struct HostDevice {
  std::string pointer{};  ///< Its place in the profile.
  Sourced<std::optional<vfio::PciAddress>> address;
  Sourced<std::optional<vfio::PciId>> id;
  Sourced<std::string> class_code;  ///< 2, 4 or 6 hexadecimal digits.
  Sourced<std::string> slot;
  Sourced<std::string> serial;
  Sourced<std::string> path;
  Sourced<bool> all_functions;
  Sourced<vfio::Siblings> siblings;
  Sourced<bool> even_if_used;
  Sourced<std::string> driver;  ///< Empty: the kernel's for it, or vfio-pci.
  Sourced<std::string> rom;     ///< Empty: the device's own.
  Sourced<bool> primary_gpu;
  HandOver hand_over;
  Sourced<VirtualFunction> virtual_function;
  Sourced<std::string> mdev;  ///< A type of mediated device; empty: the function itself.
};

/// 0: no limit; of a weight, the kernel's default.
struct Limits {
  Sourced<std::uint64_t> cpu_quota_percent;  ///< 100: one host CPU.
  Sourced<std::uint64_t> cpu_weight;
  Sourced<std::uint64_t> memory_high_mib;
  Sourced<std::uint64_t> memory_max_mib;
  Sourced<std::uint64_t> io_weight;
  Sourced<std::uint64_t> io_read_mib_per_second;
  Sourced<std::uint64_t> io_write_mib_per_second;
  Sourced<std::uint64_t> io_read_ops_per_second;
  Sourced<std::uint64_t> io_write_ops_per_second;
  Sourced<std::uint64_t> pids_max;
};

struct Autostart {
  Sourced<bool> enable;
  Sourced<std::string> group;
  Sourced<std::uint64_t> priority;  ///< 0 to 100; lower starts first.
};

/// How long each rung of the shutdown ladder may take, in seconds; 0 skips it.
struct Shutdown {
  Sourced<std::uint64_t> agent_seconds;
  Sourced<std::uint64_t> acpi_seconds;
  Sourced<std::uint64_t> quit_seconds;
  Sourced<std::uint64_t> term_seconds;
};

/// When the guest counts as ready, and how long that may take.
struct Ready {
  Sourced<ReadyKind> kind{};
  Sourced<std::string> address{};  ///< Of tcp: "192.0.2.7:22", "[2001:db8::7]:22".
  Sourced<std::string> text{};     ///< Of serial_match.
  Sourced<std::uint64_t> timeout_seconds{};
};

/// Arguments that hvlaunch has no field for. They are passed on unread.
struct ExtraArguments {
  Sourced<std::string> reason;
  std::vector<Sourced<std::string>> arguments;
};

struct Profile {
  Sourced<std::string> name;
  Sourced<std::string> description;
  Sourced<std::string> owner;
  Sourced<std::string> os;
  std::vector<std::pair<std::string, std::string>> labels;
  Sourced<std::string> uuid;  ///< Empty: derived from the name and this host.

  Sourced<Arch> arch;
  Sourced<Accelerator> accelerator;
  Sourced<std::string> machine;    ///< Empty: the architecture's default.
  Sourced<std::string> cpu_model;  ///< Empty: `host` with KVM, else the best for TCG.
  std::vector<Sourced<std::string>> cpu_baseline;  ///< Files of hosts, for the model "baseline".
  Sourced<Amount> cpus;
  Topology topology;
  Sourced<Amount> memory_mib;
  Numa numa;
  HugePages huge_pages;
  std::vector<Sourced<std::uint64_t>> cpu_pinning;
  Pinning pinning;
  CpuFeatures cpu_features;
  std::vector<Feature> memory_options;
  Confidential confidential;

  Firmware firmware;
  Sourced<std::string> kernel;
  Sourced<std::string> initrd;
  Sourced<std::string> cmdline;

  Disk disk;
  Sourced<std::string> iso;
  CloudInit cloud_init;
  Network network;
  Vsock vsock;
  Sourced<ConsoleKind> console;
  Display display;
  Sourced<std::uint64_t> video_heads;
  Sourced<std::string> audio_model;  ///< Empty: no sound device.
  LookingGlass looking_glass;
  Sourced<bool> tpm;
  Sourced<bool> memory_balloon;
  std::vector<HostDevice> host_devices;

  Limits limits;
  Autostart autostart;
  Shutdown shutdown;
  Ready ready;
  Sourced<bool> watch;
  Sourced<Confinement> confinement;

  Sourced<std::string> qemu_binary;  ///< Empty: qemu-system-<arch> from PATH.
  std::vector<ExtraArguments> extra_arguments;
};

/// A profile's text, and the file it came from.
struct Source {
  std::string name;  ///< As the user gave it; "-" for standard input.
  std::string text;
};

/// Every problem in the text, sorted by position, or the profile. Each error
/// carries its JSON pointer, line and column. Comments and trailing commas are
/// accepted; keys that begin with "_" are comments too.
[[nodiscard]] std::expected<Profile, Errors> parse_profile(const Source& source);

/// The word that a profile uses for the value: "x86_64", "qcow2", "none".
[[nodiscard]] std::string_view to_string(Arch arch);
[[nodiscard]] std::string_view to_string(DiskFormat format);
[[nodiscard]] std::string_view to_string(DiskIo io);
[[nodiscard]] std::string_view to_string(Protocol protocol);
[[nodiscard]] std::string_view to_string(Confinement confinement);

/// What QEMU's machine of an architecture cannot give: which node is wrong, and why.
struct NumaLimit {
  std::size_t node = 0;
  std::string message;
};
[[nodiscard]] std::optional<NumaLimit> numa_limit(Arch arch, const std::vector<CpuSet>& nodes);

/// Whether `name` is a VM's name: [A-Za-z0-9][A-Za-z0-9._-]{0,63}.
[[nodiscard]] bool is_vm_name(std::string_view name);

}  // namespace hv::profiles
