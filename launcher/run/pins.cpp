// SPDX-License-Identifier: MIT
#include "launcher/run/pins.h"

#include "launcher/run/helpers.h"
#include "launcher/run/monitor.h"
#include "profiles/words.h"
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

int number_of(profiles::Policy policy) {
  switch (policy) {
    case profiles::Policy::other: return SCHED_OTHER;
    case profiles::Policy::batch: return SCHED_BATCH;
    case profiles::Policy::idle: return SCHED_IDLE;
    case profiles::Policy::fifo: return SCHED_FIFO;
    case profiles::Policy::rr: return SCHED_RR;
  }
  std::unreachable();
}

/// "fifo 1"; empty: it cannot be told.
std::string scheduler_of(pid_t thread) {
  const auto number = ::sched_getscheduler(thread);
  sched_param actual{};
  if (number < 0 || ::sched_getparam(thread, &actual) < 0) return {};
  for (const auto& [word, policy] : profiles::policy_words)
    if (number_of(policy) == (number & ~SCHED_RESET_ON_FORK))
      return plan::scheduler_text(policy, static_cast<std::uint64_t>(actual.sched_priority));
  return fmt::format("policy {}", number);
}

Result<> schedule(pid_t thread, const plan::ThreadPins& pins, const std::string& what) {
  if (pins.policy == profiles::Policy::other) return {};
  const auto wanted = plan::scheduler_text(pins.policy, pins.priority);
  const sched_param parameter{.sched_priority = static_cast<int>(pins.priority)};
  // What a vCPU's thread starts, as KVM does, is not to run before all else.
  if (::sched_setscheduler(thread, number_of(pins.policy) | SCHED_RESET_ON_FORK, &parameter) < 0) {
    auto error = errno_error(errno, fmt::format("give {} the scheduler '{}'", what, wanted));
    error.id = "no-scheduler";
    return std::unexpected(
        with_hint(std::move(error),
                  fmt::format("start the guest as root, or allow it: `{{user}} - rtprio {}` "
                              "in /etc/security/limits.d, or LimitRTPRIO={} in the unit",
                              pins.priority, pins.priority)));
  }
  if (const auto actual = scheduler_of(thread); actual != wanted)
    return fail(Fault::failed, "no-scheduler", "{} was to have the scheduler '{}', and has '{}'",
                what, wanted, actual);
  return {};
}

struct Wanted {
  std::string what;
  pid_t thread = 0;
  CpuSet cpus;
  std::string scheduler{};  ///< Empty: any will do.
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

/// vCPUs, I/O threads and vhost workers with the CPUs they are to have.
Result<std::vector<Wanted>> wanted_of(const Root& root, pid_t qemu, qmp::Client& monitor,
                                      const plan::ThreadPins& pins) {
  std::vector<Wanted> all;
  const auto scheduler = pins.policy == profiles::Policy::other
                             ? std::string()
                             : plan::scheduler_text(pins.policy, pins.priority);
  for (const auto& cpu : TRY(ask(monitor, qmp::QueryCpusFast{})))
    if (cpu.index < pins.vcpus.size())
      all.push_back(
          {fmt::format("vCPU {}", cpu.index), cpu.thread_id, pins.vcpus[cpu.index], scheduler});
  if (all.size() != pins.vcpus.size())
    return fail(Fault::failed, "not-pinned", "QEMU has {} vCPUs, and {} are to be pinned",
                all.size(), pins.vcpus.size());
  for (const auto& thread : TRY(ask(monitor, qmp::QueryIothreads{})))
    all.push_back({"I/O thread " + thread.id, thread.thread_id, pins.iothreads});
  std::ranges::move(TRY(thread_contexts(monitor, pins.emulator)), std::back_inserter(all));
  for (const auto& [what, thread] : vhost_workers(root, qemu))
    all.push_back({what, thread, pins.helpers});
  return all;
}

/// One of QEMU's threads; nothing if it has just ended.
std::optional<PinnedThread> look_at(const Wanted& wanted) {
  auto actual = affinity_of(wanted.thread);
  if (!actual && actual.error().os_error == ESRCH) return std::nullopt;
  return PinnedThread{.what = wanted.what,
                      .id = wanted.thread,
                      .intended = wanted.cpus,
                      .actual = std::move(actual).value_or(CpuSet()),
                      .intended_scheduler = wanted.scheduler,
                      .scheduler = scheduler_of(wanted.thread)};
}

}  // namespace

Result<> enter_emulator_cpus(const plan::ThreadPins& pins) {
  if (pins.vcpus.empty()) return {};
  return pin(0, pins.emulator, "QEMU");
}

Result<> enter_helper_cpus(const plan::ThreadPins& pins) {
  if (pins.vcpus.empty() || pins.helpers.empty()) return {};
  return pin(0, pins.helpers, "what helps the guest");
}

Result<> apply_pins(const Root& root, pid_t qemu, qmp::Client& monitor,
                    const plan::ThreadPins& pins) {
  if (pins.vcpus.empty()) return {};
  for (const auto& [what, thread, cpus, scheduler] : TRY(wanted_of(root, qemu, monitor, pins))) {
    TRY(pin(thread, cpus, what));
    if (!scheduler.empty()) TRY(schedule(thread, pins, what));
  }
  return {};
}

Result<std::vector<PinnedThread>> compare_pins(const Place& place, pid_t qemu, qmp::Client& monitor,
                                               const plan::ThreadPins& pins) {
  auto wanted = TRY(wanted_of(place.root, qemu, monitor, pins));
  const auto known = wanted.size();
  for (const auto& name : TRY(place.root.list(fmt::format("/proc/{}/task", qemu)))) {
    pid_t id = 0;
    std::from_chars(name.data(), name.data() + name.size(), id);
    if (std::ranges::find(wanted.begin(), wanted.begin() + static_cast<std::ptrdiff_t>(known), id,
                          &Wanted::thread) != wanted.begin() + static_cast<std::ptrdiff_t>(known))
      continue;
    const bool kernels = is_kernels_own(place.root, qemu, id);
    // KVM's housekeeper comes with the first vCPU that runs, and stays beside it.
    auto cpus = kernels ? affinity_of(id).value_or(CpuSet()) : pins.emulator;
    wanted.push_back({kernels ? "KVM" : "QEMU", id, std::move(cpus)});
  }
  for (const auto& [what, id] : helper_programs(place, qemu))
    wanted.push_back({what, id, pins.helpers});
  std::vector<PinnedThread> threads;
  for (const auto& thread : wanted)
    if (auto seen = look_at(thread)) threads.push_back(*std::move(seen));
  return threads;
}

}  // namespace hv::run
