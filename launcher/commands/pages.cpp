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

/// Text for roff: a dot at the start of a line would be a macro.
std::string roff(std::string_view text) {
  std::string safe;
  for (const char c : text) {
    if (c == '\\') safe += '\\';
    safe += c;
  }
  return safe;
}

std::string man_options(std::span<const Option> options) {
  std::string text;
  for (const auto& [name, argument, help] : options)
    text += fmt::format(".It Fl \\-{}{}\n{}\n", name,
                        argument.empty() ? "" : fmt::format(" Ar {}", argument), roff(help));
  return text.empty() ? "" : ".Bl -tag -width Ds -compact\n" + text + ".El\n";
}

std::string man_command(const Command& command) {
  auto text = fmt::format(".It Nm {} Ar {}\n{}.\n", command.name, command.usage,
                          roff(command.summary));
  if (!command.description.empty()) text += roff(command.description) + "\n";
  text += man_options(command.options);
  for (const auto& [line, meaning] : command.examples)
    text += fmt::format(".Dl {}\n", roff(line));
  return text;
}

bool takes_vm(Operands operands) {
  return operands == Operands::vm || operands == Operands::vms ||
         operands == Operands::vm_and_words || operands == Operands::two_vms;
}

std::string words_of_commands() {
  std::string words;
  for (const auto& command : all_commands()) words += fmt::format("{} ", command.name);
  words.pop_back();
  return words;
}

/// The options of each command that has any, for a shell's `case`.
std::string option_cases(std::string_view format_of_case) {
  std::string text;
  for (const auto& command : all_commands()) {
    std::string options;
    for (const auto& option : command.options) options += fmt::format(" --{}", option.name);
    for (const auto& option : global_options()) options += fmt::format(" --{}", option.name);
    text += fmt::format(fmt::runtime(format_of_case), command.name, options.substr(1));
  }
  return text;
}

std::string vm_commands(std::string_view separator) {
  std::string words;
  for (const auto& command : all_commands())
    if (takes_vm(command.operands)) words += fmt::format("{}{}", words.empty() ? "" : separator, command.name);
  return words;
}

constexpr std::string_view list_names =
    "hvlaunch list --json 2>/dev/null | tr '{}' '\\n\\n' | sed -n 's/.*\"name\":\"\\([^\"]*\\)\".*/\\1/p'";

}  // namespace

std::string man_page() {
  std::string text =
      ".\\\" Made by `hvlaunch document man`.\n.Dd 2026\n.Dt HVLAUNCH 1\n.Os\n.Sh NAME\n"
      ".Nm hvlaunch\n.Nd run QEMU virtual machines from JSON profiles\n.Sh SYNOPSIS\n"
      ".Nm\n.Op Fl \\-user\n.Op Fl \\-json\n.Ar command\n.Op Ar argument ...\n.Sh DESCRIPTION\n"
      "hvlaunch translates a VM's JSON profile into a QEMU command line and starts it, without\n"
      "libvirt and without a daemon.\nRoot uses the system's directories; another user, or root\n"
      "with\n.Fl \\-user ,\nthose of the XDG base directory specification.\n.Pp\n"
      "Results go to standard output, errors and messages to standard error.\n.Sh COMMANDS\n";
  for (const auto group : groups) {
    text += fmt::format(".Ss {}\n.Bl -tag -width Ds\n", title_of(group));
    each_in(group, [&](const Command& command) { text += man_command(command); });
    text += ".El\n";
  }
  text += ".Sh OPTIONS OF ALL COMMANDS\n" + man_options(global_options());
  text += ".Sh EXIT STATUS\n.Bl -tag -width Ds -compact\n";
  for (const auto& [status, meaning] : exit_statuses())
    text += fmt::format(".It {}\n{}\n", status, meaning);
  return text + ".El\n.Sh FILES\n.Bl -tag -width Ds -compact\n"
                ".It Pa /etc/hypervisor/vm-profiles , /var/lib/hypervisor/vm-profiles\nprofiles\n"
                ".It Pa /var/lib/hypervisor\ndisks, ISOs, firmware variables, records\n"
                ".It Pa /run/hvlaunch/<vm>\nlock, journal and sockets of a running guest\n"
                ".El\n.Sh SEE ALSO\n.Xr qemu 1\n";
}

