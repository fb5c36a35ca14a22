// SPDX-License-Identifier: MIT
#include "launcher/plan/machine.h"
#include "launcher/plan/resolver.h"

#include <algorithm>

namespace hv::plan {
namespace {

void resolve_accelerator(Resolver& in, Machine& machine) {
  const auto& wish = in.profile().accelerator;
  const auto& kvm = in.host().kvm;
  const bool native = in.host().architecture == in.qemu().target;
  if (wish.value == profiles::Accelerator::tcg) {
    machine.accelerator = {"tcg", {.pointer = wish.pointer, .why = "the profile asks for TCG"}};
    return;
  }
  if (native && kvm.usable && in.qemu().kvm) {
    machine.accelerator = {
        "kvm", cause_of(wish, "accelerator-choice", "KVM can run this guest on this host")};
    return;
  }
  const auto reason = !native       ? fmt::format("KVM on {} cannot run {} guests",
                                                  in.host().architecture, in.qemu().target)
                      : !kvm.usable ? kvm.reason
                                    : in.qemu().binary + " was built without KVM";
  if (wish.value == profiles::Accelerator::kvm) {
    in.note({.fault = Fault::missing,
             .id = "no-kvm",
             .message = "KVM is not to be had: " + reason,
             .origin = {.pointer = wish.pointer},
             .hint = kvm.cure});
  } else if (native) {
    in.warn("no-kvm", fmt::format("running without KVM, slowly and without isolation: {}{}{}",
                                  reason, kvm.cure.empty() ? "" : "; ", kvm.cure));
  }
  machine.accelerator = {"tcg", {.rule = "accelerator-choice", .why = reason}};
}

void resolve_memory(Resolver& in, Machine& machine) {
  const auto& wish = in.profile().memory_mib;
  machine.memory_mib = {wish.value.value, {.pointer = wish.pointer, .why = "the guest's RAM"}};
  if (wish.value.automatic) {
    const auto chosen = std::min(machine.cpus.value.count * 2048, in.host().memory_mib / 2);
    machine.memory_mib.value = std::max(chosen, wish.value.value);
    machine.memory_mib.cause.why = "2 GiB a vCPU, at most half of this host's memory";
    // What is ours to choose is whole huge pages.
    if (const auto page_mib = in.huge_page_kib() / 1024; page_mib > 1)
      machine.memory_mib.value -= machine.memory_mib.value % page_mib;
  }
}

void resolve_network(Resolver& in, Machine& machine) {
  const auto& network = in.profile().network;
  machine.mac = {mac_of(in.seed_for("nic0")),
                 {.rule = "stable-mac", .why = "derived from this host's id and the VM's name"}};
  if (network.mode.value != profiles::NetworkMode::bridge) return;

  if (!network.zone.value.empty()) {
    const auto zone = std::ranges::find(in.config().zones, network.zone.value, &Config::Zone::name);
    if (zone == in.config().zones.end())
      return in.note(
          {.fault = Fault::profile,
           .id = "unknown-zone",
           .message = fmt::format("no network zone '{}' in config.json", network.zone.value),
           .origin = {.pointer = network.zone.pointer},
           .hint = "add it under network_zones, or name a bridge"});
    machine.bridge = {zone->bridge,
                      {.pointer = network.zone.pointer, .why = "the zone's bridge in config.json"}};
  } else if (network.bridge.value == "AUTO_DETECT") {
    machine.bridge = {in.config().default_bridge,
                      {.pointer = network.bridge.pointer, .why = "the default bridge"}};
  } else {
    machine.bridge = {network.bridge.value, {.pointer = network.bridge.pointer, .why = "as asked"}};
  }

  if (std::ranges::find(in.host().bridges, machine.bridge.value) == in.host().bridges.end())
    in.note({.fault = Fault::missing,
             .id = "no-bridge",
             .message = fmt::format("this host has no bridge '{}'", machine.bridge.value),
             .origin = {.pointer = machine.bridge.cause.pointer},
             .hint = fmt::format("make it: `ip link add {} type bridge && ip link set {} up`",
                                 machine.bridge.value, machine.bridge.value)});
  if (network.vhost.value && !in.host().vhost_net)
    in.note({.fault = Fault::missing,
             .id = "no-vhost-net",
             .message = "there is no /dev/vhost-net",
             .origin = {.pointer = network.vhost.pointer},
             .hint = "`modprobe vhost_net`, or leave vhost out"});
}

void resolve_display(Resolver& in, Machine& machine) {
  const auto& display = in.profile().display;
  using profiles::DisplayKind;
  const bool has_spice = in.qemu().has_type("chardev-spicevmc");
  machine.display = {display.kind.value, cause_of(display.kind, "default-display",
                                                  "a screen, on a socket that only you can open")};
  if (display.headless.value)
    machine.display = {DisplayKind::none,
                       {.pointer = display.headless.pointer, .why = "no screen"}};
  if (machine.display.value != DisplayKind::spice || has_spice) return;
  if (!display.kind.given()) {
    machine.display.value = DisplayKind::vnc;
    return;
  }
  in.note({.fault = Fault::missing,
           .id = "no-spice",
           .message = in.qemu().binary + " was built without SPICE",
           .origin = {.pointer = display.kind.pointer},
           .hint = "install QEMU's SPICE module (Debian: qemu-system-modules-spice), or use vnc"});
}

/// QOM types that the wishes need, beyond those that every QEMU has.
void check_types(Resolver& in, const Machine& machine) {
  const auto need = [&](std::string_view type, const std::string& pointer) {
    if (in.qemu().has_type(type)) return;
    in.note({.fault = Fault::missing,
             .id = "no-device",
             .message = fmt::format("{} has no '{}'", in.qemu().binary, type),
             .origin = {.pointer = pointer},
             .hint = "a newer QEMU, or one with more devices built in, may have it"});
  };
  const auto& profile = in.profile();
  if (profile.tpm.value)
    need(profile.arch.value == profiles::Arch::x86_64 ? "tpm-crb" : "tpm-tis-device",
         profile.tpm.pointer);
  if (profile.vsock.enable.value) need("vhost-vsock-pci", profile.vsock.enable.pointer);
  if (profile.audio_model.value == "virtio") need("virtio-sound-pci", profile.audio_model.pointer);
  if (profile.audio_model.value == "ich9") need("ich9-intel-hda", profile.audio_model.pointer);
  if (profile.audio_model.value == "ac97") need("AC97", profile.audio_model.pointer);
  if (profile.looking_glass.enable.value)
    need("ivshmem-plain", profile.looking_glass.enable.pointer);
  if (machine.display.value != profiles::DisplayKind::none)
    need(profile.arch.value == profiles::Arch::x86_64 ? "virtio-vga" : "virtio-gpu-pci",
         machine.display.cause.pointer);
}

/// Where the guest's files are. Relative ones are below the state directory.
void resolve_files(Resolver& in, Machine& machine) {
  const auto& profile = in.profile();
  const auto& paths = in.paths();
  const auto& name = profile.name.value;
  machine.kernel = below(paths.state, profile.kernel.value);
  machine.initrd = below(paths.state, profile.initrd.value);
  machine.iso = below(paths.isos(), profile.iso.value);
  machine.disk_base = below(paths.state, profile.disk.base_image.value);
  machine.disk_base_format = in.base_format();
  if (profile.disk.size_gib.value != 0)
    machine.disk =
        fmt::format("{}/{}.{}", paths.disks(), name, to_string(profile.disk.format.value));
  const auto& [seed_iso, user_data, meta_data, network_config] = profile.cloud_init;
  machine.seed = below(paths.state, seed_iso.value);
  if (!machine.seed.empty() || user_data.value.empty()) return;
  machine.seed = fmt::format("{}/seeds/{}.iso", paths.state, name);
  machine.user_data = below(paths.state, user_data.value);
  machine.meta_data = below(paths.state, meta_data.value);
  machine.network_config = below(paths.state, network_config.value);
}

}  // namespace

std::expected<Machine, Errors> resolve_launch(const Inputs& inputs) {
  Resolver in(inputs);
  Machine machine;
  machine.profile = inputs.profile;
  machine.qemu = &inputs.qemu;
  machine.paths = inputs.paths;
  machine.accelerator = {"kvm", {.rule = "accelerator-choice", .why = "nothing else encrypts"}};
  resolve_machine_type(in, machine);
  resolve_confidential(in, machine, Where::anywhere);
  resolve_cpus(in, machine);
  resolve_files(in, machine);
  resolve_firmware(in, machine);
  return in.finish(std::move(machine));
}

std::expected<Machine, Errors> resolve(const Inputs& inputs) {
  Resolver in(inputs);
  Machine machine;
  machine.profile = inputs.profile;
  machine.qemu = &inputs.qemu;
  machine.paths = inputs.paths;
  machine.uuid = !in.profile().uuid.value.empty()
                     ? Choice<std::string>{in.profile().uuid.value,
                                           {.pointer = "/uuid", .why = "the profile's UUID"}}
                     : Choice<std::string>{in.seed_for("uuid"),
                                           {.rule = "stable-uuid",
                                            .why = "derived from this host's id and the name"}};
  resolve_accelerator(in, machine);
  resolve_machine_type(in, machine);
  resolve_confidential(in, machine, Where::here);
  resolve_cpus(in, machine);
  resolve_memory(in, machine);
  resolve_guest_nodes(in, machine);
  resolve_pins(in, machine);
  resolve_node_memory(in, machine);
  // Pins may have made threads of what were cores.
  machine.amd_threads = machine.cpu_model.value == "host" && machine.cpus.value.threads > 1 &&
                        in.host().cpu_vendor == "AuthenticAMD";
  resolve_memory_nodes(in, machine);
  resolve_huge_pages(in, machine);
  resolve_devices(in, machine);
  resolve_files(in, machine);
  resolve_firmware(in, machine);
  resolve_features(in, machine);
  resolve_network(in, machine);
  resolve_vsock(in, machine);
  resolve_display(in, machine);
  resolve_limits(in, machine);
  check_types(in, machine);
  return in.finish(std::move(machine));
}

}  // namespace hv::plan
