// SPDX-License-Identifier: MIT
#include "launcher/run/monitor.h"

#include "launcher/run/lock.h"

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
