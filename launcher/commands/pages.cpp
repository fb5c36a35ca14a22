// SPDX-License-Identifier: MIT
#include "launcher/commands/pages.h"

#include "launcher/commands/cli.h"

#include <fmt/format.h>

#include <array>

namespace hv::commands {
namespace {

constexpr std::array groups = {Group::guests, Group::profiles, Group::host, Group::stages};

template <class Visit>
void each_in(Group group, Visit visit) {
  for (const auto& command : all_commands())
    if (command.group == group) visit(command);
}

std::string replaced(std::string text, std::string_view what, std::string_view with) {
  for (auto at = text.find(what); at != std::string::npos; at = text.find(what, at + with.size()))
    text.replace(at, what.size(), with);
  return text;
}

/// `words` in bold.
std::string with_bold(std::string_view text) {
  std::string marked;
  bool bold = false;
  for (const char c : text) {
    if (c != '`') {
      marked += c;
      continue;
    }
    bold = !bold;
    marked += bold ? "\\fB" : "\\fP";
  }
  return marked;
}

/// A command line for mdoc: every dash is one that can be pasted.
std::string roff_line(std::string_view line) {
  std::string safe;
  for (const char c : line) {
    if (c == '-' || c == '\\') safe += '\\';
    safe += c;
  }
  return safe;
}

/// "<vm> [<word>]" with what stands between < and > in italics.
std::string roff_usage(std::string_view usage) {
  std::string text;
  for (const char c : roff(usage)) {
    if (c == '<')
      text += "\\fI";
    else if (c == '>')
      text += "\\fP";
    else
      text += c;
  }
  return text;
}

std::string sentence(std::string_view summary) {
  auto text = std::string(summary) + ".";
  if (text.front() >= 'a' && text.front() <= 'z')
    text.front() = static_cast<char>(text.front() - 'a' + 'A');
  return text;
}

std::string man_options(std::span<const Option> options) {
  std::string text;
  for (const auto& [name, argument, help] : options)
    text +=
        fmt::format(".It Fl \\-{}{}\n{}\n", roff_line(name),
                    argument.empty() ? "" : fmt::format(" Ar {}", argument), roff(sentence(help)));
  return text.empty() ? "" : ".Bl -tag -width Ds -compact\n" + text + ".El\n";
}

std::string man_command(const Command& command) {
  const auto usage = command.usage.empty() ? "" : " No " + roff_usage(command.usage);
  auto text =
      fmt::format(".It Nm {}{}\n{}\n", command.name, usage, roff(sentence(command.summary)));
  if (!command.description.empty()) text += roff(command.description) + "\n";
  text += man_options(command.options);
  for (const auto& [line, meaning] : command.examples)
    text += fmt::format(".Dl {}\n", roff_line(line));
  return text;
}

std::string markdown_options(std::span<const Option> options) {
  std::string text;
  for (const auto& [name, argument, help] : options)
    text += fmt::format("- `--{}{}{}`: {}\n", name, argument.empty() ? "" : " ", argument, help);
  return text;
}

std::string markdown_command(const Command& command) {
  auto text =
      fmt::format("\n### `hvlaunch {}{}{}`\n\n{}\n", command.name, command.usage.empty() ? "" : " ",
                  command.usage, sentence(command.summary));
  if (!command.description.empty()) text += fmt::format("\n{}\n", command.description);
  if (!command.options.empty()) text += "\n" + markdown_options(command.options);
  if (command.examples.empty()) return text;
  text += "\n```sh\n";
  for (const auto& [line, meaning] : command.examples)
    text += fmt::format("{:<52} # {}\n", line, meaning);
  return text + "```\n";
}

constexpr std::string_view man_head =
    ".\\\" Made by `hvlaunch document man`.\n"
    ".Dd November 21, 2026\n.Dt HVLAUNCH 1\n.Os\n"
    ".Sh NAME\n.Nm hvlaunch\n.Nd run QEMU virtual machines from JSON profiles\n"
    ".Sh SYNOPSIS\n.Nm\n.Op Fl \\-user\n.Op Fl \\-json\n.Ar command\n.Op Ar argument ...\n"
    ".Sh DESCRIPTION\n.Nm\ntranslates a VM's JSON profile into a QEMU command line\n"
    "and starts it, without libvirt and without a daemon.\n"
    "Root uses the system's directories; another user, or root with\n.Fl \\-user ,\n"
    "those of the XDG base directory specification.\n.Pp\n"
    "Results go to standard output, errors and messages to standard error.\n"
    "An error has an identifier that stays the same from release to release, in brackets.\n"
    ".Sh COMMANDS\n";

constexpr std::string_view man_files =
    ".Sh ENVIRONMENT\n.Bl -tag -width Ds\n"
    ".It Ev XDG_CONFIG_HOME , XDG_STATE_HOME , XDG_RUNTIME_DIR , XDG_CACHE_HOME\n"
    "For a user, the parents of the directories below.\n"
    ".It Ev XDG_DATA_DIRS\nWhere QEMU's firmware descriptors are looked for, too.\n"
    ".It Ev PATH\nWhere QEMU is looked for.\n"
    ".It Ev VISUAL , EDITOR\nThe editor of\n.Nm\n.Cm edit .\n.El\n"
    ".Sh FILES\nFor root:\n.Bl -tag -width Ds\n"
    ".It Pa /etc/hypervisor/vm-profiles , /var/lib/hypervisor/vm-profiles\nProfiles.\n"
    ".It Pa /etc/hypervisor/config.json\nNetwork zones.\n"
    ".It Pa /var/lib/hypervisor\nDisks, ISOs, firmware variables, records.\n"
    ".It Pa /run/hvlaunch/ Ns Ar vm\nLock, journal and sockets of a running guest.\n.El\n"
    ".Pp\nFor a user:\n.Bl -tag -width Ds\n"
    ".It Pa ~/.config/hvlaunch/vm-profiles\nProfiles.\n"
    ".It Pa ~/.config/hvlaunch/config.json\nNetwork zones.\n"
    ".It Pa ~/.local/state/hvlaunch\nDisks, ISOs, firmware variables, records.\n"
    ".It Pa $XDG_RUNTIME_DIR/hvlaunch/ Ns Ar vm\nLock, journal and sockets of a running guest.\n"
    ".El\n.Sh EXIT STATUS\n.Bl -tag -width Ds -compact\n";

}  // namespace

std::string roff(std::string_view text) {
  auto safe = replaced(std::string(text), "\\", "\\\\");
  safe = replaced(std::move(safe), "--", "\\-\\-");
  safe = replaced(std::move(safe), "…", "...");
  safe = replaced(with_bold(safe), ". ", ".\n");
  safe = replaced("\n" + safe, "\n.", "\n\\&.");
  return replaced(std::move(safe), "\n'", "\n\\&'").substr(1);
}

std::string man_page() {
  std::string text(man_head);
  for (const auto group : groups) {
    text += fmt::format(".Ss {}\n.Bl -tag -width Ds\n", title_of(group));
    each_in(group, [&](const Command& command) { text += man_command(command); });
    text += ".El\n";
  }
  text += ".Ss Options of all commands\n" + man_options(global_options());
  text += man_files;
  for (const auto& [status, meaning] : exit_statuses())
    text += fmt::format(".It {}\n{}\n", status, roff(sentence(meaning)));
  return text +
         ".El\n.Sh SEE ALSO\n.Xr hv 1 ,\n.Xr qemu-system-x86_64 1 ,\n.Xr hvlaunch-profile 5\n";
}

std::string cli_reference() {
  std::string text =
      "# Commands\n\n<!-- Made by `hvlaunch document cli.md`; `scripts/test` checks that it is "
      "true. -->\n\n`hvlaunch [--user] [--json] <command> …`. Results go to standard output, "
      "errors and messages to standard error.\n";
  for (const auto group : groups) {
    text += fmt::format("\n## {}\n", title_of(group));
    each_in(group, [&](const Command& command) { text += markdown_command(command); });
  }
  text += "\n## Options of all commands\n\n" + markdown_options(global_options());
  text += "\n## Exit statuses\n\n| status | meaning |\n|---|---|\n";
  for (const auto& [status, meaning] : exit_statuses())
    text += fmt::format("| {} | {} |\n", status, meaning);
  return text;
}

}  // namespace hv::commands
