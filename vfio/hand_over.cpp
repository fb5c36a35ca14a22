// SPDX-License-Identifier: MIT
#include "vfio/hand_over.h"

#include "launcher/base/text.h"
#include "vfio/sysfs.h"

#include <algorithm>

namespace hv::vfio {
namespace {

/// Those that the firmware's screen may have. They must be free before another
/// driver may have the memory of the card.
constexpr std::string_view framebuffer_drivers[] = {"efi-framebuffer", "simple-framebuffer",
                                                    "vesa-framebuffer"};

/// The unit's own name, which its cgroup has: gdm.service of display-manager.service.
std::string own_name(const Root& root, const std::string& unit) {
  for (const auto* const directory : {"/etc/systemd/system", "/run/systemd/system",
                                      "/usr/lib/systemd/system", "/lib/systemd/system"})
    if (const auto target = link_name(root, fmt::format("{}/{}", directory, unit)); !target.empty())
      return target.ends_with(".service") ? target : unit;
  return unit;
}

KernelModule read_module(const Root& root, const std::string& name) {
  const auto path = "/sys/module/" + name;
  const bool there = root.exists(path);
  KernelModule module{.name = name};
  // One that is built in has a directory for its parameters only.
  module.loaded = there && root.exists(path + "/initstate");
  module.built_in = there && !module.loaded;
  module.users = names_in(root, path + "/holders");
  for (const auto& driver : names_in(root, path + "/drivers"))
    if (driver.starts_with("pci:"))
      for (const auto& entry : names_in(root, fmt::format("{}/drivers/{}", path, driver)))
        if (const auto address = parse_pci_address(entry)) module.functions.push_back(*address);
  std::ranges::sort(module.functions);
  return module;
}

const KernelModule* find(const DisplayStack& stack, const std::string& name) {
  const auto found = std::ranges::find(stack.modules, name, &KernelModule::name);
  return found == stack.modules.end() || !(found->loaded || found->built_in) ? nullptr : &*found;
}

Error stays(const std::string& name, std::string why, std::string hint) {
  return {.fault = Fault::missing,
          .id = "module-stays",
          .message = fmt::format("the module '{}' cannot be unloaded: {}", name, why),
          .hint = std::move(hint)};
}

}  // namespace

bool unit_runs(const Root& root, const std::string& unit) {
  // The second is systemd's own hierarchy where it has another one besides.
  for (const auto* const top : {"/sys/fs/cgroup", "/sys/fs/cgroup/systemd"}) {
    const auto group = fmt::format("{}/system.slice/{}", top, unit);
    if (!root.exists(group)) continue;
    const auto events = text_at(root, group + "/cgroup.events");
    return events.empty() || events.contains("populated 1");
  }
  return false;
}

DisplayStack read_display_stack(const Root& root, const DisplayWish& wish) {
  DisplayStack stack;
  if (!wish.unit.empty())
    if (auto unit = own_name(root, wish.unit); unit_runs(root, unit))
      stack.display_manager = std::move(unit);
  for (const auto& console : names_in(root, "/sys/class/vtconsole")) {
    const auto name = text_at(root, fmt::format("/sys/class/vtconsole/{}/name", console));
    if (name.contains("frame buffer") && text_at(root, console_file(console)) == "1")
      stack.consoles.push_back(console);
  }
  for (const auto driver : framebuffer_drivers)
    for (const auto& entry : names_in(root, platform_driver(driver)))
      if (entry.starts_with(driver)) stack.framebuffers.push_back({std::string(driver), entry});
  for (const auto& name : wish.modules) stack.modules.push_back(read_module(root, name));
  return stack;
}

std::vector<Release> hand_over(const DisplayStack& stack, const std::vector<std::string>& modules) {
  std::vector<Release> steps;
  if (!stack.display_manager.empty())
    steps.push_back({.part = Release::Part::display_manager, .name = stack.display_manager});
  for (const auto& console : stack.consoles)
    steps.push_back({.part = Release::Part::console, .name = console});
  for (const auto& [driver, device] : stack.framebuffers)
    steps.push_back({.part = Release::Part::framebuffer, .name = device, .driver = driver});
  for (const auto& name : modules)
    if (const auto* const module = find(stack, name); module != nullptr)
      steps.push_back(
          {.part = Release::Part::module, .name = name, .functions = module->functions});
  return steps;
}

Errors judge_modules(const DisplayStack& stack, const std::vector<std::string>& modules,
                     const std::vector<PciAddress>& given) {
  Errors errors;
  std::vector<std::string> gone;
  for (const auto& name : modules) {
    const auto* const module = find(stack, name);
    if (module == nullptr) continue;
    if (module->built_in)
      errors.push_back(stays(name, "it is built into this kernel", "leave it out of 'modules'"));
    for (const auto& user : module->users)
      if (std::ranges::find(gone, user) == gone.end())
        errors.push_back(stays(name, fmt::format("the module '{}' uses it", user),
                               fmt::format("name '{}' before it in 'modules'", user)));
    for (const auto& function : module->functions)
      if (std::ranges::find(given, function) == given.end())
        errors.push_back(stays(name, fmt::format("the host's {} needs it", to_string(function)),
                               "pass that device as well, or leave the module out of 'modules': "
                               "most drivers let go of one device by themselves"));
    gone.push_back(name);
  }
  return errors;
}

std::vector<std::string> usual_modules(std::string_view driver) {
  if (driver == "nvidia") return {"nvidia_drm", "nvidia_modeset", "nvidia_uvm", "nvidia"};
  return {};
}

std::string module_name(std::string name) {
  std::ranges::replace(name, '-', '_');
  return name;
}

std::string describe(const Release& release) {
  const auto& [part, name, driver, functions] = release;
  switch (part) {
    case Release::Part::display_manager: return fmt::format("stop the display manager {}", name);
    case Release::Part::console:
      return fmt::format("take the text console {} off the screen", name);
    case Release::Part::framebuffer: return fmt::format("take {} from '{}'", name, driver);
    case Release::Part::module: break;
  }
  std::vector<std::string> addresses;
  for (const auto& function : functions) addresses.push_back(to_string(function));
  return fmt::format("unload the module {}{}", name,
                     addresses.empty() ? "" : ", the driver of " + join(addresses, ", "));
}

std::string describe_undo(const Release& release) {
  switch (release.part) {
    case Release::Part::display_manager: return "started again when the guest has ended";
    case Release::Part::console: return "back on the screen when the guest has ended";
    case Release::Part::framebuffer:
      return fmt::format("back to '{}' when the guest has ended", release.driver);
    case Release::Part::module: break;
  }
  return release.functions.empty()
             ? "loaded again when the guest has ended"
             : "loaded again when the guest has ended, and the functions back to their drivers";
}

}  // namespace hv::vfio
