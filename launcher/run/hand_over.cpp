// SPDX-License-Identifier: MIT
#include "launcher/run/hand_over.h"

#include "launcher/run/program.h"
#include "vfio/attribute.h"
#include "vfio/bind.h"
#include "vfio/blocking.h"

#include <poll.h>

namespace hv::run {
namespace {

using std::chrono::steady_clock;

Result<> stop_unit(const Root& root, const std::string& unit, Journal& journal) {
  if (!vfio::unit_runs(root, unit)) return {};
  TRY(journal.record({.kind = Undo::Kind::start_unit, .path = unit}));
  return run_program({"systemctl", "stop", unit}, "systemd");
}

std::unexpected<Error> still_there(const std::string& what) {
  return std::unexpected(
      with_hint({.fault = Fault::failed,
                 .id = "not-obeyed",
                 .message = fmt::format("{} is still on the screen after it was taken off", what)},
                "the end of `dmesg` may say why"));
}

Result<> release_console(const Root& root, const std::string& console, Journal& journal) {
  const auto file = vfio::console_file(console);
  const auto bound = root.read(file);
  if (!bound || *bound != "1") return {};
  TRY(journal.record({.kind = Undo::Kind::write_value, .path = file, .value = "1"}));
  TRY(vfio::write_within(root, file, "0", vfio::bind_patience));
  const auto now = TRY(root.read(file));
  if (now == "0") return {};
  return still_there(fmt::format("the console {}", console));
}

bool has_framebuffer(const Root& root, const std::string& driver, const std::string& device) {
  return root.exists(fmt::format("{}/{}", driver, device));
}

Result<> release_framebuffer(const Root& root, const vfio::Release& step, Journal& journal) {
  const auto driver = vfio::platform_driver(step.driver);
  if (!has_framebuffer(root, driver, step.name)) return {};
  TRY(journal.record({.kind = Undo::Kind::bind_framebuffer, .path = driver, .value = step.name}));
  TRY(vfio::write_within(root, driver + "/unbind", step.name, vfio::bind_patience));
  if (!has_framebuffer(root, driver, step.name)) return {};
  return still_there(step.name);
}

/// What used it may be about to end: nothing tells when the kernel has counted
/// the last user off, so it is asked again.
Result<> unload(const std::string& name) {
  constexpr int pause_ms = 100;
  const auto deadline = steady_clock::now() + vfio::unload_patience;
  for (;;) {
    auto unloaded = vfio::unload_within(name, vfio::bind_patience);
    if (unloaded || unloaded.error().os_error != EAGAIN) return unloaded;
    if (steady_clock::now() > deadline) break;
    (void)::poll(nullptr, 0, pause_ms);
  }
  return std::unexpected(with_hint(
      {.fault = Fault::failed,
       .id = "module-stays",
       .message = fmt::format("the module '{}' is still in use after {} s", name,
                              vfio::unload_patience.count())},
      "end what has the device open: `fuser -v /dev/dri/* /dev/nvidia* /dev/snd/*` shows it"));
}

/// The functions first, so that they are undone last: the kernel has by then
/// given them to the driver that came back, or it is done for them.
Result<> unload_module(const Root& root, const vfio::Release& step, Journal& journal) {
  if (!root.exists(fmt::format("/sys/module/{}/initstate", step.name))) return {};
  for (const auto& function : step.functions) {
    const auto before = TRY(vfio::read_binding(root, function));
    TRY(journal.record({.kind = Undo::Kind::return_function,
                        .path = to_string(function),
                        .value = to_string(before)}));
  }
  TRY(journal.record({.kind = Undo::Kind::load_module, .path = step.name}));
  return unload(step.name);
}

}  // namespace

Result<> release(const Root& root, const vfio::Release& step, Journal& journal) {
  switch (step.part) {
    case vfio::Release::Part::display_manager: return stop_unit(root, step.name, journal);
    case vfio::Release::Part::console: return release_console(root, step.name, journal);
    case vfio::Release::Part::framebuffer: return release_framebuffer(root, step, journal);
    case vfio::Release::Part::module: return unload_module(root, step, journal);
  }
  std::unreachable();
}

Result<> start_unit(const std::string& unit) {
  return run_program({"systemctl", "start", unit}, "systemd");
}

Result<> bind_framebuffer(const Root& root, const Undo& entry) {
  // A driver for the card itself has taken it away for good: then nothing is to be shown on it.
  const bool is_there = root.exists("/sys/bus/platform/devices/" + entry.value);
  if (!is_there || has_framebuffer(root, entry.path, entry.value)) return {};
  auto bound = vfio::write_within(root, entry.path + "/bind", entry.value, vfio::bind_patience);
  if (!bound && has_framebuffer(root, entry.path, entry.value)) return {};
  return bound;
}

Result<> load_module(const Root& root, const std::string& name) {
  if (root.exists("/sys/module/" + name)) return {};
  return run_program({"modprobe", name}, "kmod");
}

}  // namespace hv::run
