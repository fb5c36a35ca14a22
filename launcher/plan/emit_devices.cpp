// SPDX-License-Identifier: MIT
#include "launcher/plan/emit.h"
#include "launcher/plan/pcie.h"
#include "launcher/plan/resolver.h"

namespace hv::plan {
namespace {

namespace json = boost::json;
using profiles::ConsoleKind;
using profiles::DisplayKind;

bool has_screen(const Machine& machine) {
  return machine.display.value != DisplayKind::none;
}

/// A chardev on a socket that hvlaunch binds and QEMU inherits.
void add_socket(std::string_view id, std::string path, const Cause& cause, CommandLine& line) {
  const auto fd = line.pass(Handle::listener, std::move(path), cause);
  line.add("-chardev",
           Props("socket").set("id", id).set("fd", fd).set("server", "on").set("wait", "off"),
           cause);
}

void emit_channels(const Machine& machine, CommandLine& line) {
  const Cause bus{.rule = "channels", .why = "the bus of the channels into the guest"};
  line.add("-device", on_root_bus("virtio-serial-pci", "channels", slot::serial), bus);
  if (machine.profile.console.value == ConsoleKind::virtio)
    line.add("-device",
             json::object{{"driver", "virtconsole"},
                          {"bus", "channels.0"},
                          {"nr", 0},
                          {"id", "hvc0"},
                          {"chardev", "console"}},
             {.pointer = machine.profile.console.pointer, .why = "the console, hvc0 in the guest"});

  const Cause agent{.rule = "guest-agent",
                    .why = "a clean shutdown asks the guest agent first, if it runs"};
  add_socket("agent", machine.run_file("agent.sock"), agent, line);
  line.add("-device",
           json::object{{"driver", "virtserialport"},
                        {"bus", "channels.0"},
                        {"nr", 1},
                        {"id", "agent-port"},
                        {"chardev", "agent"},
                        {"name", "org.qemu.guest_agent.0"}},
           agent);

  if (machine.display.value != DisplayKind::spice) return;
  const Cause spice{.rule = "spice-agent", .why = "clipboard and screen size follow the viewer"};
  line.add("-chardev", Props("spicevmc").set("id", "spice-agent").set("name", "vdagent"), spice);
  line.add("-device",
           json::object{{"driver", "virtserialport"},
                        {"bus", "channels.0"},
                        {"nr", 2},
                        {"id", "spice-port"},
                        {"chardev", "spice-agent"},
                        {"name", "com.redhat.spice.0"}},
           spice);
}

void emit_input(const Machine& machine, const DeviceChoice& choice, CommandLine& line) {
  if (!has_screen(machine)) return;
  const Cause cause{.rule = "input", .why = "a screen needs a pointer that follows the viewer's"};
  line.add("-device", on_root_bus("qemu-xhci", "usb", slot::usb), cause);
  line.add("-device", json::object{{"driver", "usb-tablet"}, {"id", "tablet"}, {"bus", "usb.0"}},
           cause);
  if (choice.keyboard_on_usb)
    line.add("-device", json::object{{"driver", "usb-kbd"}, {"id", "keyboard"}, {"bus", "usb.0"}},
             {.rule = "input", .why = "this machine has no keyboard port"});
}

void emit_sound(const Machine& machine, CommandLine& line) {
  const auto& model = machine.profile.audio_model;
  if (model.value.empty()) return;
  const bool spice = machine.display.value == DisplayKind::spice;
  const Cause cause{.pointer = model.pointer, .why = "the guest's sound device"};
  line.add("-audiodev", json::object{{"driver", spice ? "spice" : "none"}, {"id", "audio"}}, cause);
  if (model.value == "ich9") {
    line.add("-device", on_root_bus("ich9-intel-hda", "sound", slot::sound), cause);
    line.add(
        "-device",
        json::object{
            {"driver", "hda-duplex"}, {"id", "codec"}, {"bus", "sound.0"}, {"audiodev", "audio"}},
        cause);
    return;
  }
  auto device =
      on_root_bus(model.value == "virtio" ? "virtio-sound-pci" : "AC97", "sound", slot::sound);
  device["audiodev"] = "audio";
  line.add("-device", device, cause);
}

void emit_tpm(const Machine& machine, const DeviceChoice& choice, CommandLine& line) {
  const auto& tpm = machine.profile.tpm;
  if (!tpm.value) return;
  const Cause cause{.pointer = tpm.pointer, .why = "a TPM 2.0, emulated by swtpm"};
  const auto fd = line.pass(Handle::connection, machine.run_file("tpm.sock"), cause);
  line.add("-chardev", Props("socket").set("id", "tpm").set("fd", fd), cause);
  line.add("-tpmdev", Props("emulator").set("id", "tpm0").set("chardev", "tpm"), cause);
  line.add("-device", json::object{{"driver", choice.tpm}, {"tpmdev", "tpm0"}}, cause);
}

void emit_shared_memory(const Machine& machine, CommandLine& line) {
  const auto& [enable, size_mib] = machine.profile.looking_glass;
  if (!enable.value) return;
  // A file for each VM: two that share one could read each other's screens.
  const Cause cause{.pointer = enable.pointer, .why = "shared memory for Looking Glass"};
  line.add("-object",
           json::object{{"qom-type", "memory-backend-file"},
                        {"id", "looking-glass"},
                        {"share", true},
                        {"mem-path", machine.looking_glass_file()},
                        {"size", size_mib.value << 20U}},
           cause);
  auto device = on_root_bus("ivshmem-plain", "shared-memory", slot::shared_memory);
  device["memdev"] = "looking-glass";
  line.add("-device", device, cause);
}

/// The address is the guest's as soon as QEMU sets it on the descriptor, and
/// free again when that is closed.
void emit_vsock(const Machine& machine, CommandLine& line) {
  if (!machine.cid) return;
  const auto& [cid, cause] = *machine.cid;
  const auto fd = line.pass(Handle::vhost_vsock, "/dev/vhost-vsock",
                            {.pointer = machine.profile.vsock.enable.pointer,
                             .why = "the kernel moves what guest and host tell each other"});
  auto device = on_root_bus("vhost-vsock-pci", "vsock", slot::vsock);
  device["guest-cid"] = cid;
  device["vhostfd"] = std::to_string(fd);
  line.add("-device", device, cause);
}

void emit_small_devices(const Machine& machine, CommandLine& line) {
  line.add("-device", on_root_bus("virtio-rng-pci", "random", slot::random),
           {.rule = "entropy", .why = "a guest without random numbers waits at boot"});
  // What an encrypted guest gave back would not be freed.
  if (machine.profile.memory_balloon.value && !machine.confidential)
    line.add("-device", on_root_bus("virtio-balloon-pci", "balloon", slot::balloon),
             cause_of(machine.profile.memory_balloon, "balloon", "the guest can give memory back"));
  if (machine.qemu->has_type("pvpanic-pci") && !machine.is_windows())
    line.add("-device", on_root_bus("pvpanic-pci", "panic", slot::panic),
             {.rule = "cause-of-death", .why = "the guest tells us when its kernel panics"});
}

}  // namespace

void emit_console(const Machine& machine, SerialPort port, CommandLine& line) {
  const auto& console = machine.profile.console;
  if (console.value == ConsoleKind::none) return;
  const auto cause = cause_of(console, "console", "the guest's console, for `hvlaunch console`");
  add_socket("console", machine.run_file("serial.sock"), cause, line);
  if (console.value != ConsoleKind::serial) return;
  if (port == SerialPort::board)
    line.add("-serial", std::string_view("chardev:console"), cause);
  else
    line.add("-device",
             json::object{{"driver", "isa-serial"}, {"id", "serial"}, {"chardev", "console"}},
             cause);
}

void emit_display(const Machine& machine, const DeviceChoice& choice, CommandLine& line) {
  line.add("-display", std::string_view("none"),
           {.rule = "no-window", .why = "QEMU opens no window of its own"});
  if (!has_screen(machine)) return;
  const auto& profile = machine.profile;
  const auto heads = std::max(profile.video_heads.value, profile.display.heads.value);
  // The host's device has the addresses of VGA then, and there is one of them only.
  const bool other = std::ranges::any_of(machine.passed, &PassedFunction::primary_gpu);
  auto device = on_root_bus(other ? "virtio-gpu-pci" : choice.display, "screen", slot::display);
  if (heads > 1) device["max_outputs"] = heads;
  const auto& asked = profile.video_heads.given() ? profile.video_heads : profile.display.heads;
  line.add("-device", device, cause_of(asked, "screen", "the guest's screen"));
  // QEMU's user has no way to this directory but its descriptor.
  const auto directory = line.pass(Handle::directory, machine.paths.display_of(profile.name.value),
                                   machine.display.cause);
  const auto socket = [&](std::string_view name) {
    return fmt::format("/proc/self/fd/{}/{}", directory, name);
  };
  if (machine.display.value == DisplayKind::spice)
    line.add(
        "-spice",
        Props().set("unix", "on").set("addr", socket("spice.sock")).set("disable-ticketing", "on"),
        machine.display.cause);
  else
    // By its name, for in a nameless value an '=' would end the name.
    line.add("-vnc", Props().set("vnc", "unix:" + socket("vnc.sock")), machine.display.cause);
}

void emit_devices(const Machine& machine, const DeviceChoice& choice, CommandLine& line) {
  emit_display(machine, choice, line);
  emit_disks(machine, choice, line);
  emit_network(machine, line);
  emit_passed(machine, line);
  for (unsigned port = 0; port < spare_ports; ++port) (void)add_root_port(slot::spare, port, line);
  emit_channels(machine, line);
  emit_input(machine, choice, line);
  emit_sound(machine, line);
  emit_tpm(machine, choice, line);
  emit_shared_memory(machine, line);
  emit_vsock(machine, line);
  emit_small_devices(machine, line);
}

}  // namespace hv::plan
