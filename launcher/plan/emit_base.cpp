// SPDX-License-Identifier: MIT
#include "launcher/plan/emit.h"
#include "launcher/plan/resolver.h"

#include <algorithm>

namespace hv::plan {

namespace json = boost::json;

void emit_identity(const Machine& machine, CommandLine& line) {
  const auto& profile = machine.profile;
  (void)line.pass(Handle::lock, machine.run_file("lock"),
                  {.rule = "lock", .why = "the VM is running for as long as QEMU holds this"});
  line.add("-name", Props().set("guest", profile.name.value).set("debug-threads", "on"),
           {.pointer = profile.name.pointer, .why = "the VM's name, also on QEMU's threads"});
  line.add("-uuid", machine.uuid.value, machine.uuid.cause);
  line.add("-nodefaults", "",
           {.rule = "nothing-hidden", .why = "no device that is not in this plan"});
  line.add("-no-user-config", "",
           {.rule = "nothing-hidden", .why = "no options from files outside this plan"});
  if (machine.qemu->has_option("sandbox"))
    line.add("-sandbox",
             Props("on")
                 .set("obsolete", "deny")
                 .set("elevateprivileges", "deny")
                 .set("spawn", "deny")
                 .set("resourcecontrol", "deny"),
             {.rule = "sandbox", .why = "QEMU may not start programs or change its rights"});
  line.add(
      "-S", "",
      {.rule = "paused-start", .why = "no guest instruction runs before everything is in place"});
  line.add("-msg", Props().set("timestamp", "on"),
           {.rule = "log", .why = "QEMU's messages carry their time"});
}

void emit_machine(const Machine& machine, const Props& specific, CommandLine& line) {
  const auto& flash = machine.flash;
  // A dump of a guest's memory is for the guest's owner, not for a core file.
  line.add(
      "-machine",
      Props(machine.type.value)
          .set("dump-guest-core", "off")
          .set("mem-merge", machine.wants_memory("merge") ? "on" : "off")
          .set_if(has_own_ram(machine), "memory-backend", "ram")
          .set_if(machine.confidential.has_value(), "confidential-guest-support", confidential_id)
          .set_if(flash.has_value(), "pflash0", "firmware-code")
          .set_if(flash && !flash->value.vars.empty(), "pflash1", "firmware-vars")
          .append(specific),
      machine.type.cause);
}

void emit_accelerator(const Machine& machine, CommandLine& line) {
  line.add("-accel", Props(machine.accelerator.value), machine.accelerator.cause);
}

void emit_cpus(const Machine& machine, std::string_view usual, CommandLine& line) {
  const auto& [settings, enforce, irqchip, keep_pit, el2, mte, memory, states] = machine.features;
  const auto has = [&](std::string_view name) {
    return std::ranges::find(settings, name, &CpuSetting::name) != settings.end();
  };
  Props cpu(machine.cpu_model.value);
  if (!usual.empty() && !has(usual)) cpu.set(usual, "on");
  for (const auto& [name, value, cause] : settings) cpu.set(name, value);
  // What QEMU cannot give is else a warning that nobody sees.
  if (enforce && !has("enforce")) cpu.set("enforce", "on");
  line.add("-cpu", cpu, machine.cpu_model.cause);
  if (!keep_pit)
    line.add("-global",
             Props()
                 .set("driver", "kvm-pit")
                 .set("property", "lost_tick_policy")
                 .set("value", "discard"),
             {.pointer = "/cpu_features/avic", .why = "re-injected ticks would inhibit AVIC"});

  const auto& [count, sockets, dies, cores, threads] = machine.cpus.value;
  line.add("-smp",
           Props()
               .set("cpus", count)
               .set("sockets", sockets)
               .set_if(dies > 1, "dies", dies)
               .set("cores", cores)
               .set("threads", threads),
           machine.cpus.cause);
}

void emit_flash(const Machine& machine, CommandLine& line) {
  if (!machine.flash) return;
  const auto& [flash, cause] = *machine.flash;
  const auto add = [&](std::string_view node, const std::string& path, const std::string& format,
                       bool read_only, const Cause& why) {
    const auto file = line.pass_file(read_only ? Handle::file : Handle::writable_file, path, why);
    line.add(
        "-blockdev",
        json::object{{"driver", format.empty() ? "raw" : format},
                     {"node-name", node},
                     {"read-only", read_only},
                     {"file", {{"driver", "file"}, {"filename", file}, {"read-only", read_only}}}},
        why);
  };
  add("firmware-code", flash.code, flash.code_format, true, cause);
  if (!flash.vars.empty())
    add("firmware-vars", flash.vars, flash.vars_format, false,
        {.pointer = cause.pointer,
         .rule = "variable-store",
         .why = "this guest's own UEFI variables, made from the matching template"});
  if (flash.smm)
    line.add("-global",
             Props().set("driver", "cfi.pflash01").set("property", "secure").set("value", "on"),
             {.pointer = cause.pointer,
              .rule = "secure-boot",
              .why = "only firmware in SMM may write the variables"});
}

void emit_kernel(const Machine& machine, CommandLine& line) {
  const auto& profile = machine.profile;
  if (machine.kernel.empty()) return;
  // QEMU takes these three as they are: a comma in them must not be doubled.
  line.add("-kernel", std::string_view(machine.kernel),
           {.pointer = profile.kernel.pointer, .why = "boot this kernel without a boot loader"});
  if (!machine.initrd.empty())
    line.add("-initrd", std::string_view(machine.initrd),
             {.pointer = profile.initrd.pointer, .why = "its initial RAM disk"});
  if (!profile.cmdline.value.empty())
    line.add("-append", std::string_view(profile.cmdline.value),
             {.pointer = profile.cmdline.pointer, .why = "its command line"});
}

void emit_monitors(const Machine& machine, CommandLine& line) {
  const auto add = [&](std::string_view id, std::string_view file, std::string_view why) {
    const Cause cause{.rule = "monitors", .why = std::string(why)};
    const auto fd = line.pass(Handle::listener, machine.run_file(file), cause);
    line.add("-chardev",
             Props("socket").set("id", id).set("fd", fd).set("server", "on").set("wait", "off"),
             cause);
    if (machine.qemu->has_type("monitor-qmp"))
      line.add(
          "-object",
          json::object{
              {"qom-type", "monitor-qmp"}, {"id", fmt::format("{}-monitor", id)}, {"chardev", id}},
          cause);
    else
      line.add("-mon", Props().set("chardev", id).set("mode", "control"), cause);
  };
  add("control", "monitor.sock", "for hvlaunch's own short commands");
  if (machine.profile.watch.value)
    add("watch", "watch.sock", "for `hvlaunch watch`: a second client of one monitor would wait");
}

void emit_clock(const Machine& machine, CommandLine& line) {
  const auto& os = machine.profile.os;
  const bool windows = machine.is_windows();
  const bool x86 = machine.profile.arch.value == profiles::Arch::x86_64;
  line.add(
      "-rtc",
      Props().set("base", windows ? "localtime" : "utc").set_if(windows && x86, "driftfix", "slew"),
      cause_of(os, "clock",
               windows ? "Windows keeps local time in the clock" : "the clock runs in UTC"));
}

void emit_extra(const Machine& machine, CommandLine& line) {
  for (const auto& [reason, arguments] : machine.profile.extra_arguments)
    for (const auto& argument : arguments)
      line.add(argument.value, "",
               {.pointer = argument.pointer, .why = "passed on unread: " + reason.value});
}

}  // namespace hv::plan
