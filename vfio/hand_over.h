// SPDX-License-Identifier: MIT
//
// What keeps a host's own screen on a graphics card, and what frees the card of
// it: the display manager, the text consoles, the firmware's framebuffer, the
// modules of its driver. Facts and a pure plan; launcher/run carries it out.
//
//   const auto stack = vfio::read_display_stack(root, {.modules = {"nvidia_drm"}});
//   for (const auto& step : vfio::hand_over(stack, {"nvidia_drm"})) …
#pragma once

#include "launcher/base/root.h"
#include "vfio/function.h"

#include <chrono>

namespace hv::vfio {

/// How long a module may stay in use after all that is known to use it has ended.
constexpr std::chrono::seconds unload_patience{20};

struct KernelModule {
  std::string name;
  bool loaded = false;                  ///< As a module; one that is built in is not.
  bool built_in = false;                ///< Or has no exit.
  std::vector<std::string> users{};     ///< Modules that need it.
  std::vector<PciAddress> functions{};  ///< That its drivers have.
};

/// A framebuffer of the firmware's making, and the driver that shows it.
struct Framebuffer {
  std::string driver;  ///< "efi-framebuffer"
  std::string device;  ///< "efi-framebuffer.0"
};

struct DisplayStack {
  std::string display_manager{};        ///< Its unit, if it runs; else empty.
  std::vector<std::string> consoles{};  ///< "vtcon1": bound, and drawn on a framebuffer.
  std::vector<Framebuffer> framebuffers{};
  std::vector<KernelModule> modules{};  ///< Of those asked for.
};

/// What to look for.
struct DisplayWish {
  std::string unit = "display-manager.service";  ///< Empty: none. An alias will do.
  std::vector<std::string> modules{};
};

[[nodiscard]] DisplayStack read_display_stack(const Root& root, const DisplayWish& wish);

/// Whether a unit of the system's has processes.
[[nodiscard]] bool unit_runs(const Root& root, const std::string& unit);

/// One step of a hand-over.
struct Release {
  enum class Part : std::uint8_t { display_manager, console, framebuffer, module };
  Part part = Part::display_manager;
  std::string name;                     ///< Unit, "vtcon1", "efi-framebuffer.0", module.
  std::string driver{};                 ///< Of a framebuffer.
  std::vector<PciAddress> functions{};  ///< Which a module takes with it.

  friend bool operator==(const Release&, const Release&) = default;
};

/// The steps in order; the way back is the reverse of it. `modules` are unloaded
/// as they are listed, those that are not there are left out.
[[nodiscard]] std::vector<Release> hand_over(const DisplayStack& stack,
                                             const std::vector<std::string>& modules);

/// Why modules cannot be unloaded in that order without taking more than the
/// functions `given` from the host. Errors: module-stays.
[[nodiscard]] Errors judge_modules(const DisplayStack& stack,
                                   const std::vector<std::string>& modules,
                                   const std::vector<PciAddress>& given);

/// The modules of a driver that is known to need their unloading, in order:
/// nvidia's hangs for ever in an unbinding while one of them uses it.
[[nodiscard]] std::vector<std::string> usual_modules(std::string_view driver);

/// As the kernel names it: "nvidia_drm" of "nvidia-drm".
[[nodiscard]] std::string module_name(std::string name);

/// "unload the module nvidia_drm", and "loaded again when the guest has ended".
[[nodiscard]] std::string describe(const Release& release);
[[nodiscard]] std::string describe_undo(const Release& release);

[[nodiscard]] inline std::string console_file(std::string_view console) {
  return "/sys/class/vtconsole/" + std::string(console) + "/bind";
}
[[nodiscard]] inline std::string platform_driver(std::string_view driver) {
  return "/sys/bus/platform/drivers/" + std::string(driver);
}

}  // namespace hv::vfio
