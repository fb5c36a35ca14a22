// SPDX-License-Identifier: MIT
#include "launcher/base/text.h"
#include "launcher/plan/resolver.h"

#include <algorithm>

namespace hv::plan {
namespace {

/// "pc-q35" of "pc-q35-7.2"; a name without a version is its own family.
std::string_view family_of(std::string_view machine) {
  const auto dash = machine.rfind('-');
  const bool versioned = dash != std::string_view::npos && dash + 1 < machine.size() &&
                         machine[dash + 1] >= '0' && machine[dash + 1] <= '9';
  return versioned ? machine.substr(0, dash) : machine;
}

std::string default_machine(profiles::Arch arch) {
  return arch == profiles::Arch::x86_64 ? "q35" : "virt";
}

bool is_supported(profiles::Arch arch, std::string_view machine) {
  return family_of(machine) == (arch == profiles::Arch::x86_64 ? "pc-q35" : "virt");
}

/// The machine that a new guest gets, by its versioned name.
std::string newest(const Resolver& in, profiles::Arch arch) {
  const auto* const machine = in.qemu().find_machine(default_machine(arch));
  return machine == nullptr ? "" : machine->name;
}

/// The model that a guest gets without KVM if its profile names none.
std::string_view emulated_model(profiles::Arch arch) {
  switch (arch) {
    case profiles::Arch::x86_64:
    case profiles::Arch::aarch64: return "max";  // QEMU's own default is a 32-bit Cortex-A15.
    case profiles::Arch::riscv64: return "rv64";
    case profiles::Arch::loongarch64: return "la464";
  }
  std::unreachable();
}

void resolve_cpu_model(Resolver& in, Machine& machine) {
  const auto& wish = in.profile().cpu_model;
  if (wish.value.empty()) {
    machine.cpu_model =
        machine.kvm()
            ? Choice<std::string>{"host",
                                  {.rule = "cpu-model",
                                   .why = "with KVM, all that the host's CPU has"}}
            : Choice<std::string>{
                  std::string(emulated_model(in.profile().arch.value)),
                  {.rule = "cpu-model", .why = "the most capable model that TCG emulates well"}};
    return;
  }
  machine.cpu_model = {wish.value, {.pointer = wish.pointer, .why = "the profile's CPU model"}};
  if (wish.value == "baseline") return resolve_baseline(in, machine);
  if (wish.value == "host") {
    if (!machine.kvm())
      in.note({.fault = Fault::missing,
               .id = "no-kvm",
               .message = "the CPU model 'host' needs KVM: " + machine.accelerator.cause.why,
               .origin = {.pointer = wish.pointer},
               .hint = fmt::format("name a model that TCG has, such as '{}'",
                                   emulated_model(in.profile().arch.value))});
    return;
  }
  if (in.qemu().has_cpu_model(wish.value)) return;
  const std::vector<std::string_view> models(in.qemu().cpu_models.begin(),
                                             in.qemu().cpu_models.end());
  const auto near = nearest(wish.value, models);
  in.note({.fault = Fault::missing,
           .id = "no-cpu-model",
           .message = fmt::format("{} has no CPU model '{}'", in.qemu().binary, wish.value),
           .origin = {.pointer = wish.pointer},
           .hint = near.empty() ? "`hvlaunch caps` lists them"
                                : fmt::format("did you mean '{}'?", near)});
}

/// One socket of cores, or what the profile says; what it leaves out is one.
Cpus laid_out(std::uint64_t count, const profiles::Topology& wish) {
  const auto& [sockets, dies, cores, threads] = wish;
  if (!sockets.given() && !dies.given() && !cores.given() && !threads.given())
    return {.count = count, .cores = count};
  const auto at_least_one = [](const profiles::Sourced<std::uint64_t>& part) {
    return std::max<std::uint64_t>(part.value, 1);
  };
  return {.count = count,
          .sockets = at_least_one(sockets),
          .dies = at_least_one(dies),
          .cores = at_least_one(cores),
          .threads = at_least_one(threads)};
}

/// The same where the number is ours to choose: at most `count` in whole
/// multiples of what the profile says, as more cores or else more sockets.
Cpus fitted(std::uint64_t count, const profiles::Topology& wish) {
  auto cpus = laid_out(1, wish);
  const auto given = cpus.sockets * cpus.dies * cpus.cores * cpus.threads;
  const auto times = std::max<std::uint64_t>(count / given, 1);
  if (!wish.cores.given())
    cpus.cores = times;
  else if (!wish.sockets.given())
    cpus.sockets = times;
  cpus.count = cpus.sockets * cpus.dies * cpus.cores * cpus.threads;
  return cpus;
}

void warn_of_deprecated(Resolver& in, const Machine& machine) {
  const auto* const chosen = in.qemu().find_machine(machine.type.value);
  if (chosen != nullptr && chosen->deprecated)
    in.warn("deprecated-machine",
            fmt::format("machine type '{}' will go from QEMU soon; \"machine\": \"{}\" moves the "
                        "guest to newer hardware",
                        chosen->name, newest(in, in.profile().arch.value)));
}

}  // namespace

void resolve_machine_type(Resolver& in, Machine& machine) {
  const auto arch = in.profile().arch.value;
  const auto& wish = in.profile().machine;
  const auto wanted = !wish.value.empty() ? wish.value : default_machine(arch);
  const auto* const found = in.qemu().find_machine(wanted);
  if (found == nullptr || !is_supported(arch, found->name))
    return in.note(
        {.fault = Fault::missing,
         .id = "no-machine-type",
         .message = found == nullptr
                        ? fmt::format("{} has no machine type '{}'", in.qemu().binary, wanted)
                        : fmt::format("hvlaunch lays out no machine of type '{}'", wanted),
         .origin = {.pointer = wish.pointer},
         .hint = "use q35 on x86_64 and virt elsewhere, or one of their versions"});

  const auto& recorded = in.record().machine;
  const bool by_version = wish.value == found->name;
  if (recorded.empty() || by_version || family_of(recorded) != family_of(found->name)) {
    machine.type = {found->name,
                    cause_of(wish, "machine-type",
                             "versioned, and kept from the first start on, so that a QEMU "
                             "upgrade does not change the guest's hardware")};
  } else if (in.qemu().find_machine(recorded) != nullptr) {
    machine.type = {
        recorded, {.rule = "machine-type", .why = "what the guest has had since its first start"}};
  } else {
    in.note({.fault = Fault::missing,
             .id = "no-machine-type",
             .message = fmt::format(
                 "{} has no machine type '{}', which this guest has had since its first start",
                 in.qemu().binary, recorded),
             .hint = fmt::format("set \"machine\": \"{}\" to move the guest to new hardware",
                                 found->name)});
  }
  warn_of_deprecated(in, machine);
}

void resolve_cpus(Resolver& in, Machine& machine) {
  const auto& wish = in.profile().cpus;
  const auto count = wish.value.automatic
                         ? std::max({in.host().cpus / 4, wish.value.value, std::uint64_t{2}})
                         : wish.value.value;
  const auto& topology = in.profile().topology;
  machine.cpus = {wish.value.automatic ? fitted(count, topology) : laid_out(count, topology),
                  {.pointer = wish.pointer,
                   .why = wish.value.automatic ? "a quarter of this host's CPUs, at least two"
                                               : "the guest's vCPUs"}};
  if (const auto* const type = in.qemu().find_machine(machine.type.value);
      type != nullptr && machine.cpus.value.count > type->max_cpus)
    in.note({.fault = Fault::missing,
             .id = "too-many-cpus",
             .message = fmt::format("machine type '{}' takes at most {} vCPUs, not {}", type->name,
                                    type->max_cpus, machine.cpus.value.count),
             .origin = {.pointer = wish.pointer}});
  resolve_cpu_model(in, machine);
}

}  // namespace hv::plan
