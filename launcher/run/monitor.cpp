// SPDX-License-Identifier: MIT
#include "launcher/run/monitor.h"

#include "launcher/run/lock.h"
#include "launcher/run/process.h"
#include "launcher/run/records.h"

namespace hv::run {

Error error_of(const qmp::Error& error, std::string_view doing) {
  using Kind = qmp::Error::Kind;
  switch (error.kind) {
    case Kind::refused:
      return {.fault = Fault::failed,
              .id = "qemu-refused",
              .message = fmt::format("QEMU refuses {}: {}", doing, error.message),
              .hint = error.hint};
    case Kind::timed_out:
      return {.fault = Fault::timed_out,
              .id = "qemu-silent",
              .message = fmt::format("QEMU does not answer: {}", error.message),
              .hint = error.hint.empty()
                          ? "it may hang: `hvlaunch stop --force` or `hvlaunch kill` end it"
                          : error.hint};
    case Kind::closed:
    case Kind::malformed:
    case Kind::unsupported:
    case Kind::system: break;
  }
  return {.fault = Fault::failed,
          .id = "qmp",
          .message = fmt::format("{}: {}", doing, error.message),
          .hint = error.hint};
}

Error not_running(const Place& place) {
  if (is_locked(place.root, place.lock())) {
    const auto state = load_state(place);
    const auto pid = state ? state->pid : 0;
    if (is_taken_apart(place.root, static_cast<pid_t>(pid)))
      return {.fault = Fault::state,
              .id = "busy",
              .message = fmt::format(
                  "'{}' is stopping: the kernel still takes back what QEMU (process {}) had",
                  place.vm, pid),
              .hint = "wait; if it goes on for minutes, a device does not answer: see `dmesg`"};
    return {.fault = Fault::state,
            .id = "busy",
            .message = fmt::format("another hvlaunch starts '{}', or cleans up after it", place.vm),
            .hint = fmt::format("`hvlaunch status {}` tells when it is through", place.vm)};
  }
  return {.fault = Fault::state,
          .id = "not-running",
          .message = fmt::format("'{}' is not running", place.vm),
          .hint = fmt::format("start it: `hvlaunch start {}`", place.vm)};
}

Result<qmp::Client> connect_monitor(const Place& place, std::chrono::milliseconds timeout) {
  auto client = qmp::Client::connect(place.monitor(), {.timeout = timeout});
  if (client) return *std::move(client);
  if (!is_locked(place.root, place.lock())) return std::unexpected(not_running(place));
  return std::unexpected(error_of(client.error(), "connecting to the monitor"));
}

}  // namespace hv::run
