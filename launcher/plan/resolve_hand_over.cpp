// SPDX-License-Identifier: MIT
#include "launcher/plan/resolver.h"

#include <algorithm>

namespace hv::plan {
namespace {

/// The functions of one entry of `hostdevs`.
std::vector<const vfio::Function*> functions_of(const Resolver& in, const Machine& machine,
                                                const profiles::HostDevice& device) {
  std::vector<const vfio::Function*> functions;
  for (const auto& passed : machine.passed)
    if (passed.cause.pointer == device.pointer)
      if (const auto* const function = in.host().devices.find(passed.address))
        functions.push_back(function);
  return functions;
}

std::vector<std::string> modules_for(const profiles::HandOver& wish,
                                     const std::vector<const vfio::Function*>& functions) {
  std::vector<std::string> modules;
  for (const auto& module : wish.modules) modules.push_back(vfio::module_name(module.value));
  if (!modules.empty()) return modules;
  for (const auto* const function : functions)
    if (modules = vfio::usual_modules(function->driver); !modules.empty()) break;
  return modules;
}

void add_steps(Machine& machine, std::vector<vfio::Release> releases, const Cause& cause) {
  for (auto& release : releases) {
    const bool known = std::ranges::any_of(machine.hand_over, [&](const Step& step) {
      return std::get<vfio::Release>(step.action) == release;
    });
    if (!known) machine.hand_over.push_back({std::move(release), cause});
  }
}

}  // namespace

void resolve_hand_over(Resolver& in, Machine& machine) {
  std::vector<vfio::PciAddress> given;
  for (const auto& passed : machine.passed) given.push_back(passed.address);
  const auto& stack = in.host().display;
  for (const auto& device : in.profile().host_devices) {
    const auto& wish = device.hand_over;
    const auto functions = functions_of(in, machine, device);
    // What a guest's driver has already, the host's screen is not on.
    if (!wish.enable.value || std::ranges::all_of(functions, &vfio::Function::has_guest_driver))
      continue;
    const auto modules = modules_for(wish, functions);
    for (auto error : vfio::judge_modules(stack, modules, given)) {
      error.origin.pointer = wish.enable.pointer;
      in.note(std::move(error));
    }
    add_steps(machine, vfio::hand_over(stack, modules),
              {.pointer = wish.enable.pointer,
               .why = fmt::format("so that nothing of the host's screen uses {}",
                                  to_string(functions.front()->address))});
  }
  if (!stack.display_manager.empty() && !machine.hand_over.empty())
    in.warn("screen-goes",
            fmt::format("{} is stopped, and with it every session on the host's screen: start this "
                        "guest from elsewhere, as a unit or by ssh",
                        stack.display_manager));
}

}  // namespace hv::plan
