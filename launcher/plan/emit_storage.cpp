// SPDX-License-Identifier: MIT
#include "launcher/plan/emit.h"
#include "launcher/plan/pcie.h"
#include "launcher/plan/resolver.h"

namespace hv::plan {
namespace {

namespace json = boost::json;
using profiles::DiskCache;

bool is_direct(DiskCache cache) {
  return cache == DiskCache::none || cache == DiskCache::directsync;
}

/// QEMU's two cache properties of a node (block layer's BlockdevCacheOptions).
json::object cache_of(DiskCache cache) {
  return {{"direct", is_direct(cache)}, {"no-flush", cache == DiskCache::unsafe}};
}

/// Whether the guest sees a volatile write cache, which it then flushes itself.
bool has_write_cache(DiskCache cache) {
  return cache != DiskCache::writethrough && cache != DiskCache::directsync;
}

/// The node of the disk image; its base image, if any, is named node by node,
/// so that no header can send QEMU to a file that the profile does not name.
void add_image(const Machine& machine, const Cause& cause, CommandLine& line) {
  const auto& disk = machine.profile.disk;
  // From 10.0 on QEMU takes a descriptor only if it has the flag already.
  const auto handle = is_direct(disk.cache.value) ? Handle::direct_file : Handle::writable_file;
  json::object file = {{"driver", "file"},
                       {"filename", line.pass_file(handle, machine.disk, cause)},
                       {"cache", cache_of(disk.cache.value)},
                       {"aio", to_string(disk.io.value)},
                       {"discard", "unmap"}};
  json::object image = {{"driver", to_string(disk.format.value)},
                        {"node-name", "disk0"},
                        {"cache", cache_of(disk.cache.value)},
                        {"discard", "unmap"},
                        {"file", std::move(file)}};
  if (disk.format.value == profiles::DiskFormat::qcow2) {
    if (machine.disk_base.empty()) {
      image["backing"] = nullptr;
    } else {
      const Cause why{.pointer = disk.base_image.pointer, .why = "the base image"};
      const auto file_name = line.pass_file(Handle::file, machine.disk_base, why);
      json::object base = {
          {"driver", machine.disk_base_format},
          {"node-name", "disk0-base"},
          {"read-only", true},
          {"file", {{"driver", "file"}, {"filename", file_name}, {"read-only", true}}}};
      if (machine.disk_base_format == "qcow2") base["backing"] = nullptr;
      image["backing"] = std::move(base);
    }
  }
  line.add("-blockdev", image, cause);
}

void add_main_disk(const Machine& machine, CommandLine& line) {
  const auto& disk = machine.profile.disk;
  const auto cause = cause_of(disk.size_gib, "disk", "the guest's disk");
  add_image(machine, cause, line);
  const auto bus = add_root_port(slot::disks, 0, line);
  line.add("-device",
           json::object{{"driver", "virtio-blk-pci"},
                        {"id", "disk0-device"},
                        {"bus", bus},
                        {"drive", "disk0"},
                        {"bootindex", 1},
                        {"write-cache", has_write_cache(disk.cache.value) ? "on" : "off"}},
           cause);
}

/// A read-only image as a raw block node.
void add_read_only(std::string_view node, const std::string& path, const Cause& cause,
                   CommandLine& line) {
  const auto file = line.pass_file(Handle::file, path, cause);
  line.add("-blockdev",
           json::object{{"driver", "raw"},
                        {"node-name", node},
                        {"read-only", true},
                        {"file", {{"driver", "file"}, {"filename", file}, {"read-only", true}}}},
           cause);
}

void add_seed(const Machine& machine, CommandLine& line) {
  const auto& cloud_init = machine.profile.cloud_init;
  const auto cause =
      cause_of(machine.user_data.empty() ? cloud_init.seed_iso : cloud_init.user_data, "cloud-init",
               "cloud-init reads its settings from this disk");
  add_read_only("seed", machine.seed, cause, line);
  const auto bus = add_root_port(slot::disks, 1, line);
  line.add(
      "-device",
      json::object{
          {"driver", "virtio-blk-pci"}, {"id", "seed-device"}, {"bus", bus}, {"drive", "seed"}},
      cause);
}

void add_cdrom(const Machine& machine, const DeviceChoice& choice, CommandLine& line) {
  const Cause cause{.pointer = machine.profile.iso.pointer, .why = "the CD-ROM"};
  add_read_only("cdrom", machine.iso, cause, line);
  json::object device = {{"driver", choice.sata_built_in ? "ide-cd" : "scsi-cd"},
                         {"id", "cdrom-device"},
                         {"drive", "cdrom"},
                         {"bootindex", 2}};
  if (choice.sata_built_in) {
    device["bus"] = "ide.0";
  } else {
    line.add("-device", on_root_bus("virtio-scsi-pci", "scsi", slot::cdrom), cause);
    device["bus"] = "scsi.0";
  }
  line.add("-device", device, cause);
}

/// Behind NAT, with the ports of the host that lead in (qapi/net.json).
json::object user_network(const profiles::Network& network) {
  json::object user = {{"type", "user"}, {"id", "nic0"}};
  json::array ports;
  for (const auto& [pointer, host, guest, protocol, address] : network.forward)
    ports.push_back(json::object{{"str", fmt::format("{}:{}:{}-:{}", to_string(protocol.value),
                                                     address.value, host.value, guest.value)}});
  if (!ports.empty()) user["hostfwd"] = std::move(ports);
  return user;
}

}  // namespace

void emit_disks(const Machine& machine, const DeviceChoice& choice, CommandLine& line) {
  if (!machine.disk.empty()) add_main_disk(machine, line);
  // Function 0 of a slot must be there for the others to be seen.
  if (!machine.seed.empty() && machine.disk.empty()) (void)add_root_port(slot::disks, 0, line);
  if (!machine.seed.empty()) add_seed(machine, line);
  if (!machine.iso.empty()) add_cdrom(machine, choice, line);
}

void emit_network(const Machine& machine, CommandLine& line) {
  const auto& network = machine.profile.network;
  if (network.mode.value == profiles::NetworkMode::none) return;
  const auto cause = cause_of(network.mode, "network", "the guest's network card");
  if (machine.bridge.value.empty()) {
    line.add("-netdev", user_network(network), cause);
  } else {
    const auto& [bridge, why] = machine.bridge;
    json::object tap = {{"type", "tap"},
                        {"id", "nic0"},
                        {"fd", std::to_string(line.pass(Handle::tap, bridge, why))},
                        {"vhost", network.vhost.value}};
    if (network.vhost.value)
      tap["vhostfd"] = std::to_string(
          line.pass(Handle::vhost_net, "/dev/vhost-net",
                    {.pointer = network.vhost.pointer, .why = "the kernel moves the packets"}));
    line.add("-netdev", tap, why);
  }
  const auto bus = add_root_port(slot::networks, 0, line);
  line.add("-device",
           json::object{{"driver", "virtio-net-pci"},
                        {"id", "nic0-device"},
                        {"bus", bus},
                        {"netdev", "nic0"},
                        {"mac", machine.mac.value},
                        {"romfile", ""}},
           cause);
}

}  // namespace hv::plan
