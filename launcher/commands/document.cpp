// SPDX-License-Identifier: MIT
//
// What can be said of hvlaunch from its own tables: schema, man page, shell
// completion, reference pages.
#include "launcher/commands/commands.h"
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
    Page{"man", man_page},
    Page{"cli.md", cli_reference},
    Page{"profile.md", profiles::profile_reference},
    Page{"bash", bash_completion},
    Page{"zsh", zsh_completion},
    Page{"fish", fish_completion},
};

}  // namespace

Outcome schema_command(Context&, const Arguments&) {
  print(profiles::json_schema() + "\n");
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
