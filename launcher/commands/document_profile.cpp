// SPDX-License-Identifier: MIT
#include "launcher/base/text.h"
#include "launcher/commands/pages.h"
#include "profiles/schema.h"

#include <fmt/format.h>

#include <vector>

namespace hv::commands {
namespace {

constexpr std::string_view head =
    ".\\\" Made by `hvlaunch document profile.5`.\n"
    ".Dd November 22, 2026\n.Dt HVLAUNCH-PROFILE 5\n.Os\n"
    ".Sh NAME\n.Nm hvlaunch-profile\n.Nd a virtual machine as hvlaunch reads it\n"
    ".Sh DESCRIPTION\n"
    "A virtual machine is one JSON object in a file named after it.\n"
    ".Bl -bullet\n";

constexpr std::string_view tail =
    ".El\n.Sh FILES\n.Bl -tag -width Ds -compact\n"
    ".It Pa /etc/hypervisor/vm-profiles , /var/lib/hypervisor/vm-profiles\nFor root.\n"
    ".It Pa ~/.config/hvlaunch/vm-profiles\nFor a user.\n.El\n"
    ".Sh EXAMPLES\n"
    ".Dl {\\(dqname\\(dq: \\(dqweb\\(dq, \\(dqcpus\\(dq: 2, \\(dqmemory_mb\\(dq: 2048}\n"
    ".Sh SEE ALSO\n.Xr hvlaunch 1\n";

/// The cells of a row of Markdown's, without blanks around them.
std::vector<std::string_view> cells_of(std::string_view row) {
  constexpr std::string_view border = " | ";
  row.remove_prefix(2);
  row.remove_suffix(2);
  std::vector<std::string_view> cells;
  for (auto at = row.find(border); at != std::string_view::npos; at = row.find(border)) {
    cells.push_back(row.substr(0, at));
    row.remove_prefix(at + border.size());
  }
  cells.push_back(row);
  return cells;
}

/// "| `name` | a name | required | what it does | `"web"` |" as an item of a list.
std::string field_item(std::string_view row) {
  const auto cells = cells_of(row);
  if (cells.size() != 5) return {};
  auto text = fmt::format(".It {}\n{}.\n", roff(cells[0]), roff(cells[3]));
  text += fmt::format(".br\n{}", roff(cells[1]));
  if (cells[2] == "required")
    text += "; required";
  else if (!cells[2].empty())
    text += fmt::format("; default {}", roff(cells[2]));
  return text + fmt::format("; like {}\n", roff(cells[4]));
}

}  // namespace

// Of the rows of docs/profile.md, so that there is one account of each field.
std::string profile_man_page() {
  const auto page = profiles::profile_reference();
  std::string rules;
  std::string fields;
  for (const auto line : split(page, '\n')) {
    if (line.starts_with("- "))
      rules += fmt::format(".It\n{}\n", roff(line.substr(2)));
    else if (line.starts_with("  ") && !rules.empty())
      rules += roff(line.substr(2)) + "\n";
    else if (line.starts_with("| `"))
      fields += field_item(line);
  }
  return fmt::format("{}{}.El\n.Sh FIELDS\n.Bl -tag -width Ds\n{}{}", head, rules, fields, tail);
}

}  // namespace hv::commands
