// SPDX-License-Identifier: MIT
#include "launcher/run/start.h"

#include "launcher/base/text.h"
#include "launcher/run/boot_attempts.h"
#include "launcher/run/claims.h"
#include "launcher/run/cleanup.h"
#include "launcher/run/exec.h"
#include "launcher/run/group_sockets.h"
#include "launcher/run/host_ports.h"
#include "launcher/run/huge_pages.h"
#include "launcher/run/monitor.h"
#include "launcher/run/pins.h"
#include "launcher/run/prepare.h"
#include "launcher/run/process.h"
#include "launcher/run/program.h"
#include "launcher/run/qemu_errors.h"
#include "launcher/run/quarantine.h"

#include <fcntl.h>
#include <poll.h>

#include <algorithm>
#include <array>
#include <ctime>

namespace hv::run {
namespace {

struct Pipe {
  UniqueFd read;
  UniqueFd write;
};

Result<Pipe> make_pipe() {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) < 0) return fail_errno("make a pipe");
  // Out of the way of the numbers that QEMU's descriptors get.
  constexpr int out_of_the_way = 200;
  UniqueFd read(ends[0]);
  const UniqueFd low(ends[1]);
  UniqueFd write(::fcntl(low.get(), F_DUPFD_CLOEXEC, out_of_the_way));
  if (!write)
    return std::unexpected(
        with_hint(errno_error(errno, "make a pipe"), "allow more open files: `ulimit -n 1024`"));
  return Pipe{std::move(read), std::move(write)};
}

std::string read_all(int fd) {
  std::string text;
  std::array<char, 1024> buffer;
  for (;;) {
    const auto count = ::read(fd, buffer.data(), buffer.size());
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return text;
    text.append(buffer.data(), static_cast<std::size_t>(count));
  }
}

/// An error on its way from the child: its parts, separated by NUL.
std::string packed(const Error& error) {
  std::string text(1, static_cast<char>(error.fault));
  for (const auto* const part : {&error.id, &error.message, &error.hint}) text += *part + '\0';
  for (const auto& doing : error.while_doing) text += doing + '\0';
  return text;
}

Error unpacked(std::string_view text) {
  const auto parts = split(text.substr(1), '\0');
  if (parts.size() < 4)  // Cut short: the child was killed while it told.
    return {.id = "qemu-died", .message = "the process that was to become QEMU was killed"};
  Error error{.fault = static_cast<Fault>(text.front()),
              .id = std::string(parts[0]),
              .message = std::string(parts[1]),
              .hint = std::string(parts[2])};
  error.while_doing.assign(parts.begin() + 3, parts.end() - 1);
  return error;
}

/// Forks the process that becomes QEMU; returns when it has executed QEMU.
Result<Process> launch(const Place& place, const plan::Plan& plan, const UniqueFd& lock) {
  auto report = TRY(make_pipe());
  const auto pid = ::fork();
  if (pid < 0) return fail_errno("fork");
  if (pid == 0) {
    const auto text = packed(become_qemu(place, plan, lock.get()));
    (void)!::write(report.write.get(), text.data(), text.size());
    ::_exit(127);
  }
  auto child = TRY(Process::adopt(pid));
  report.write = UniqueFd();
  const auto text = read_all(report.read.get());  // Empty when execve closed the other end.
  if (!text.empty()) return std::unexpected(unpacked(text));
  return child;
}

/// The monitor of a QEMU that takes commands.
Result<qmp::Client> wait_until_up(const Place& place, const plan::Plan& plan, Process& child) {
  auto monitor = connect_monitor(place, start_patience);
  if (monitor || !child.has_ended_within(std::chrono::seconds(1))) return monitor;
  const auto ending = child.wait();
  return std::unexpected(start_failure(place, plan, ending ? describe_ending(*ending) : "ended"));
}

/// Starts `watch`; it writes to the other end of what this returns when
/// clients can connect to it. Nothing if the guest is to run without one.
Result<UniqueFd> begin_watch(const StartOptions& options) {
  if (options.watch_command.empty()) return UniqueFd();
  auto ready = TRY(make_pipe());
  TRY(leave_behind(options.watch_command, std::move(ready.write), options.environment),
      "starting `hvlaunch watch`");
  return std::move(ready.read);
}

