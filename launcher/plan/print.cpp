// SPDX-License-Identifier: MIT
#include "launcher/plan/print.h"

#include "launcher/base/text.h"

#include <fmt/format.h>
#include <boost/json.hpp>

namespace hv::plan {
namespace {

namespace json = boost::json;

std::string as_typed(const Argument& argument) {
  return argument.value.empty() ? shell_quote(argument.option)
                                : argument.option + " " + shell_quote(argument.value);
}

std::string_view word(Handle handle) {
  switch (handle) {
    case Handle::lock: return "the lock";
    case Handle::listener: return "listening on";
    case Handle::connection: return "connected to";
    case Handle::tap: return "a tap in bridge";
    case Handle::vhost_net:
    case Handle::vhost_vsock: return "open";
    case Handle::directory: return "the directory";
    case Handle::file: return "open to read";
    case Handle::writable_file: return "open to read and write";
    case Handle::direct_file: return "open to read and write past the host's cache";
  }
  std::unreachable();
}

json::object cause_json(const Cause& cause) {
  json::object object;
  if (!cause.pointer.empty()) object["pointer"] = cause.pointer;
  if (!cause.rule.empty()) object["rule"] = cause.rule;
  object["why"] = cause.why;
  return object;
}

json::object argument_json(const Argument& argument) {
  json::object object = {{"option", argument.option}};
  if (!argument.value.empty()) object["value"] = argument.value;
  for (const auto& member : cause_json(argument.cause)) object[member.key()] = member.value();
  return object;
}

/// Which host CPUs each thread gets.
std::string pins_text(const Plan& plan) {
  const auto& [vcpus, emulator, iothreads, helpers, policy, priority] = plan.pins;
  if (vcpus.empty()) return {};
  std::string text = "\nthreads, before the guest's first instruction:\n";
  for (std::size_t i = 0; i < vcpus.size(); ++i)
    text += fmt::format("  vCPU {:<3} on CPU {}\n", i, to_string(vcpus[i]));
  text += fmt::format("  QEMU     on CPU {}\n", to_string(emulator));
  if (helpers != emulator) text += fmt::format("  helpers  on CPU {}\n", to_string(helpers));
  if (policy != profiles::Policy::other)
    text += fmt::format("  the vCPUs by scheduler '{}'\n", scheduler_text(policy, priority));
  if (!plan.claims.cpus.empty())
    text += fmt::format("  no other guest gets CPU {}\n", to_string(plan.claims.cpus));
  return text;
}

std::string ready_text(const profiles::Ready& ready) {
  const auto& [kind, address, words, timeout] = ready;
  std::string when;
  switch (kind.value) {
    case profiles::ReadyKind::qmp: return {};
    case profiles::ReadyKind::agent: when = "its guest agent answers"; break;
    case profiles::ReadyKind::tcp: when = address.value + " takes connections"; break;
    case profiles::ReadyKind::serial_match:
      when = fmt::format("'{}' is on its console", printable(words.value));
      break;
  }
  return fmt::format("\nready when {}, which is waited for {} s\n", when, timeout.value);
}

json::object pins_json(const Plan& plan) {
  json::array vcpus;
  for (const auto& cpus : plan.pins.vcpus) vcpus.emplace_back(to_string(cpus));
  return {{"vcpus", std::move(vcpus)},
          {"emulator", to_string(plan.pins.emulator)},
          {"iothreads", to_string(plan.pins.iothreads)},
          {"helpers", to_string(plan.pins.helpers)},
          {"scheduler", scheduler_text(plan.pins.policy, plan.pins.priority)},
          {"exclusive", to_string(plan.claims.cpus)}};
}

std::string_view network_of(const Cage& cage) {
  if (cage.internet && cage.unix_sockets) return "IPv4, IPv6 and UNIX sockets";
  if (cage.internet) return "IPv4 and IPv6 sockets";
  return cage.unix_sockets ? "UNIX sockets" : "no socket of its own";
}

/// What QEMU can reach once it runs.
std::string cage_text(const Cage& cage) {
  if (cage.confinement == profiles::Confinement::off)
    return "\nno cage: QEMU may do all that its user may\n";
  std::string text = "\nbesides the descriptors, itself and its libraries, QEMU may only";
  text += cage.user == 0 ? ":\n" : fmt::format(", as user {} of this guest alone:\n", cage.user);
  for (const auto& grant : cage.grants)
    text += fmt::format("  {:<76}  # {}\n", describe(grant), grant.cause.origin());
  return text + fmt::format("  have {}\n", network_of(cage));
}

json::object cage_json(const Cage& cage) {
  json::array grants;
  for (const auto& grant : cage.grants) {
    auto object = cause_json(grant.cause);
    object["may"] = describe(grant);
    grants.push_back(std::move(object));
  }
  return {{"confine", profiles::to_string(cage.confinement)},
          {"user", cage.user == 0 ? json::value() : cage.user},
          {"grants", std::move(grants)},
          {"network", network_of(cage)}};
}

}  // namespace

std::string as_text(const Plan& plan) {
  auto text =
      fmt::format("{}: {} guest, {} vCPU{}, {} MiB, {} by QEMU {}\n\n  {}\n", plan.vm,
                  plan.architecture, plan.vcpus, plan.vcpus == 1 ? "" : "s", plan.memory_mib,
                  plan.accelerator, plan.qemu_version, shell_quote(plan.binary));
  for (const auto& argument : plan.arguments)
    text += fmt::format("  {:<76}  # {}\n", as_typed(argument), argument.cause.origin());
  text += "\ndescriptors that QEMU inherits:\n";
  for (const auto& [number, handle, path, cause] : plan.descriptors)
    text += fmt::format("  {:>2}  {} {}\n", number, word(handle), path);
  text += plan.steps.empty() ? "\nno change to the host beside these\n"
                             : "\nbefore QEMU starts, in this order:\n";
  for (std::size_t i = 0; i < plan.steps.size(); ++i)
    text += fmt::format("  {}. {}\n     undo: {}\n", i + 1, describe(plan.steps[i].action),
                        describe_undo(plan.steps[i].action));
  text += pins_text(plan);
  text += cage_text(plan.cage);
  if (plan.locked_memory_mib != 0)
    text += fmt::format("\nQEMU may lock {} MiB of memory\n", plan.locked_memory_mib);
  text += ready_text(plan.ready);
  if (!plan.features.empty()) text += "\nfeatures:\n";
  for (const auto& [name, state, detail, pointer] : plan.features)
    text += fmt::format("  {:<24} {}{}{}\n", name, state, detail.empty() ? "" : ": ", detail);
  if (!plan.warnings.empty()) text += "\n";
  for (const auto& [id, message] : plan.warnings)
    text += fmt::format("warning: {} [{}]\n", message, id);
  return text;
}

std::string explained(std::span<const Argument> arguments) {
  std::string text;
  for (const auto& argument : arguments)
    text += fmt::format("{}\n    from {}: {}\n", as_typed(argument), argument.cause.origin(),
                        argument.cause.why);
  return text;
}

json::value as_json(std::span<const Argument> arguments) {
  json::array list;
  for (const auto& argument : arguments) list.push_back(argument_json(argument));
  return list;
}

json::value as_json(const Plan& plan) {
  json::array descriptors;
  for (const auto& [number, handle, path, cause] : plan.descriptors)
    descriptors.push_back(json::object{{"number", number}, {"what", word(handle)}, {"path", path}});
  json::array steps;
  for (const auto& [action, cause] : plan.steps) {
    auto step = cause_json(cause);
    step["do"] = describe(action);
    step["undo"] = describe_undo(action);
    steps.push_back(std::move(step));
  }
  json::array features;
  for (const auto& [name, state, detail, pointer] : plan.features)
    features.push_back(
        json::object{{"name", name}, {"state", state}, {"detail", detail}, {"pointer", pointer}});
  json::array warnings;
  for (const auto& [id, message] : plan.warnings)
    warnings.push_back(json::object{{"id", id}, {"message", message}});
  return json::object{{"name", plan.vm},
                      {"architecture", plan.architecture},
                      {"accelerator", plan.accelerator},
                      {"binary", plan.binary},
                      {"qemu", plan.qemu_version},
                      {"vcpus", plan.vcpus},
                      {"memory_mib", plan.memory_mib},
                      {"uuid", plan.uuid},
                      {"arguments", as_json(std::span(plan.arguments))},
                      {"descriptors", std::move(descriptors)},
                      {"steps", std::move(steps)},
                      {"pins", plan.pins.vcpus.empty() ? json::value() : pins_json(plan)},
                      {"locked_memory_mib", plan.locked_memory_mib},
                      {"cage", cage_json(plan.cage)},
                      {"features", std::move(features)},
                      {"warnings", std::move(warnings)}};
}

}  // namespace hv::plan
