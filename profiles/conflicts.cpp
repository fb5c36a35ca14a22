// SPDX-License-Identifier: MIT
#include "profiles/decode.h"
#include "profiles/source.h"

#include <algorithm>
#include <set>
#include <tuple>

namespace hv::profiles {

void note_conflict(Reading& reading, std::initializer_list<std::string_view> between,
                   std::string message, std::string hint) {
  const auto is_wrong = [&](std::string_view pointer) {
    return std::ranges::any_of(reading.problems, [&](const Error& problem) {
      return problem.id != "conflict" && problem.origin.pointer == pointer && !pointer.empty();
    });
  };
  if (std::ranges::any_of(between, is_wrong)) return;
  reading.note("conflict", std::string(*between.begin()), std::move(message), std::move(hint));
}

namespace {

void check_topology(const Profile& profile, Reading& reading) {
  const auto& [sockets, dies, cores, threads] = profile.topology;
  const auto& cpus = profile.cpus;
  if (dies.value > 1 && profile.arch.value != Arch::x86_64)
    note_conflict(reading, {dies.pointer, profile.arch.pointer},
                  fmt::format("there are no dies in sockets of {}", to_string(profile.arch.value)),
                  "leave 'dies' out: its cores can be in 'cores'");
  if (cpus.value.automatic) return;
  std::uint64_t product = 1;
  std::string where;
  for (const auto* const part : {&sockets, &dies, &cores, &threads}) {
    product *= std::max<std::uint64_t>(part->value, 1);  // At most 2^28.
    if (where.empty()) where = part->pointer;
  }
  if (where.empty() || product == cpus.value.value) return;
  where.erase(where.rfind('/'));
  note_conflict(
      reading, {where, cpus.pointer, sockets.pointer, dies.pointer, cores.pointer, threads.pointer},
      fmt::format("the topology has {} CPUs, 'cpus' says {}", product, cpus.value.value),
      "sockets x dies x cores x threads must be 'cpus'; what is left out is 1");
}

void check_kernel(const Profile& profile, Reading& reading) {
  if (!profile.kernel.value.empty()) return;
  const auto& kernel = profile.kernel.pointer;
  for (const auto& [name, field] :
       {std::pair("initrd", &profile.initrd), std::pair("cmdline", &profile.cmdline)})
    if (!field->value.empty())
      note_conflict(reading, {field->pointer, kernel}, fmt::format("'{}' needs 'kernel'", name),
                    "it is only used with a kernel that is started directly");
  const auto& kind = profile.firmware.kind;
  if (kind.value == FirmwareKind::none)
    note_conflict(reading, {kind.pointer, kernel},
                  "without firmware there must be a 'kernel' to start");
}

void check_firmware(const Profile& profile, Reading& reading) {
  const auto& [kind, secure_boot, code, vars] = profile.firmware;
  if (kind.value == FirmwareKind::bios && profile.arch.value != Arch::x86_64)
    note_conflict(reading, {kind.pointer, profile.arch.pointer},
                  fmt::format("there is no bios for {}", to_string(profile.arch.value)),
                  "use \"uefi\", or leave 'firmware' out");
  const bool may_be_uefi =
      kind.value == FirmwareKind::uefi || kind.value == FirmwareKind::automatic;
  if (secure_boot.value && !may_be_uefi)
    note_conflict(reading, {secure_boot.pointer, kind.pointer},
                  "'secure_boot' needs 'type' 'uefi'");
  if (kind.value == FirmwareKind::none && !code.value.empty())
    note_conflict(reading, {code.pointer, kind.pointer},
                  "'code' is firmware, and 'type' is 'none'");
  if (!vars.value.empty() && !may_be_uefi)
    note_conflict(reading, {vars.pointer, kind.pointer}, "'vars' needs 'type' 'uefi'");
  else if (!vars.value.empty() && code.value.empty())
    note_conflict(reading, {vars.pointer, code.pointer},
                  "'vars' needs the 'code' that it belongs to");
}

void check_limits(const Profile& profile, Reading& reading) {
  const auto& high = profile.limits.memory_high_mib;
  const auto& max = profile.limits.memory_max_mib;
  if (high.value != 0 && max.value != 0 && high.value >= max.value)
    note_conflict(
        reading, {high.pointer, max.pointer},
        fmt::format("'memory_high_mb' is {}, and 'memory_max_mb' {}: it would be killed before "
                    "it is slowed down",
                    high.value, max.value),
        "make 'memory_high_mb' the smaller one");
}

void check_disk(const Profile& profile, Reading& reading) {
  const auto& [size, base, format, cache, io] = profile.disk;
  if (!base.value.empty() && size.given() && size.value == 0)
    note_conflict(reading, {base.pointer, size.pointer},
                  "a disk image, and 'disk_gb' is 0: no disk", "leave one of the two out");
  if (!base.value.empty() && format.value == DiskFormat::raw)
    note_conflict(reading, {format.pointer, base.pointer},
                  "a disk on top of 'disk_image_path' cannot be 'raw'", "use \"qcow2\"");
  const bool direct = cache.value == DiskCache::none || cache.value == DiskCache::directsync;
  if (io.value == DiskIo::native && !direct)
    note_conflict(reading, {io.pointer, cache.pointer},
                  fmt::format("'native' needs 'cache' 'none' or 'directsync', not '{}'",
                              word_of(disk_cache_words, cache.value)));
}

void check_cloud_init(const Profile& profile, Reading& reading) {
  const auto& [seed, user_data, meta_data, network_config] = profile.cloud_init;
  if (seed.value.empty() && user_data.value.empty())
    for (const auto& [name, file] : {std::pair("meta_data_path", &meta_data),
                                     std::pair("network_config_path", &network_config)})
      if (!file->value.empty())
        note_conflict(reading, {file->pointer, user_data.pointer, seed.pointer},
                      fmt::format("'{}' needs 'user_data_path'", name),
                      "a file with the line \"#cloud-config\" will do");
  if (seed.value.empty()) return;
  for (const auto* const file : {&user_data, &meta_data, &network_config})
    if (!file->value.empty())
      note_conflict(reading, {file->pointer, seed.pointer},
                    "'seed_iso_path' is a whole seed: nothing can be added to it",
                    "leave one of the two out");
}

/// The same port twice, be it at all addresses and at one of them.
bool collide(const Forward& one, const Forward& other) {
  const auto any = [](const Forward& forward) { return forward.address.value == "0.0.0.0"; };
  return one.host.value == other.host.value && one.protocol.value == other.protocol.value &&
         (any(one) || any(other) || one.address.value == other.address.value);
}

void check_forward(const Network& network, Reading& reading) {
  const auto& forwards = network.forward;
  if (!forwards.empty() && network.mode.value != NetworkMode::user)
    note_conflict(reading, {forwards.front().pointer, network.mode.pointer, network.bridge.pointer},
                  fmt::format("mode '{}' has no use for 'forward'",
                              word_of(network_mode_words, network.mode.value)),
                  "on a bridge the guest has an address of its own; else use \"mode\": \"user\"");
  for (std::size_t i = 0; i < forwards.size(); ++i)
    for (std::size_t j = 0; j < i; ++j)
      if (collide(forwards[i], forwards[j]))
        note_conflict(
            reading, {forwards[i].host.pointer, forwards[j].host.pointer},
            fmt::format("port {} of the host is forwarded twice", forwards[i].host.value));
}

void check_vsock(const Profile& profile, Reading& reading) {
  const auto& [enable, cid] = profile.vsock;
  if (!enable.value && cid.given())
    note_conflict(reading, {cid.pointer, enable.pointer}, "'cid' is given, and 'enable' is false",
                  "leave one of the two out");
}

void check_network(const Profile& profile, Reading& reading) {
  const auto& [mode, bridge, vhost, zone, forward] = profile.network;
  check_forward(profile.network, reading);
  if (mode.value == NetworkMode::bridge) {
    if (bridge.value.empty() && zone.value.empty())
      note_conflict(reading, {mode.pointer, bridge.pointer, zone.pointer},
                    "mode 'bridge' needs 'bridge' or 'zone'",
                    "name the bridge, like \"bridge\": \"br0\"");
    return;
  }
  const auto word = word_of(network_mode_words, mode.value);
  for (const auto& [name, field] : {std::pair("bridge", &bridge), std::pair("zone", &zone)})
    if (!field->value.empty())
      note_conflict(reading, {field->pointer, mode.pointer},
                    fmt::format("mode '{}' has no use for '{}'", word, name),
                    "use \"mode\": \"bridge\", or leave one of the two out");
  if (vhost.value)
    note_conflict(reading, {vhost.pointer, mode.pointer, bridge.pointer, zone.pointer},
                  fmt::format("mode '{}' cannot have 'vhost'", word), "it needs mode 'bridge'");
}

void check_display(const Profile& profile, Reading& reading) {
  const auto& [kind, headless, heads] = profile.display;
  if (headless.value && kind.value != DisplayKind::none)
    note_conflict(reading, {headless.pointer, kind.pointer},
                  fmt::format("'headless' is no display, and 'type' is '{}'",
                              word_of(display_words, kind.value)),
                  "leave one of the two out");
  const auto& video = profile.video_heads;
  if (heads.given() && video.given() && heads.value != video.value)
    note_conflict(reading, {heads.pointer, video.pointer},
                  fmt::format("{} heads here, and {} at /video/heads", heads.value, video.value));
}

void check_looking_glass(const Profile& profile, Reading& reading) {
  const auto& size = profile.looking_glass.size_mib;
  if ((size.value & (size.value - 1)) == 0) return;
  reading.note("out-of-range", size.pointer, fmt::format("{} is not a power of two", size.value),
               "QEMU can only share memory of such a size: 32, 64, 128, …");
}

void check_host_devices(const Profile& profile, Reading& reading) {
  std::set<vfio::PciAddress> seen;
  const HostDevice* primary = nullptr;
  for (const auto& device : profile.host_devices) {
    const bool is_told = device.address.given() || device.id.given() ||
                         !device.class_code.value.empty() || !device.slot.value.empty() ||
                         !device.serial.value.empty() || !device.path.value.empty();
    const bool is_wrong = std::ranges::any_of(reading.problems, [&](const Error& problem) {
      return problem.origin.pointer.starts_with(device.pointer + "/");
    });
    if (!is_told && !is_wrong)
      note_conflict(reading, {device.pointer}, "nothing says which device is meant",
                    "give its 'address', or another of 'id', 'class', 'slot', 'serial', 'path'");
    // Several virtual functions or slices of one device are several devices.
    const bool whole = !device.virtual_function.given() && device.mdev.value.empty();
    if (whole && device.address.given() && !seen.insert(*device.address.value).second)
      reading.note("conflict", device.address.pointer,
                   fmt::format("'{}' is in the list already", to_string(*device.address.value)));
    if (!whole && device.all_functions.value)
      note_conflict(
          reading, {device.all_functions.pointer},
          "'all_functions' is for whole devices, not for a virtual function or slice of one");
    if (!whole && device.hand_over.enable.value)
      note_conflict(reading, {device.hand_over.enable.pointer},
                    "'hand_over' is for whole devices, not for a virtual function or slice of one");
    if (device.virtual_function.given() && !device.mdev.value.empty())
      note_conflict(reading, {device.mdev.pointer, device.virtual_function.pointer},
                    "'mdev' and 'vf' exclude each other");
    if (device.primary_gpu.value && primary != nullptr)
      note_conflict(reading, {device.primary_gpu.pointer, primary->primary_gpu.pointer},
                    "only one device can be the 'primary_gpu'");
    if (device.primary_gpu.value) primary = &device;
  }
}

void check_pinning(const Profile& profile, Reading& reading) {
  const auto& pinning = profile.pinning;
  if (!pinning.second_way.empty())
    note_conflict(reading, {pinning.second_way, pinning.vcpus.pointer},
                  "'place', 'near', 'vcpus' and 'cpus' exclude each other", "keep one of them");
  if (!profile.cpu_pinning.empty() && pinning.vcpus.given())
    note_conflict(reading, {"/cpu_pinning", pinning.vcpus.pointer},
                  "'cpu_pinning' and 'pinning' both say where vCPUs run",
                  "leave one of the two out");
  if (const auto& scheduler = pinning.scheduler;
      scheduler.priority.given() && !scheduler.real_time())
    note_conflict(reading, {scheduler.priority.pointer},
                  "only the policies 'fifo' and 'rr' have a priority", "add \"policy\": \"fifo\"");
  if (!pinning.isolate.value) return;
  if (!pinning.exclusive.value.value_or(true))
    note_conflict(
        reading, {pinning.isolate.pointer, pinning.exclusive.pointer},
        "'isolate' keeps the host off the vCPUs' cores, and 'exclusive' lets other guests in",
        "leave 'exclusive' out: it follows from 'isolate'");
  if (!pinning.vcpus.given() && profile.cpu_pinning.empty())
    note_conflict(reading, {pinning.isolate.pointer}, "'isolate' needs to know where the vCPUs run",
                  "add 'place', 'near', 'vcpus' or 'cpus' beside it");
}

void check_ready(const Profile& profile, Reading& reading) {
  const auto& [kind, address, text, timeout] = profile.ready;
  const auto word = word_of(ready_words, kind.value);
  for (const auto& [name, field, belongs_to] :
       {std::tuple("address", &address, ReadyKind::tcp),
        std::tuple("text", &text, ReadyKind::serial_match)}) {
    if (kind.value == belongs_to && field->value.empty())
      note_conflict(reading, {kind.pointer, field->pointer},
                    fmt::format("'type' '{}' needs '{}'", word, name));
    if (kind.value != belongs_to && !field->value.empty())
      note_conflict(reading, {field->pointer, kind.pointer},
                    fmt::format("'type' '{}' has no use for '{}'", word, name));
  }
  if (kind.value != ReadyKind::serial_match) return;
  if (profile.console.value == ConsoleKind::none)
    note_conflict(reading, {kind.pointer, profile.console.pointer},
                  "'serial-match' reads the console, and there is none");
  if (!profile.watch.value)
    note_conflict(reading, {kind.pointer, profile.watch.pointer},
                  "'serial-match' needs 'watch', which keeps what the console prints");
}

/// Options of QEMU that would take the guest out of our hands.
constexpr std::pair<std::string_view, std::string_view> refused_options[] = {
    {"daemonize", "QEMU must stay the process that was started"},
    {"pidfile", "a running guest is known by its lock, not by a file"},
    {"chroot", "hvlaunch confines QEMU"},
    {"runas", "hvlaunch chooses QEMU's user"},
    {"run-with", "hvlaunch chooses QEMU's user and confines it"},
    {"sandbox", "hvlaunch confines QEMU"},
    {"qmp", "hvlaunch owns the monitors; use its qmp.sock, which takes any number of clients"},
    {"qmp-pretty", "hvlaunch owns the monitors; use its qmp.sock"},
    {"mon", "hvlaunch owns the monitors; use its qmp.sock"},
    {"monitor", "hvlaunch owns the monitors; use its qmp.sock"},
    {"readconfig", "what it would add is not in the plan"},
    {"writeconfig", "QEMU would write a file that nobody takes away"},
    {"incoming", "the guest would wait for a migration that never comes"},
    {"preconfig", "the guest would wait for a command that never comes"},
    {"no-shutdown", "`stop` waits for QEMU to end"},
};

void check_extra_arguments(const Profile& profile, Reading& reading) {
  for (const auto& [reason, arguments] : profile.extra_arguments)
    for (const auto& [argument, pointer] : arguments) {
      std::string_view option = argument;
      if (!option.starts_with('-')) continue;
      option.remove_prefix(option.starts_with("--") ? 2 : 1);
      for (const auto& [name, why] : refused_options)
        if (option == name)
          reading.note("refused-option", pointer,
                       fmt::format("'{}' cannot be passed to QEMU", quotable(argument)),
                       std::string(why));
    }
}

constexpr void (*checks[])(const Profile&, Reading&) = {
    check_topology, check_features,      check_kernel,          check_firmware,
    check_limits,   check_disk,          check_cloud_init,      check_network,
    check_display,  check_looking_glass, check_host_devices,    check_pinning,
    check_numa,     check_ready,         check_extra_arguments, check_vsock,
};

}  // namespace

void note_conflicts(const Profile& profile, Reading& reading) {
  for (const auto check : checks) check(profile, reading);
}

}  // namespace hv::profiles
