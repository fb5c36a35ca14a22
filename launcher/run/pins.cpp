// SPDX-License-Identifier: MIT
#include "launcher/run/pins.h"

#include "launcher/run/monitor.h"
#include "qmp/commands.h"

#include <sched.h>

#include <algorithm>
#include <charconv>
#include <memory>

namespace hv::run {
namespace {

constexpr int most_cpus = 8192;  // CONFIG_MAXSMP's NR_CPUS.

struct FreeMask {
  void operator()(cpu_set_t* mask) const { CPU_FREE(mask); }
};
using Mask = std::unique_ptr<cpu_set_t, FreeMask>;

Mask empty_mask() {
  Mask mask(CPU_ALLOC(most_cpus));
  CPU_ZERO_S(CPU_ALLOC_SIZE(most_cpus), mask.get());
  return mask;
}

Result<CpuSet> affinity_of(pid_t thread) {
  const auto mask = empty_mask();
  if (::sched_getaffinity(thread, CPU_ALLOC_SIZE(most_cpus), mask.get()) < 0)
    return fail_errno("read the affinity of thread {}", thread);
  std::vector<std::uint32_t> cpus;
  for (std::uint32_t cpu = 0; cpu < most_cpus; ++cpu)
    if (CPU_ISSET_S(cpu, CPU_ALLOC_SIZE(most_cpus), mask.get())) cpus.push_back(cpu);
  return CpuSet(std::move(cpus));
}

/// The kernel takes what the cpuset allows of the set, and says nothing of the rest.
Result<> pin(pid_t thread, const CpuSet& cpus, const std::string& what) {
  const auto mask = empty_mask();
  for (const auto cpu : cpus) CPU_SET_S(cpu, CPU_ALLOC_SIZE(most_cpus), mask.get());
  if (::sched_setaffinity(thread, CPU_ALLOC_SIZE(most_cpus), mask.get()) < 0) {
    auto error = errno_error(errno, fmt::format("pin {} to CPU {}", what, to_string(cpus)));
    return std::unexpected(with_hint(
        std::move(error),
        "the CPUs must be online, and in the cpuset of this session (`hvlaunch topology`)"));
  }
  if (const auto actual = TRY(affinity_of(thread)); actual != cpus)
    return std::unexpected(with_hint(
        {.fault = Fault::missing,
         .id = "not-pinned",
         .message = fmt::format("{} is to run on CPU {}, and the kernel lets it on CPU {}", what,
                                to_string(cpus), to_string(actual))},
        "a cpuset keeps the others from it: see AllowedCPUs= of its slice"));
  return {};
}

struct Wanted {
  std::string what;
  pid_t thread = 0;
  CpuSet cpus;
};

/// The threads that have cleared huge pages beside them, and are QEMU's own from now on.
Result<std::vector<Wanted>> thread_contexts(qmp::Client& monitor, const CpuSet& cpus) {
  std::vector<Wanted> all;
  for (const auto& object : TRY(ask(monitor, qmp::QomList{.path = "/objects"}))) {
    if (object.type != "child<thread-context>") continue;
    const auto thread = TRY(ask(
        monitor, qmp::QomGetNumber{.path = "/objects/" + object.name, .property = "thread-id"}));
    all.push_back({"QEMU", static_cast<pid_t>(thread), cpus});
  }
  return all;
}

/// vCPUs and I/O threads with the CPUs they are to have.
Result<std::vector<Wanted>> wanted_of(qmp::Client& monitor, const plan::ThreadPins& pins) {
  std::vector<Wanted> all;
  for (const auto& cpu : TRY(ask(monitor, qmp::QueryCpusFast{})))
    if (cpu.index < pins.vcpus.size())
      all.push_back({fmt::format("vCPU {}", cpu.index), cpu.thread_id, pins.vcpus[cpu.index]});
  if (all.size() != pins.vcpus.size())
    return fail(Fault::failed, "not-pinned", "QEMU has {} vCPUs, and {} are to be pinned",
                all.size(), pins.vcpus.size());
  for (const auto& thread : TRY(ask(monitor, qmp::QueryIothreads{})))
    all.push_back({"I/O thread " + thread.id, thread.thread_id, pins.iothreads});
  std::ranges::move(TRY(thread_contexts(monitor, pins.emulator)), std::back_inserter(all));
  return all;
}

}  // namespace

Result<> enter_emulator_cpus(const plan::ThreadPins& pins) {
  if (pins.vcpus.empty()) return {};
  return pin(0, pins.emulator, "QEMU");
}

Result<> apply_pins(qmp::Client& monitor, const plan::ThreadPins& pins) {
  if (pins.vcpus.empty()) return {};
  for (const auto& [what, thread, cpus] : TRY(wanted_of(monitor, pins)))
    TRY(pin(thread, cpus, what));
  return {};
}

Result<std::vector<PinnedThread>> compare_pins(const Root& root, pid_t pid, qmp::Client& monitor,
                                               const plan::ThreadPins& pins) {
  const auto wanted = TRY(wanted_of(monitor, pins));
  std::vector<PinnedThread> threads;
  for (const auto& name : TRY(root.list(fmt::format("/proc/{}/task", pid)))) {
    pid_t id = 0;
    std::from_chars(name.data(), name.data() + name.size(), id);
    const auto known = std::ranges::find(wanted, id, &Wanted::thread);
    const bool own = known == wanted.end();
    auto actual = affinity_of(id);
    if (!actual && actual.error().os_error == ESRCH) continue;  // It has just ended.
    threads.push_back({.what = own ? "QEMU" : known->what,
                       .id = id,
                       .intended = own ? pins.emulator : known->cpus,
                       .actual = std::move(actual).value_or(CpuSet())});
  }
  const auto order = [&](const PinnedThread& thread) {
    return std::ranges::find(wanted, thread.id, &Wanted::thread) - wanted.begin();
  };
  std::ranges::stable_sort(threads, {}, order);
  return threads;
}

}  // namespace hv::run
