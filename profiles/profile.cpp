// SPDX-License-Identifier: MIT
//
// The list of fields: what there is in a profile, what it may be, and what it
// means. Decoding, the JSON Schema and docs/profile.md all come from here.
#include "profiles/profile.h"

#include "profiles/decode.h"

namespace hv::profiles {
namespace {

constexpr std::uint64_t largest_disk_gib = 1ULL << 32U;  // 4 EiB: well below 64 bits of bytes.

void read_identity(Fields& fields, Profile& profile) {
  profile.name =
      fields["name"].text({.fallback = {}, .form = vm_name_form},
                          {.text = "The VM's name: of its unit, its files, and on the command line",
                           .example = "\"web\""});
  profile.description = fields["description"].text(
      {}, {.text = "Free text about the VM", .example = "\"the shop's server\""});
  profile.owner = fields["owner"].text(
      {}, {.text = "Who the VM belongs to; menus can filter by it", .example = "\"alice\""});
  profile.os =
      fields["os"].text({}, {.text = "A hint at what runs in it: `linux`, `ubuntu`, `windows`, …",
                             .example = "\"debian\""});
  profile.labels = fields["labels"].map(
      {.text = "Names and values of your own", .example = "{\"site\": \"berlin\"}"});
  profile.uuid = fields["uuid"].text(
      {.form = uuid_form},
      {.text = "The UUID that the guest sees; without it, one that the name and this host always "
               "give",
       .example = "\"5f1c3a52-7d0e-4c5b-9d62-0a6f4a1e9b77\""});
}

Topology read_topology(Fields& fields) {
  constexpr auto count = [](std::uint64_t max) {
    return Range{.min = 1, .max = max, .fallback = 0};
  };
  return {.sockets = fields["sockets"].number(count(64), {.text = "Sockets", .example = "1"}),
          .dies = fields["dies"].number(count(64), {.text = "Dies in a socket", .example = "1"}),
          .cores = fields["cores"].number(count(1024), {.text = "Cores in a die", .example = "2"}),
          .threads =
              fields["threads"].number(count(64), {.text = "Threads of a core", .example = "2"})};
}

void read_cpu_model(Fields& fields, Profile& profile) {
  profile.cpu_model = fields["model"].text(
      {.form = model_form},
      {.text = "`host`: all that this host's CPU has, with KVM. `max`: all that KVM or TCG can "
               "give. `baseline`: what the hosts of `baseline` have in common. Else a model of "
               "QEMU by its name",
       .example = "\"host\""});
  profile.cpu_baseline = fields["baseline"].list(
      [](const Item& item) {
        return item.text({.form = path_form},
                         {.text = "A host, as `hvlaunch caps --export` wrote it there",
                          .example = "\"hosts/a.json\""});
      },
      {.text = "The hosts that the guest may move between, for `model` `baseline`",
       .example = "[\"hosts/a.json\", \"hosts/b.json\"]"});
}

void read_machine(Fields& fields, Profile& profile) {
  profile.arch =
      fields["arch"].word(arch_words, Arch::x86_64,
                          {.text = "The guest's architecture; without KVM for it, it is emulated",
                           .example = "\"aarch64\""});
  profile.accelerator = fields["accel"].word(
      accelerator_words, Accelerator::automatic,
      {.text = "`kvm` needs it, `tcg` emulates, `auto` takes KVM if it can run the guest",
       .example = "\"kvm\""});
  profile.machine = fields["machine"].text(
      {.form = model_form},
      {.text = "QEMU's machine type; without it the architecture's own, at the version of the "
               "first start",
       .example = "\"q35\""});
  fields["cpu"].object(
      [&](Fields& members) { read_cpu_model(members, profile); },
      {.text = "QEMU's CPU model; without it `host` with KVM, else the best that is emulated",
       .example = "\"max\""},
      "model");
  profile.cpus = fields["cpus"].amount(
      {.min = 1, .max = 4096}, 2,
      {.text = "Virtual CPUs. `AUTO_DETECT`: a quarter of the host's, at least 2", .example = "4"});
  profile.topology = fields["cpu_topology"].object(
      read_topology, {.text = "How the CPUs are arranged; their product must be `cpus`",
                      .example = "{\"sockets\": 1, \"cores\": 2, \"threads\": 2}"});
  profile.memory_mib = fields["memory_mb"].amount(
      {.min = 256, .max = largest_memory_mib, .unit = "MiB"}, 256,
      {.text = "Memory. `AUTO_DETECT`: 2 GiB a CPU, at most half the host's", .example = "4096"});
  profile.numa = fields["numa"].object(
      read_numa,
      {.text = "NUMA nodes: those of the guest, and those of the host that its memory comes from",
       .example = R"({"nodes": [{"host_nodes": "0"}, {"host_nodes": "1"}]})"},
      "topology");
  read_features(fields, profile);
}

Firmware read_firmware(Fields& fields) {
  return {.kind = fields["type"].word(
              firmware_words, FirmwareKind::automatic,
              {.text = "`auto`: what the guest's other fields ask for, else the architecture's "
                       "usual. `none`: the kernel is started without any",
               .example = "\"uefi\""}),
          .secure_boot = fields["secure_boot"].flag(
              false, {.text = "UEFI with Secure Boot, and keys enrolled", .example = "true"}),
          .code = fields["code"].text(
              {.form = path_form},
              {.text = "The firmware's image; without it, by QEMU's firmware descriptors",
               .example = "\"/usr/share/OVMF/OVMF_CODE_4M.fd\""}),
          .vars_template = fields["vars"].text(
              {.form = path_form}, {.text = "What the VM's own variable store starts as",
                                    .example = "\"/usr/share/OVMF/OVMF_VARS_4M.fd\""})};
}

void read_boot(Fields& fields, Profile& profile) {
  profile.firmware = fields["firmware"].object(
      read_firmware, {.text = "What starts the guest", .example = "\"uefi\""}, "type");
  profile.kernel = fields["kernel"].text(
      {.form = path_form}, {.text = "A kernel to start directly, without a boot loader",
                            .example = "\"/var/lib/hypervisor/demo/vmlinuz\""});
  profile.initrd = fields["initrd"].text(
      {.form = path_form},
      {.text = "Its initial RAM disk", .example = "\"/var/lib/hypervisor/demo/initrd\""});
  profile.cmdline = fields["cmdline"].text(
      {}, {.text = "Its command line", .example = "\"console=ttyS0 quiet\""});
}

/// The cache mode is a matter of `io` where nobody chose it.
void read_storage(Fields& fields, Disk& disk) {
  disk.cache = fields["cache"].word(
      disk_cache_words, DiskCache::writeback,
      {.text = "How the host caches the disk; with `io` `native` the default is `none`",
       .example = "\"none\""});
  disk.io = fields["io"].word(disk_io_words, DiskIo::threads,
                              {.text = "How QEMU reaches it; `native` needs `cache` `none` or "
                                       "`directsync`",
                               .example = "\"io_uring\""});
  if (disk.io.value == DiskIo::native && !disk.cache.given()) disk.cache.value = DiskCache::none;
}

void read_disks(Fields& fields, Profile& profile) {
  auto& disk = profile.disk;
  disk.size_gib = fields["disk_gb"].number(
      {.min = 0, .max = largest_disk_gib, .fallback = 20, .unit = "GiB"},
      {.text = "Size of the VM's disk, which is made at the first start. 0: no disk",
       .example = "40"});
  disk.base_image = fields["disk_image_path"].text(
      {.form = path_form},
      {.text = "An image that the disk starts as, such as a cloud image; it is not written to",
       .example = "\"/var/lib/hypervisor/images/debian-12.qcow2\""});
  disk.format =
      fields["disk_format"].word(disk_format_words, DiskFormat::qcow2,
                                 {.text = "The format of the VM's disk", .example = "\"raw\""});
  fields["storage"].object(
      [&](Fields& members) { read_storage(members, disk); },
      {.text = "How the disk is used", .example = "{\"cache\": \"none\", \"io\": \"native\"}"});
  profile.iso = fields["iso_path"].text(
      {.form = path_form},
      {.text = "A CD image in the drive; a relative path is one below the ISO library",
       .example = "\"debian-12-netinst.iso\""});
  profile.cloud_init = fields["cloud_init"].object(
      [](Fields& members) -> CloudInit {
        return {
            .seed_iso = members["seed_iso_path"].text(
                {.form = path_form},
                {.text = "A seed made elsewhere", .example = "\"seeds/web.iso\""}),
            .user_data = members["user_data_path"].text(
                {.form = path_form}, {.text = "User data", .example = "\"seeds/web/user-data\""}),
            .meta_data = members["meta_data_path"].text(
                {.form = path_form}, {.text = "Meta data; made from the name if not given",
                                      .example = "\"seeds/web/meta-data\""}),
            .network_config = members["network_config_path"].text(
                {.form = path_form},
                {.text = "Network configuration", .example = "\"seeds/web/network-config\""})};
      },
      {.text = "What cloud-init in the guest finds: a seed, or files that one is made of",
       .example = "{\"user_data_path\": \"seeds/web/user-data\"}"});
}

Forward read_forward(Fields& fields) {
  return {.pointer = fields.pointer(),
          .host = fields["host"].number({.min = 1, .max = 65535},
                                        {.text = "The port of the host", .example = "2222"}),
          .guest = fields["guest"].number({.min = 1, .max = 65535},
                                          {.text = "The port of the guest", .example = "22"}),
          .protocol = fields["protocol"].word(protocol_words, Protocol::tcp,
                                              {.text = "`tcp` or `udp`", .example = "\"udp\""}),
          .address = fields["address"].text(
              {.fallback = "127.0.0.1", .form = ipv4_form},
              {.text = "The host's address at which it is; `0.0.0.0`: at all of them",
               .example = "\"0.0.0.0\""})};
}

Vsock read_vsock(Fields& fields) {
  Vsock vsock{.enable = fields["enable"].flag(
                  false, {.text = "Whether to; `cid` alone means yes", .example = "true"}),
              .cid = fields["cid"].number(
                  {.min = 3, .max = 0xfffffffe, .fallback = 0},
                  {.text = "The guest's address; without it, one that is derived from this host's "
                           "id and the VM's name",
                   .example = "7"})};
  if (!vsock.enable.given() && vsock.cid.given()) vsock.enable = {true, vsock.cid.pointer};
  return vsock;
}

/// Who names a bridge or a zone wants it used.
Network read_network(Fields& fields) {
  Network network{
      .mode = fields["mode"].word(
          network_mode_words, NetworkMode::user,
          {.text = "`user`, or `nat`: out through the host, nothing comes in. `bridge`: on the "
                   "host's bridge, which is also the default if `bridge` or `zone` is given",
           .example = "\"bridge\""}),
      .bridge = fields["bridge"].text(
          {.form = bridge_form},
          {.text = "The bridge. `AUTO_DETECT`: the host's default one", .example = "\"br0\""}),
      .vhost = fields["vhost"].flag(
          false,
          {.text = "Packets by the host's kernel, without QEMU; for bridges", .example = "true"}),
      .zone = fields["zone"].text(
          {},
          {.text = "A network zone of config.json, which names the bridge", .example = "\"dmz\""}),
      .forward = fields["forward"].list(
          [](const Item& item) {
            return item.object(read_forward,
                               {.text = "A port", .example = "{\"host\": 2222, \"guest\": 22}"});
          },
          {.text = "Ports of the host that lead to the guest; for `user`",
           .example = "[{\"host\": 2222, \"guest\": 22}]"})};
  const auto& deciding = network.bridge.value.empty() ? network.zone : network.bridge;
  if (!network.mode.given() && !deciding.value.empty())
    network.mode = {NetworkMode::bridge, deciding.pointer};
  return network;
}

Display read_display(Fields& fields) {
  Display display{
      .kind = fields["type"].word(
          display_words, DisplayKind::spice,
          {.text = "How the screen is reached, on the host only", .example = "\"vnc\""}),
      .headless = fields["headless"].flag(
          false, {.text = "No screen at all, as with `type` `none`", .example = "true"}),
      .heads = fields["heads"].number({.min = 1, .max = 16, .fallback = 1},
                                      {.text = "Screens", .example = "2"})};
  if (display.headless.value && !display.kind.given())
    display.kind = {DisplayKind::none, display.headless.pointer};
  return display;
}

LookingGlass read_looking_glass(Fields& fields) {
  return {
      .enable = fields["enable"].flag(
          false, {.text = "Share memory with Looking Glass on the host", .example = "true"}),
      .size_mib = fields["size_mb"].number({.min = 32, .max = 4096, .fallback = 64, .unit = "MiB"},
                                           {.text = "Its size, a power of two", .example = "128"})};
}

void read_devices(Fields& fields, Profile& profile) {
  profile.network = fields["network"].object(
      read_network,
      {.text = "The network card",
       .example = "{\"mode\": \"bridge\", \"bridge\": \"br0\", \"vhost\": true}"},
      "mode");
  profile.vsock = fields["vsock"].object(
      read_vsock,
      {.text = "A socket between host and guest that needs no network", .example = "true"},
      "enable");
  profile.console = fields["console"].word(
      console_words, ConsoleKind::serial,
      {.text = "What `hvlaunch console` attaches to", .example = "\"virtio\""});
  profile.display = fields["display"].object(
      read_display, {.text = "The screen", .example = "{\"type\": \"none\"}"}, "type");
  profile.video_heads = fields["video"].object(
      [](Fields& members) {
        return members["heads"].number({.min = 1, .max = 16, .fallback = 1},
                                       {.text = "Screens of the graphics card", .example = "2"});
      },
      {.text = "The graphics card", .example = "{\"heads\": 2}"});
  auto [audio, audio_pointer] = fields["audio"].object(
      [](Fields& members) {
        return members["model"].word(audio_words, std::string_view(),
                                     {.text = "Which one", .example = "\"ich9\""});
      },
      {.text = "The sound device", .example = "{\"model\": \"ich9\"}"});
  profile.audio_model = {std::string(audio), std::move(audio_pointer)};
  profile.looking_glass = fields["looking_glass"].object(
      read_looking_glass,
      {.text = "Shared memory for Looking Glass", .example = "{\"enable\": true}"});
  profile.tpm = fields["tpm"].object(
      [](Fields& members) {
        return members["enable"].flag(false, {.text = "A TPM 2.0, by swtpm", .example = "true"});
      },
      {.text = "The trusted platform module", .example = "{\"enable\": true}"});
  profile.memory_balloon = fields["memballoon"].object(
      [](Fields& members) {
        auto disable = members["disable"].flag(
            false,
            {.text = "No memory balloon: the guest never gives memory back", .example = "true"});
        disable.value = !disable.value;
        return disable;
      },
      {.text = "The memory balloon", .example = "{\"disable\": true}"});
}

Limits read_limits(Fields& fields) {
  constexpr Range weight{.min = 1, .max = 10000, .fallback = 0};
  constexpr Range memory{.min = 256, .max = largest_memory_mib, .fallback = 0, .unit = "MiB"};
  constexpr Range rate{.min = 1, .max = 1000000, .fallback = 0, .unit = "MiB"};
  constexpr Range operations{.min = 1, .max = 100000000, .fallback = 0};
  return {.cpu_quota_percent = fields["cpu_quota_percent"].number(
              {.min = 1, .max = 100000, .fallback = 0},
              {.text = "CPU time, of QEMU as a whole; 100 is one host CPU", .example = "200"}),
          .cpu_weight = fields["cpu_weight"].number(
              weight, {.text = "Its share of CPUs that others want, too; the others have 100",
                       .example = "50"}),
          .memory_high_mib = fields["memory_high_mb"].number(
              memory, {.text = "Memory, of QEMU as a whole, above which it is slowed down",
                       .example = "5632"}),
          .memory_max_mib = fields["memory_max_mb"].number(
              memory, {.text = "Memory, of QEMU as a whole: more than `memory_mb`, or it is killed",
                       .example = "6144"}),
          .io_weight = fields["io_weight"].number(
              weight, {.text = "Its share of busy disks; the others have 100", .example = "50"}),
          .io_read_mib_per_second = fields["io_read_mb_per_second"].number(
              rate, {.text = "From each of the devices that its disks are on", .example = "200"}),
          .io_write_mib_per_second = fields["io_write_mb_per_second"].number(
              rate, {.text = "To each of them", .example = "100"}),
          .io_read_ops_per_second = fields["io_read_ops_per_second"].number(
              operations, {.text = "The same in operations", .example = "2000"}),
          .io_write_ops_per_second = fields["io_write_ops_per_second"].number(
              operations, {.text = "The same in operations", .example = "1000"}),
          .pids_max = fields["pids_max"].number(
              {.min = 1, .max = 4194304, .fallback = 0},
              {.text = "Processes and threads, of QEMU as a whole", .example = "256"})};
}

Shutdown read_shutdown(Fields& fields) {
  constexpr auto seconds = [](std::uint64_t fallback) {
    return Range{.min = 0, .max = 3600, .fallback = fallback};
  };
  return {.agent_seconds = fields["agent_seconds"].number(
              seconds(10), {.text = "For the guest agent to shut the guest down", .example = "0"}),
          .acpi_seconds = fields["acpi_seconds"].number(
              seconds(60), {.text = "For the guest to obey its power button", .example = "120"}),
          .quit_seconds = fields["quit_seconds"].number(
              seconds(5), {.text = "For QEMU to obey `quit`", .example = "10"}),
          .term_seconds = fields["term_seconds"].number(
              seconds(5), {.text = "For QEMU to obey SIGTERM, before SIGKILL", .example = "10"})};
}

Ready read_ready(Fields& fields) {
  return {
      .kind = fields["type"].word(
          ready_words, ReadyKind::qmp,
          {.text = "`qmp`: when it runs. `agent`: when the guest agent answers. `tcp`: when "
                   "`address` takes connections. `serial-match`: when the console has printed "
                   "`text`",
           .example = "\"agent\""}),
      .address = fields["address"].text({.form = tcp_form}, {.text = "For `tcp`: address and port",
                                                             .example = "\"192.0.2.7:22\""}),
      .text = fields["text"].text(
          {}, {.text = "For `serial-match`: a part of one line", .example = "\"login:\""}),
      .timeout_seconds = fields["timeout_seconds"].number(
          {.min = 1, .max = 3600, .fallback = 120},
          {.text = "How long it may take; the guest goes on running when it is over",
           .example = "300"})};
}

ExtraArguments read_extra_arguments(Fields& fields) {
  return {.reason = fields["reason"].text({.fallback = {}, .form = sentence_form},
                                          {.text = "Why they are needed; shown in every plan",
                                           .example = "\"our driver wants a second serial port\""}),
          .arguments = fields["args"].list(
              [](const Item& item) {
                return item.text({}, {.text = "One argument", .example = "\"-serial\""});
              },
              {.text = "Arguments, passed on unread", .example = "[\"-serial\", \"null\"]"})};
}

void read_operation(Fields& fields, Profile& profile) {
  profile.limits = fields["limits"].object(
      read_limits,
      {.text = "What the VM may use of the host", .example = "{\"cpu_quota_percent\": 200}"});
  profile.autostart.enable =
      fields["autostart"].flag(false, {.text = "Start with the host", .example = "true"});
  profile.autostart.group = fields["autostart_group"].text(
      {}, {.text = "Groups start one after the other, as config.json orders them",
           .example = "\"infrastructure\""});
  profile.autostart.priority = fields["autostart_priority"].number(
      {.min = 0, .max = 100, .fallback = 50},
      {.text = "The order within a group, lower first", .example = "10"});
  profile.shutdown = fields["shutdown"].object(
      read_shutdown, {.text = "How long `stop` gives each of its means, in turn; 0 skips it",
                      .example = "{\"acpi_seconds\": 120}"});
  profile.ready = fields["ready"].object(
      read_ready,
      {.text = "What `start` waits for, and the units that come after the guest's",
       .example = "{\"type\": \"tcp\", \"address\": \"192.0.2.7:22\"}"},
      "type");
  profile.watch = fields["watch"].flag(
      true, {.text = "Keep a small process beside the VM that shares its QMP monitor and logs why "
                     "it ended",
             .example = "false"});
  profile.confinement = fields["confine"].word(
      confinement_words, Confinement::standard,
      {.text = "The cage that QEMU runs in: `default` has all that this kernel can do; `strict` "
               "starts with nothing less, and ends a QEMU that tries what it may not; `off` has "
               "none",
       .example = "\"strict\""});
  fields["qemu"].object(
      [&](Fields& members) {
        profile.qemu_binary = members["binary"].text(
            {.form = program_form}, {.text = "The QEMU to run; without it, qemu-system-<arch>",
                                     .example = "\"/opt/qemu/bin/qemu-system-x86_64\""});
        profile.extra_arguments = members["extra_args"].list(
            [](const Item& item) {
              return item.object(read_extra_arguments,
                                 {.text = "Arguments, and the reason for them",
                                  .example = "{\"reason\": \"a second port\", \"args\": "
                                             "[\"-serial\", \"null\"]}"});
            },
            {.text = "Arguments that no field stands for",
             .example = "[{\"reason\": \"a second port\", \"args\": [\"-serial\", \"null\"]}]"});
      },
      {.text = "QEMU itself", .example = "{\"binary\": \"/opt/qemu/bin/qemu-system-x86_64\"}"});
}

}  // namespace

Profile read_profile(Fields& fields) {
  Profile profile;
  read_identity(fields, profile);
  read_machine(fields, profile);
  read_boot(fields, profile);
  read_disks(fields, profile);
  read_devices(fields, profile);
  read_host_resources(fields, profile);
  read_operation(fields, profile);
  return profile;
}

const std::vector<FieldDescription>& field_descriptions() {
  static const std::vector<FieldDescription> descriptions = [] {
    std::vector<FieldDescription> recorded;
    Reading reading{.recorded = &recorded};
    Fields fields(reading, nullptr, "");
    (void)read_profile(fields);  // Of defaults; what it records is what we are after.
    return recorded;
  }();
  return descriptions;
}

}  // namespace hv::profiles
