// SPDX-License-Identifier: MIT
//
// What a QEMU can do, from its own answers; and this host with it, as others read it.
#include "launcher/commands/commands.h"
#include "launcher/commands/load.h"
#include "launcher/commands/output.h"
#include "launcher/plan/host_record.h"

#include <boost/json.hpp>

namespace hv::commands {
namespace {

std::string summary_of(const qemu::Capabilities& qemu) {
  auto text = fmt::format("{}\n  version   {}\n  target    {}\n  KVM       {}\n", qemu.binary,
                          qemu.version, qemu.target, qemu.kvm ? "built in" : "not built in");
  text += fmt::format("  machines  {}\n", qemu.machines.size());
  for (const auto& machine : qemu.machines)
    if (!machine.alias.empty())
      text += fmt::format("            {} ({}), at most {} vCPUs\n", machine.alias, machine.name,
                          machine.max_cpus);
  text += fmt::format("  types     {}\n  commands  {}\n  CPU models\n", qemu.types.size(),
                      qemu.commands.size());
  std::string line;
  for (const auto& model : qemu.cpu_models) {
    if (line.size() + model.size() > 76) {
      text += "   " + line + "\n";
      line.clear();
    }
    line += " " + model;
  }
  return text + "   " + line + "\n";
}

/// A host's record, and beside it what its QEMU can do.
Result<std::string> exported(const Context& context, const qemu::Capabilities& capabilities) {
  plan::HostRecord record{.name = context.root.read("/proc/sys/kernel/hostname").value_or(""),
                          .architecture = capabilities.target,
                          .qemu_version = capabilities.version,
                          .cpu = host::read_cpu_facts(context.root),
                          .models = TRY(qemu::probe_models(capabilities.binary))};
  auto object = boost::json::parse(to_json(record)).as_object();
  object["qemu"] = boost::json::parse(qemu::to_json(capabilities));
  return boost::json::serialize(object) + "\n";
}

}  // namespace

Outcome caps_command(Context& context, const Arguments& arguments) {
  const auto wanted = arguments.operands.empty() ? "x86_64" : arguments.operands.front();
  const auto binary = wanted.contains('/') ? wanted : "qemu-system-" + wanted;
  const auto capabilities = TRY_OUTCOME(load_capabilities(context, binary));
  if (arguments.has("export"))
    print(TRY_OUTCOME(exported(context, capabilities)));
  else
    print(context.json ? qemu::to_json(capabilities) : summary_of(capabilities));
  return {};
}

}  // namespace hv::commands
