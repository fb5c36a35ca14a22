// SPDX-License-Identifier: MIT
//
// What can be said of hvlaunch from its own tables: schema, man page, shell
// completion, reference pages; and of QEMU from its own answers.
#include "launcher/commands/commands.h"
#include "launcher/commands/load.h"
#include "launcher/commands/output.h"
#include "launcher/commands/pages.h"
#include "profiles/schema.h"

#include <boost/json/value.hpp>

#include <array>

namespace hv::commands {
namespace {

struct Page {
  std::string_view name;
  std::string (*make)();
};
constexpr std::array pages = {
    Page{"man", man_page},         Page{"profile.5", profile_man_page},
    Page{"cli.md", cli_reference}, Page{"profile.md", profiles::profile_reference},
    Page{"bash", bash_completion}, Page{"zsh", zsh_completion},
    Page{"fish", fish_completion},
};

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

}  // namespace

Outcome schema_command(Context&, const Arguments&) {
  print(profiles::json_schema() + "\n");
  return {};
}

Outcome caps_command(Context& context, const Arguments& arguments) {
  const auto wanted = arguments.operands.empty() ? "x86_64" : arguments.operands.front();
  const auto binary = wanted.contains('/') ? wanted : "qemu-system-" + wanted;
  const auto capabilities = TRY_OUTCOME(load_capabilities(context, binary));
  print(context.json ? qemu::to_json(capabilities) : summary_of(capabilities));
  return {};
}

Outcome document_command(Context&, const Arguments& arguments) {
  const auto wanted = arguments.operands.empty() ? "" : arguments.operands.front();
  for (const auto& page : pages)
    if (page.name == wanted) {
      print(page.make());
      return {};
    }
  std::string names;
  for (const auto& page : pages) names += fmt::format(" {}", page.name);
  return failed({.fault = Fault::usage,
                 .id = "usage",
                 .message = fmt::format("no page '{}'", wanted),
                 .hint = "there are:" + names});
}

}  // namespace hv::commands