std::string cli_reference() {
  std::string text =
      "# Commands\n\n<!-- Made by `hvlaunch document cli.md`; `scripts/test` checks that it is "
      "true. -->\n\n`hvlaunch [--user] [--json] <command> …`. Results go to standard output, "
      "errors and messages to standard error.\n";
  for (const auto group : groups) {
    text += fmt::format("\n## {}\n", title_of(group));
    each_in(group, [&](const Command& command) {
      text += fmt::format("\n### `hvlaunch {}{}{}`\n\n{}.\n", command.name,
                          command.usage.empty() ? "" : " ", command.usage, command.summary);
      if (!command.description.empty()) text += fmt::format("\n{}\n", command.description);
      for (const auto& [name, argument, help] : command.options)
        text += fmt::format("\n- `--{}{}{}`: {}", name, argument.empty() ? "" : " ", argument, help);
      if (!command.options.empty()) text += "\n";
      if (command.examples.empty()) return;
      text += "\n```sh\n";
      for (const auto& [line, meaning] : command.examples)
        text += fmt::format("{:<52} # {}\n", line, meaning);
      text += "```\n";
    });
  }
  text += "\n## Options of all commands\n";
  for (const auto& [name, argument, help] : global_options())
    text += fmt::format("\n- `--{}`: {}", name, help);
  text += "\n\n## Exit statuses\n\n| status | meaning |\n|---|---|\n";
  for (const auto& [status, meaning] : exit_statuses())
    text += fmt::format("| {} | {} |\n", status, meaning);
  return text;
}

std::string bash_completion() {
  return fmt::format(
      "# bash completion for hvlaunch; made by `hvlaunch document bash`\n"
      "_hvlaunch() {{\n"
      "  local word=${{COMP_WORDS[COMP_CWORD]}} command= i\n"
      "  for ((i = 1; i < COMP_CWORD; i++)); do\n"
      "    [[ ${{COMP_WORDS[i]}} == -* ]] || {{ command=${{COMP_WORDS[i]}}; break; }}\n"
      "  done\n"
      "  local words=\n"
      "  if [[ -z $command ]]; then\n"
      "    words='{} --user --json --help --version'\n"
      "  elif [[ $word == -* ]]; then\n"
      "    case $command in\n{}    esac\n"
      "  else\n"
      "    case $command in {}) words=$({}) ;; esac\n"
      "  fi\n"
      "  mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$word\")\n"
      "}}\n"
      "complete -o default -F _hvlaunch hvlaunch\n",
      words_of_commands(), option_cases("      {}) words='{}' ;;\n"), vm_commands("|"),
      list_names);
}

std::string zsh_completion() {
  std::string commands;
  for (const auto& command : all_commands())
    commands += fmt::format("    '{}:{}'\n", command.name, command.summary);
  return fmt::format(
      "#compdef hvlaunch\n# made by `hvlaunch document zsh`\n"
      "_hvlaunch() {{\n  local -a commands=(\n{}  )\n"
      "  if ((CURRENT == 2)); then\n    _describe command commands\n    return\n  fi\n"
      "  case $words[2] in\n{}  esac\n"
      "  case $words[2] in {}) compadd -- ${{(f)\"$({})\"}} ;; *) _files ;; esac\n"
      "}}\n_hvlaunch \"$@\"\n",
      commands, option_cases("    {}) [[ $PREFIX == -* ]] && compadd -- {} ;;\n"),
      vm_commands("|"), list_names);
}

std::string fish_completion() {
  std::string text = "# fish completion for hvlaunch; made by `hvlaunch document fish`\n";
  for (const auto& command : all_commands()) {
    text += fmt::format("complete -c hvlaunch -n __fish_use_subcommand -f -a {} -d \"{}\"\n",
                        command.name, command.summary);
    for (const auto& [name, argument, help] : command.options)
      text += fmt::format(
          "complete -c hvlaunch -n '__fish_seen_subcommand_from {}' -l {}{} -d \"{}\"\n",
          command.name, name, argument.empty() ? "" : " -r",
          name == "set" ? "set a field" : help);
  }
  return text + fmt::format("complete -c hvlaunch -n '__fish_seen_subcommand_from {}' -f -a "
                            "\"({})\"\n",
                            vm_commands(" "), "hvlaunch list --json | string match -ra '(?<=\\\"name\\\":\\\")[^\\\"]*'");
}

}  // namespace hv::commands
