// SPDX-License-Identifier: MIT
//
// The table of commands: to add one, add a row here and its function to
// commands.h.
#include "launcher/commands/commands.h"

#include <array>

namespace hv::commands {
namespace {

constexpr std::array paused = {
    Option{"paused", "", "leave the guest before its first instruction"}};
constexpr std::array force = {Option{"force", "", "do not ask the guest: QEMU quits at once"}};
constexpr std::array wait = {Option{"until", "EVENT", "end after this event"},
                             Option{"timeout", "SECONDS", "give up after this time"}};
constexpr std::array make = {
    Option{"set", "FIELD=VALUE", "set a field, like network.mode=none; may be repeated"},
    Option{"from", "VM", "begin with this profile: a VM's name, or a file"}};
constexpr std::array change = {
    Option{"set", "FIELD=VALUE", "set a field instead of opening an editor; may be repeated"}};
constexpr std::array limit = {
    Option{"set", "FIELD=VALUE",
           "change one of the guest that runs, like memory_max_mb=6G, or =none; may be repeated"}};
constexpr std::array limits_examples = {
    Example{"hvlaunch limits web", "as the kernel has them"},
    Example{"hvlaunch limits web --set cpu_quota_percent=150", "until the guest ends"}};
constexpr std::array copy = {Option{"no-disk", "", "copy the profile alone"}};
constexpr std::array erase = {
    Option{"disks", "", "remove its disk, firmware variables and TPM state as well"}};
constexpr std::array ready = {Option{"ready", "", "say on descriptor 3 when clients can connect"}};

constexpr std::array start_examples = {
    Example{"hvlaunch start demo", "returns when the guest runs"},
    Example{"hvlaunch start --paused demo", "to look at it before it boots"},
    Example{"hvlaunch start ./test.json", "a profile by its path"}};
constexpr std::array stop_examples = {
    Example{"hvlaunch stop web", "agent, power button, quit, TERM, KILL"},
    Example{"hvlaunch stop --force web", "from `quit` on"}};
constexpr std::array console_examples = {
    Example{"hvlaunch console web", "leave with Ctrl-]"},
    Example{"hvlaunch console web </dev/null | tee log", "only listen"}};
constexpr std::array qmp_examples = {
    Example{"hvlaunch qmp web query-block", "one command"},
    Example{"hvlaunch qmp web balloon value=1073741824", "with arguments"},
    Example{"qmp-shell $(hvlaunch qmp web)", "the socket for other programs"}};
constexpr std::array events_examples = {
    Example{"hvlaunch events web", "as they come"},
    Example{"hvlaunch events web --until SHUTDOWN", "wait for the end"}};
constexpr std::array check_examples = {
    Example{"hvlaunch check", "all profiles"},
    Example{"hvlaunch check new.json", "one file, before it is put in place"}};
constexpr std::array plan_examples = {
    Example{"hvlaunch plan web", "touches nothing"},
    Example{"hvlaunch plan --json web | jq .steps", "for programs"}};
constexpr std::array explain_examples = {
    Example{"hvlaunch explain web", "every argument"},
    Example{"hvlaunch explain web -device", "one option"},
    Example{"hvlaunch explain web /memory_mb", "what one field does"}};
constexpr std::array measure_examples = {
    Example{"hvlaunch measure vault", "with what went into it"},
    Example{"hvlaunch measure vault --json | jq -r .measurement", "to compare with a report"}};
constexpr std::array create_examples = {
    Example{"hvlaunch create web", "with the defaults"},
    Example{"hvlaunch create web --set memory_mb=8G", "with more memory"},
    Example{"hvlaunch create web2 --from web", "like another VM, without its disk"}};
constexpr std::array edit_examples = {
    Example{"hvlaunch edit web", "in $VISUAL or $EDITOR"},
    Example{"hvlaunch edit web --set memory_mb=4096", "comments stay"}};
constexpr std::array together = {
    Option{"all", "",
           "also whether this host can give each what it wants, and all that start with it "
           "theirs at once"}};
constexpr std::array compare = {
    Option{"pins", "", "compare where its threads should run with where they do"}};
constexpr std::array draw = {
    Option{"svg", "FILE", "draw it into an SVG file instead; - is standard output"}};
constexpr std::array topology_examples = {
    Example{"hvlaunch topology", "in the terminal"},
    Example{"hvlaunch topology --svg host.svg", "for a report"}};
constexpr std::array doctor_examples = {
    Example{"hvlaunch doctor", "this host"},
    Example{"hvlaunch doctor web && hvlaunch start web", "what one guest needs of it"},
    Example{"sudo hvlaunch doctor", "with the kernel's log, for root's guests"}};
constexpr std::array caps_examples = {
    Example{"hvlaunch caps aarch64", "of qemu-system-aarch64"},
    Example{"hvlaunch caps /opt/qemu/bin/qemu-system-x86_64", "of one binary"},
    Example{"hvlaunch caps --export >hosts/a.json", "this host, for the CPU model `baseline`"}};
constexpr std::array recording = {
    Option{"export", "", "write this host's CPU, KVM and QEMU as JSON, for other hosts"}};

constexpr std::array devices = {Option{"group", "N", "only this IOMMU group; may be repeated"},
                                Option{"all", "", "bridges to other buses as well"}};
constexpr std::array taking = {
    Option{"siblings", "", "take the other members of the IOMMU groups from their drivers, too"},
    Option{"force", "", "take even what the host uses"}};
constexpr std::array vfio_list_examples = {
    Example{"hvlaunch vfio list", "all devices but bridges"},
    Example{"hvlaunch vfio list 0000:01:00.0 --json", "for programs"}};
constexpr std::array binding = {
    Option{"driver", "DRIVER",
           "this one of VFIO's drivers, instead of the kernel's for it or vfio-pci"},
    taking[0], taking[1]};
constexpr std::array vfio_bind_examples = {
    Example{"hvlaunch vfio bind 01:00.0 01:00.1", "both functions of a graphics card"},
    Example{"hvlaunch vfio bind --siblings 01:00.0", "the second is left without a driver"}};
constexpr std::array clearing = {Option{"force", "", "even if it does not answer"}};
constexpr std::array vfio_clear_examples = {
    Example{"hvlaunch vfio clear 01:00.0", "after it was removed, and found by a rescan"}};
constexpr std::array vfio_plan_examples = {
    Example{"hvlaunch vfio plan 01:00.0 01:00.1", "both functions of a graphics card"}};

constexpr std::array delay = {Option{"delay-ms", "N", "wait so long before"}};
constexpr std::array autostart_list_examples = {
    Example{"hvlaunch autostart list", "after a boot that did not start what it should have"},
    Example{"hvlaunch autostart list --json | jq -r .starts[].vm", "for programs"}};

constexpr std::string_view vm = "<vm>";

constexpr Command commands[] = {
    {"start", Group::guests, "start a guest, and return when it runs", Operands::vm, vm, paused,
     "A VM is named by its profile in a profile directory, or by the path of one. If the guest\n"
     "cannot run, nothing is left behind and the error says why, in QEMU's own words where they\n"
     "are QEMU's.",
     start_examples, start_command},
    {"stop", Group::guests, "shut a guest down, the gentlest way that works", Operands::vm, vm,
     force,
     "The ladder is: the guest agent, the ACPI power button (twice), QMP quit, SIGTERM, SIGKILL.\n"
     "How long each may take is the profile's `shutdown`, as it was when the guest started.",
     stop_examples, stop_command},
    {"restart",
     Group::guests,
     "stop a guest and start it with its profile as it is now",
     Operands::vm,
     vm,
     {},
     "",
     {},
     restart_command},
    {"kill",
     Group::guests,
     "end a guest at once; its disks are not flushed",
     Operands::vm,
     vm,
     {},
     "",
     {},
     kill_command},
    {"pause", Group::guests, "stop a guest's vCPUs", Operands::vm, vm, {}, "", {}, pause_command},
    {"resume",
     Group::guests,
     "let a paused guest go on",
     Operands::vm,
     vm,
     {},
     "",
     {},
     resume_command},
    {"reset",
     Group::guests,
     "press a guest's reset button",
     Operands::vm,
     vm,
     {},
     "",
     {},
     reset_command},
    {"status",
     Group::guests,
     "show what a guest is and does, and why it last ended",
     Operands::vm,
     vm,
     compare,
     "",
     {},
     status_command},
    {"limits", Group::guests, "show or change what a running guest may use of the host",
     Operands::vm, vm, limit,
     "Compares the profile's `limits`, or what was set since, with what the kernel has. The\n"
     "profile is never changed: at the next start its limits count again.",
     limits_examples, limits_command},
    {"list",
     Group::guests,
     "show all VMs and their state",
     Operands::none,
     "",
     {},
     "",
     {},
     list_command},
    {"console",
     Group::guests,
     "attach to a guest's console; Ctrl-] leaves",
     Operands::vm,
     vm,
     {},
     "What the console printed before is shown first. Any number of consoles may be attached.\n"
     "A serial line carries no window size: the guest takes it if its guest agent runs; else\n"
     "`resize` in the guest asks the terminal.",
     console_examples,
     console_command},
    {"events", Group::guests, "print a guest's QMP events as they come", Operands::vm, vm, wait, "",
     events_examples, events_command},
    {"qmp",
     Group::guests,
     "run a QMP command, or print the path of the QMP socket",
     Operands::vm_and_words,
     "<vm> [<command> [<name>=<value> | {json}]…]",
     {},
     "The socket serves any number of clients at once, in plain QMP.",
     qmp_examples,
     qmp_command},

    {"check", Group::profiles, "report everything that is wrong with profiles", Operands::vms,
     "[<vm> | <file> | <directory>]…", together,
     "Without --all the host does not matter: a profile that is right may be for another one.",
     check_examples, check_command},
    {"plan",
     Group::profiles,
     "show what a start would do, and do nothing",
     Operands::vm,
     vm,
     {},
     "Every argument for QEMU with what put it there, every descriptor it gets, and every change\n"
     "to the host with how it is undone. `start` carries out exactly this.",
     plan_examples,
     plan_command},
    {"explain",
     Group::profiles,
     "say why each argument is there",
     Operands::vm_and_words,
     "<vm> [<option> | <field>]",
     {},
     "",
     explain_examples,
     explain_command},
    {"argv",
     Group::profiles,
     "print QEMU's command line, quoted for a shell",
     Operands::vm,
     vm,
     {},
     "",
     {},
     argv_command},
    {"measure",
     Group::profiles,
     "reckon how a confidential guest's start will measure",
     Operands::vm,
     vm,
     {},
     "From firmware, kernel, initrd, command line and vCPUs as the plan would start them: what "
     "the\n"
     "processor's attestation report must say. Any machine with the same files gives the same\n"
     "answer. docs/confidential.md says how an owner checks a report by it.",
     measure_examples,
     measure_command},
    {"schema",
     Group::profiles,
     "print the JSON Schema of profiles",
     Operands::none,
     "",
     {},
     "",
     {},
     schema_command},
    {"create", Group::profiles, "make a profile", Operands::new_vm, "<name>", make, "",
     create_examples, create_command},
    {"edit", Group::profiles, "change a profile; it is checked before it is put in place",
     Operands::vm, vm, change, "", edit_examples, edit_command},
    {"clone",
     Group::profiles,
     "copy a VM's profile, disk and firmware variables",
     Operands::two_vms,
     "<vm> <name>",
     copy,
     "",
     {},
     clone_command},
    {"delete",
     Group::profiles,
     "remove a profile; its disk stays unless --disks is given",
     Operands::vm,
     vm,
     erase,
     "",
     {},
     delete_command},

    {"caps", Group::host, "show what a QEMU binary can do", Operands::word,
     "[<architecture> | <binary>]", recording, "", caps_examples, caps_command},
    {"autostart list",
     Group::host,
     "show which guests start with the host, in what order, and why",
     Operands::none,
     "",
     {},
     "As the host would if it booted now with its present kernel command line. Guests of one step\n"
     "start side by side, those of the next when all of them are ready or have failed.",
     autostart_list_examples,
     autostart_list_command},
    {"autostart reset",
     Group::host,
     "let guests start with the host again, whose starts took it down",
     Operands::vms,
     "<vm>…",
     {},
     "",
     {},
     autostart_reset_command},
    {"recover",
     Group::host,
     "clean up after guests that ended unseen",
     Operands::vms,
     "[<vm>]…",
     {},
     "Runs by itself at the next start of a VM, and when one is looked at.",
     {},
     recover_command},
    {"doctor",
     Group::host,
     "say what is wrong with this host, or with what a VM needs of it, and the cure",
     Operands::vms,
     "[<vm>]…",
     {},
     "Looks at KVM, IOMMU, memory, network, programs, firmware and your permissions, and changes\n"
     "nothing. For a VM: all that its profile needs on this host now. The exit status is 6 if\n"
     "something fails; warnings are about what only some guests need.",
     doctor_examples,
     doctor_command},
    {"topology", Group::host, "draw the host's CPUs, caches, memory nodes and who runs where",
     Operands::none, "", draw, "", topology_examples, topology_command},
    {"vfio list", Group::host, "show the PCI devices, and which of them a guest can get",
     Operands::devices, "[<address>…]", devices,
     "For each its IOMMU group, driver and ways to reset it, what of this host uses it, and what\n"
     "stands against passing it. Nothing is changed, and no sleeping device is woken.",
     vfio_list_examples, vfio_list_command},
    {"vfio plan", Group::host, "show what taking PCI devices for a guest would change",
     Operands::some_devices, "<address>…", binding, "Changes nothing.", vfio_plan_examples,
     vfio_plan_command},
    {"vfio bind", Group::host, "take PCI devices from the host's drivers, ready for guests",
     Operands::some_devices, "<address>…", binding,
     "They stay so until `vfio unbind` or the end of the boot, whatever guests start and stop; a\n"
     "guest takes its devices by itself, and gives them back when it ends. All of them are taken,\n"
     "or none.",
     vfio_bind_examples, vfio_bind_command},
    {"vfio clear", Group::host, "let PCI devices go to guests again that were out of order",
     Operands::some_devices, "<address>…", clearing,
     "A device is put in quarantine when its driver hangs or crashes, or when it answers nothing.\n"
     "The next boot forgets it. Whoever has put the device right before tells by this; one that\n"
     "still does not answer stays where it is.",
     vfio_clear_examples, vfio_clear_command},
    {"vfio unbind",
     Group::host,
     "give back what `vfio bind` took",
     Operands::some_devices,
     "<address>…",
     {},
     "Each to the driver that it had, or to none, with the driver_override that it had.",
     {},
     vfio_unbind_command},
    {"document",
     Group::host,
     "print a page made from hvlaunch's own tables",
     Operands::word,
     "man | cli.md | profile.md | bash | zsh | fish",
     {},
     "",
     {},
     document_command},

    {"autostart begin",
     Group::stages,
     "note on disk that a start with the host begins",
     Operands::vm,
     vm,
     delay,
     "The note goes when the start has ended. Found at two later boots running, it keeps the "
     "guest\n"
     "from being started with the host.",
     {},
     autostart_begin_command},
    {"prepare",
     Group::stages,
     "make what must be there before QEMU starts",
     Operands::vm,
     vm,
     {},
     "",
     {},
     prepare_command},
    {"exec", Group::stages, "become QEMU", Operands::vm, vm, {}, "", {}, exec_command},
    {"tune",
     Group::stages,
     "wait until QEMU is up, and let the guest run",
     Operands::vm,
     vm,
     paused,
     "",
     {},
     tune_command},
    {"await",
     Group::stages,
     "wait until the guest is ready, as its profile says",
     Operands::vm,
     vm,
     {},
     "",
     {},
     await_command},
    {"watch",
     Group::stages,
     "share a guest's monitor and console until it ends",
     Operands::vm,
     vm,
     ready,
     "Left behind by `start`. The guest does not need it, and it may be restarted.",
     {},
     watch_command},
    {"powerdown",
     Group::stages,
     "climb the shutdown ladder",
     Operands::vm,
     vm,
     force,
     "",
     {},
     powerdown_command},
    {"cleanup",
     Group::stages,
     "undo what was done for a guest that has ended",
     Operands::vm,
     vm,
     {},
     "",
     {},
     cleanup_command},
};

}  // namespace

std::span<const Command> all_commands() {
  return commands;
}

}  // namespace hv::commands
