// SPDX-License-Identifier: MIT
#include "launcher/plan/plan.h"

#include "launcher/base/overloaded.h"
#include "launcher/base/text.h"
#include "launcher/plan/emit.h"
#include "launcher/plan/resolver.h"
#include "profiles/words.h"

#include <algorithm>

namespace hv::plan {
namespace {

Emit emit_for(profiles::Arch arch) {
  switch (arch) {
    case profiles::Arch::x86_64: return emit_x86_64;
    case profiles::Arch::aarch64: return emit_aarch64;
    case profiles::Arch::riscv64: return emit_riscv64;
    case profiles::Arch::loongarch64: return emit_loongarch64;
  }
  std::unreachable();
}

/// What is taken of the host alone, last: it is given back first.
void add_host_steps(const Machine& machine, std::vector<Step>& steps) {
  const auto bind = [&](const vfio::PciAddress& address, const std::string& driver,
                        const std::string& former, const Cause& cause) {
    steps.push_back(
        {BindFunction{.address = address, .driver = driver, .former_driver = former}, cause});
  };
  for (const auto& step : machine.hand_over) steps.push_back(step);
  for (const auto& sibling : machine.siblings)
    bind(sibling.address, "", sibling.former_driver, sibling.cause);
  for (const auto& step : machine.virtual_functions) steps.push_back(step);
  for (const auto& function : machine.passed)
    bind(function.address, function.driver, function.former_driver, function.cause);
  for (const auto& [mdev, port, cause] : machine.mdevs) steps.push_back({mdev, cause});
  for (const auto& pages : machine.huge_pages)
    steps.push_back(
        {pages, {.pointer = machine.profile.huge_pages.enable.pointer, .why = "the guest's RAM"}});
  if (machine.pins && !machine.pins->isolated.value.empty())
    steps.push_back(
        {IsolateCpus{.cpus = machine.pins->isolated.value}, machine.pins->isolated.cause});
}

/// Those whose devices the guest's limits are about.
std::vector<std::string> throttled_disks(const Machine& machine) {
  std::vector<std::string> paths;
  for (const auto& path : {machine.disk, machine.disk_base, machine.iso})
    if (!path.empty()) paths.push_back(path);
  return paths;
}

/// What has to be there before QEMU starts, in order.
std::vector<Step> steps_for(const Machine& machine) {
  const auto& profile = machine.profile;
  const auto& disk = profile.disk;
  std::vector<Step> steps;
  if (!machine.disk.empty())
    steps.push_back({MakeDisk{.path = machine.disk,
                              .format = disk.format.value,
                              .size_gib = disk.size_gib.value,
                              .base = machine.disk_base,
                              .base_format = machine.disk_base_format},
                     cause_of(disk.size_gib, "disk", "the guest's disk, made at its first start")});
  if (machine.flash && !machine.flash->value.vars.empty())
    steps.push_back(
        {CopyFile{.from = machine.flash->value.vars_template, .to = machine.flash->value.vars},
         machine.flash->cause});
  if (!machine.user_data.empty())
    steps.push_back(
        {MakeSeed{.path = machine.seed,
                  .user_data = machine.user_data,
                  .meta_data = machine.meta_data,
                  .network_config = machine.network_config,
                  .instance = profile.name.value},
         {.pointer = profile.cloud_init.user_data.pointer, .why = "from the cloud-init files"}});
  if (profile.tpm.value)
    steps.push_back(
        {StartTpm{
             .state_directory = fmt::format("{}/tpm/{}", machine.paths.state, profile.name.value),
             .socket = machine.run_file("tpm.sock")},
         {.pointer = profile.tpm.pointer, .why = "the TPM emulator; it ends with QEMU"}});
  if (profile.looking_glass.enable.value)
    steps.push_back({MakeSharedMemory{.path = machine.looking_glass_file(),
                                      .size_mib = profile.looking_glass.size_mib.value,
                                      .owner = cage_of(machine).user},
                     {.pointer = profile.looking_glass.enable.pointer,
                      .why = "Looking Glass reads the guest's screen there"}});
  if (machine.display.value != profiles::DisplayKind::none)
    steps.push_back({MakeDirectory{.path = machine.paths.display_of(profile.name.value),
                                   .owner = cage_of(machine).user},
                     machine.display.cause});
  add_host_steps(machine, steps);
  if (!machine.limits.empty())
    steps.push_back({LimitGuest{.limits = machine.limits, .disks = throttled_disks(machine)},
                     {.pointer = "/limits", .why = "what the guest may use of the host"}});
  return steps;
}

ThreadPins pins_of(const Machine& machine) {
  if (!machine.pins) return {};
  ThreadPins pins{.emulator = machine.pins->emulator.value,
                  .iothreads = machine.pins->iothreads.value,
                  .helpers = machine.pins->helpers.value};
  const auto& scheduler = machine.profile.pinning.scheduler;
  pins.policy = scheduler.policy.value;
  if (scheduler.real_time()) pins.priority = std::max<std::uint64_t>(scheduler.priority.value, 1);
  for (const auto& [cpus, cause] : machine.pins->vcpus) pins.vcpus.push_back(cpus);
  return pins;
}

Claims claims_of(const Machine& machine) {
  Claims claims{.guest = machine.profile.name.value};
  for (const auto& function : machine.passed) claims.functions.push_back(function.address);
  for (const auto& sibling : machine.siblings) claims.functions.push_back(sibling.address);
  for (const auto& [action, cause] : machine.virtual_functions)
    if (const auto* const set = std::get_if<SetVirtualFunction>(&action);
        set && !set->network.mac.empty())
      claims.macs.push_back(set->network.mac);
  if (machine.pins) claims.cpus = machine.pins->claim.value;
  if (!machine.bridge.value.empty()) claims.macs.push_back(machine.mac.value);
  if (machine.cid) claims.cids.push_back(machine.cid->value);
  for (const auto& [pointer, host, guest, protocol, address] : machine.profile.network.forward)
    claims.ports.push_back({std::string(to_string(protocol.value)), address.value, host.value});
  return claims;
}

std::vector<NeededFile> files_of(const Machine& machine) {
  const auto& profile = machine.profile;
  std::vector<NeededFile> files;
  const auto need = [&](const std::string& path, const Cause& cause) {
    if (!path.empty()) files.push_back({path, cause});
  };
  need(machine.kernel, {.pointer = profile.kernel.pointer, .why = "the kernel"});
  need(machine.initrd, {.pointer = profile.initrd.pointer, .why = "the initial RAM disk"});
  need(machine.iso, {.pointer = profile.iso.pointer, .why = "the CD-ROM image"});
  need(machine.disk_base, {.pointer = profile.disk.base_image.pointer, .why = "the base image"});
  if (machine.flash) {
    need(machine.flash->value.code, machine.flash->cause);
    need(machine.flash->value.vars_template, machine.flash->cause);
  }
  if (machine.bios) need(machine.bios->value, machine.bios->cause);
  if (machine.confidential) {
    const auto& details = profile.confidential;
    need(machine.confidential->value.owner_certificate,
         {.pointer = details.owner_certificate.pointer, .why = "the owner's certificate"});
    need(machine.confidential->value.session,
         {.pointer = details.session.pointer, .why = "the owner's launch session"});
  }
  for (const auto& function : machine.passed)
    need(function.rom, {.pointer = function.cause.pointer, .why = "the device's option ROM"});
  const auto& [seed_iso, user_data, meta_data, network_config] = profile.cloud_init;
  if (machine.user_data.empty())
    need(machine.seed, {.pointer = seed_iso.pointer, .why = "the seed"});
  need(machine.user_data, {.pointer = user_data.pointer, .why = "cloud-init reads it"});
  need(machine.meta_data, {.pointer = meta_data.pointer, .why = "cloud-init reads it"});
  need(machine.network_config, {.pointer = network_config.pointer, .why = "cloud-init reads it"});
  return files;
}

std::vector<DiskSummary> disks_of(const Machine& machine) {
  std::vector<DiskSummary> disks;
  if (!machine.disk.empty()) disks.push_back({.node = "disk0", .path = machine.disk});
  if (!machine.seed.empty())
    disks.push_back({.node = "seed", .path = machine.seed, .writable = false});
  if (!machine.iso.empty())
    disks.push_back({.node = "cdrom", .path = machine.iso, .writable = false});
  return disks;
}

std::vector<NicSummary> nics_of(const Machine& machine) {
  if (machine.profile.network.mode.value == profiles::NetworkMode::none) return {};
  const auto& bridge = machine.bridge.value;
  return {{.kind = bridge.empty() ? "user" : "bridge " + bridge, .mac = machine.mac.value}};
}

std::string display_of(const Machine& machine) {
  switch (machine.display.value) {
    case profiles::DisplayKind::none: return "";
    case profiles::DisplayKind::spice:
      return "spice+unix://" + machine.run_file("display/spice.sock");
    case profiles::DisplayKind::vnc: return "vnc+unix://" + machine.run_file("display/vnc.sock");
  }
  std::unreachable();
}

}  // namespace

/// As Linux's drivers name the first port of each board.
static std::string tty_of(const profiles::Profile& profile) {
  if (profile.console.value == profiles::ConsoleKind::virtio) return "hvc0";
  return profile.arch.value == profiles::Arch::aarch64 ? "ttyAMA0" : "ttyS0";
}

/// Paused, a guest leaves its devices running: they would lose their state unseen.
static profiles::HostSleep host_sleep_of(const Machine& machine) {
  using profiles::HostSleep;
  const auto asked = machine.profile.host_sleep.value;
  if (asked != HostSleep::automatic) return asked;
  return machine.passed.empty() ? HostSleep::pause : HostSleep::inhibit;
}

Plan make_plan(const Machine& machine) {
  CommandLine line;
  emit_for(machine.profile.arch.value)(machine, line);
  const auto& profile = machine.profile;
  return {.vm = profile.name.value,
          .architecture = std::string(to_string(profile.arch.value)),
          .binary = machine.qemu->binary,
          .qemu_version = machine.qemu->version,
          .accelerator = machine.accelerator.value,
          .uuid = machine.uuid.value,
          .vcpus = machine.cpus.value.count,
          .memory_mib = machine.memory_mib.value,
          .arguments = std::move(line.arguments()),
          .descriptors = std::move(line.descriptors()),
          .files = files_of(machine),
          .steps = steps_for(machine),
          .pins = pins_of(machine),
          .claims = claims_of(machine),
          .locked_memory_mib = machine.locked_memory_mib.value,
          .cage = cage_of(machine),
          .disks = disks_of(machine),
          .nics = nics_of(machine),
          .display = display_of(machine),
          .console = profile.console.value != profiles::ConsoleKind::none,
          .tty = tty_of(profile),
          .watch = profile.watch.value,
          .shutdown = profile.shutdown,
          .ready = profile.ready,
          .host_sleep = host_sleep_of(machine),
          .notify_port = machine.notify_port,
          .record = {.machine = machine.type.value},
          .features = machine.features.states,
          .warnings = machine.warnings};
}

std::string scheduler_text(profiles::Policy policy, std::uint64_t priority) {
  std::string text(profiles::word_of(profiles::policy_words, policy));
  if (priority != 0) text += fmt::format(" {}", priority);
  return text;
}

std::vector<std::string> argv_of(const Plan& plan) {
  std::vector<std::string> argv = {plan.binary};
  for (const auto& [option, value, cause] : plan.arguments) {
    argv.push_back(option);
    if (!value.empty()) argv.push_back(value);
  }
  return argv;
}

static std::string describe_making(const MakeVirtualFunctions& make) {
  std::vector<std::string> own;
  for (const auto& function : make.functions) own.push_back(to_string(function));
  const auto functions = fmt::format("{} virtual function{} of {}", make.count,
                                     make.count == 1 ? "" : "s", to_string(make.physical));
  return fmt::format("{} {}, for this guest {}",
                     make.there ? "share, as hvlaunch made them for another start, the" : "make",
                     functions, join(own, ", "));
}

std::string describe(const Action& action) {
  return std::visit(
      Overloaded{
          [](const MakeDisk& disk) {
            auto text = fmt::format("make disk {} ({}, {} GiB", disk.path,
                                    profiles::to_string(disk.format), disk.size_gib);
            if (!disk.base.empty()) text += ", overlay of " + disk.base;
            return text + ") unless it is there";
          },
          [](const CopyFile& copy) {
            return fmt::format("copy {} to {} unless it is there", copy.from, copy.to);
          },
          [](const MakeSeed& seed) {
            return fmt::format("make cloud-init seed {} from {}", seed.path, seed.user_data);
          },
          [](const StartTpm& tpm) {
            return fmt::format("start swtpm on {} with its state in {}", tpm.socket,
                               tpm.state_directory);
          },
          [](const MakeSharedMemory& memory) {
            return fmt::format("make shared memory {} ({} MiB)", memory.path, memory.size_mib);
          },
          [](const MakeDirectory& directory) {
            return fmt::format("make the directory {} for QEMU's sockets", directory.path);
          },
          [](const MakeVirtualFunctions& make) { return describe_making(make); },
          [](const SetVirtualFunction& set) {
            auto text = fmt::format("give virtual function {} of {} ({})", set.index, set.interface,
                                    to_string(set.physical));
            const auto& [mac, vlan] = set.network;
            if (!mac.empty()) text += " the MAC address " + mac;
            if (vlan) text += fmt::format("{} VLAN {}", mac.empty() ? "" : " and", *vlan);
            return text;
          },
          [](const MakeMdev& mdev) {
            return fmt::format("make the mediated device {} of type '{}' on {}", mdev.uuid,
                               mdev.type, to_string(mdev.parent));
          },
          [](const vfio::Release& release) { return vfio::describe(release); },
          [](const BindFunction& function) {
            if (function.driver == function.former_driver)
              return fmt::format("leave {} with '{}'", to_string(function.address),
                                 function.driver);
            const auto from = function.former_driver.empty()
                                  ? "no driver"
                                  : fmt::format("'{}'", function.former_driver);
            return function.driver.empty()
                       ? fmt::format("take {} from {}", to_string(function.address), from)
                       : fmt::format("bind {} to '{}', from {}", to_string(function.address),
                                     function.driver, from);
          },
          [](const HugePages& pages) {
            return fmt::format("have {} huge pages of {} free on node {}{}", pages.pages,
                               size_word(pages.page_kib), pages.node,
                               pages.free >= pages.pages
                                   ? ", as there are now"
                                   : fmt::format(", by making {}", pages.pages - pages.free));
          },
          [](const IsolateCpus& isolate) {
            return fmt::format(
                "keep the host off CPU {0}: take {0} from system.slice, user.slice, init.scope and "
                "from interrupts, and set the governor 'performance' there",
                to_string(isolate.cpus));
          },
          [](const LimitGuest& guest) {
            std::string text = "limit the guest: ";
            for (const auto& limit : guest.limits)
              text += (&limit == guest.limits.data() ? "" : ", ") + describe(limit);
            return text;
          },
      },
      action);
}

std::string describe_undo(const Action& action) {
  return std::visit(
      Overloaded{
          [](const MakeDisk&) -> std::string {
            return "kept, it is the guest's; a half-made image is removed";
          },
          [](const CopyFile&) -> std::string { return "kept, it is the guest's"; },
          [](const MakeSeed&) -> std::string { return "kept; made afresh at each start"; },
          [](const StartTpm&) -> std::string { return "ended"; },
          [](const MakeSharedMemory&) -> std::string { return "removed when the guest has ended"; },
          [](const MakeDirectory&) -> std::string { return "removed when the guest has ended"; },
          [](const MakeVirtualFunctions&) -> std::string {
            return "destroyed when no guest has one of them any more";
          },
          [](const SetVirtualFunction&) -> std::string {
            return "what it had before, when the guest has ended";
          },
          [](const MakeMdev&) -> std::string { return "removed when the guest has ended"; },
          [](const vfio::Release& release) { return vfio::describe_undo(release); },
          [](const BindFunction& function) {
            if (function.driver == function.former_driver) return std::string("it stays there");
            return function.former_driver.empty()
                       ? std::string("left without a driver when the guest has ended")
                       : fmt::format("back to '{}' when the guest has ended",
                                     function.former_driver);
          },
          [](const HugePages&) -> std::string {
            return "the pool back at its size as soon as QEMU has the pages";
          },
          [](const IsolateCpus&) -> std::string {
            return "what they had before, when no guest isolates the CPUs any more";
          },
          [](const LimitGuest&) -> std::string { return "gone with the guest's control group"; },
      },
      action);
}

}  // namespace hv::plan