Result<> await_watch(const UniqueFd& ready) {
  if (!ready) return {};
  pollfd said{.fd = ready.get(), .events = POLLIN, .revents = 0};
  constexpr int patience_ms = 30'000;
  int result = 0;
  while ((result = ::poll(&said, 1, patience_ms)) < 0 && errno == EINTR) continue;
  if (result == 0)
    return fail(Fault::timed_out, "no-watch", "`hvlaunch watch` does not attach to the guest");
  const auto words = read_all(ready.get());
  if (words == watch_is_up) return {};
  return fail(Fault::failed, "no-watch", "`hvlaunch watch` did not attach to the guest{}{}",
              words.empty() ? "" : ": ", words);
}

bool takes_huge_pages(const plan::Plan& plan) {
  return std::ranges::any_of(plan.steps, [](const plan::Step& step) {
    return std::holds_alternative<plan::HugePages>(step.action);
  });
}

Result<> run_stages(const Place& place, const plan::Plan& plan, const StartOptions& options,
                    const UniqueFd& lock, Journal& journal) {
  if (auto errors = check_files(place, plan); !errors.empty())
    return std::unexpected(std::move(errors.front()));
  const auto pools = TRY(claim_and_prepare(place, plan, journal));
  auto child = TRY(launch(place, plan, lock));  // Killed when this returns early.
  auto state = options.state;
  state.pid = child.pid();
  state.started_at = std::time(nullptr);
  TRY(save_state(place, state));
  // It comes up beside QEMU, and is there before the guest's first word.
  const auto watch_ready = TRY(begin_watch(options));
  auto monitor = TRY(wait_until_up(place, plan, child));
  TRY(await_watch(watch_ready));
  TRY(remember_machine(place, plan.record.machine));
  TRY(settle_in(place, child.pid(), monitor, plan.pins, journal, options.first_state));
  child.release();
  return {};
}

/// All of them, or what they did is undone.
Result<> run_or_undo(const Place& place, const plan::Plan& plan, const StartOptions& options,
                     const UniqueFd& lock) {
  auto journal = TRY(Journal::open(place.root, place.file("journal"), undo_for(place.paths)));
  auto started = run_stages(place, plan, options, lock, journal);
  if (started) {
    journal.keep();
    return started;
  }
  for (const auto& left : journal.rollback())
    started.error().message += fmt::format("; and not undone: {}", left.message);
  return started;
}

}  // namespace

Result<std::optional<Turn>> claim_and_prepare(const Place& place, const plan::Plan& plan,
                                              Journal& journal) {
  TRY(take_claims(place, plan.claims));
  TRY(require_free(plan.claims.ports));
  if (plan.watch) TRY(admit_groups(place));
  std::optional<Turn> pools;
  if (takes_huge_pages(plan)) pools.emplace(TRY(lock_pools(place)));
  TRY(prepare(place, plan, journal));
  return pools;
}

Error start_failure(const Place& place, const plan::Plan& plan, std::string_view ending) {
  constexpr std::size_t last_words = 4096;
  const auto log = place.root.read_end(place.file("qemu.log"), last_words).value_or("");
  return explain_qemu(log, ending, plan);
}

Result<> remember_machine(const Place& place, const std::string& machine) {
  auto record = TRY(load_record(place));
  if (record.machine == machine) return {};
  record.machine = machine;
  return save_record(place, record);
}

Result<> settle_in(const Place& place, pid_t qemu, qmp::Client& monitor,
                   const plan::ThreadPins& pins, Journal& journal, FirstState first_state) {
  TRY(set_pools_back(place.root, journal));  // QEMU has its pages.
  TRY(apply_pins(place.root, qemu, monitor, pins), "pinning the guest's threads");
  // Pinned before the guest's first instruction.
  if (first_state == FirstState::running) TRY(ask(monitor, qmp::Cont{}));
  return {};
}

Result<> start(const Place& place, const plan::Plan& plan, const StartOptions& options) {
  auto lock = TRY(claim(place));
  auto started = run_or_undo(place, plan, options, lock);
  (void)end_attempt(place);  // The host is up. At worst it is taken for another boot's.
  if (started) return started;
  // As if it had never been started: not even a cause of death.
  (void)place.root.remove(place.file("state.json"));
  (void)cleanup(place, std::move(lock), {});
  return started;
}

}  // namespace hv::run
