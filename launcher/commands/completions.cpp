// SPDX-License-Identifier: MIT
#include "launcher/base/text.h"
#include "launcher/commands/cli.h"
#include "launcher/commands/pages.h"
#include "profiles/description.h"

#include <fmt/format.h>

#include <algorithm>

namespace hv::commands {
namespace {

using Words = std::vector<std::string>;

bool takes_vm(const Command& command) {
  switch (command.operands) {
    case Operands::vm:
    case Operands::vms:
    case Operands::vm_and_words:
    case Operands::two_vms: return true;
    case Operands::none:
    case Operands::new_vm:
    case Operands::word:
    case Operands::devices:
    case Operands::some_devices: return false;
  }
  std::unreachable();
}

/// What may stand first: "start", and "vfio" once.
Words first_words() {
  Words words;
  for (const auto& command : all_commands()) {
    const auto family = family_of(command);
    std::string word(family.empty() ? command.name : family);
    if (std::ranges::find(words, word) == words.end()) words.push_back(std::move(word));
  }
  return words;
}

/// "list plan" of "vfio"; empty: it is a command itself.
std::string members_of(std::string_view family) {
  Words words;
  for (const auto& command : all_commands())
    if (family_of(command) == family) words.emplace_back(command.name.substr(family.size() + 1));
  return join(words, " ");
}

/// What may stand after a command whose usage lists it: "man | cli.md | …".
std::string choices_of(const Command& command) {
  if (command.operands != Operands::word || command.usage.contains('<')) return {};
  Words words;
  for (const auto word : split(command.usage, ' '))
    if (word != "|") words.emplace_back(word);
  return join(words, " ");
}

std::string options_of(const Command& command) {
  Words words;
  for (const auto& option : command.options) words.push_back(fmt::format("--{}", option.name));
  for (const auto& option : global_options()) words.push_back(fmt::format("--{}", option.name));
  return join(words, " ");
}

/// Fields as `--set` takes them: "network.mode".
std::string settable_fields() {
  Words words;
  for (const auto& field : profiles::field_descriptions()) {
    const bool only_members = field.type == profiles::FieldType::object && field.short_form.empty();
    if (field.pointer.empty() || field.pointer.contains('*') || only_members) continue;
    auto word = field.pointer.substr(1);
    for (auto& c : word)
      if (c == '/') c = '.';
    words.push_back(word + "=");
  }
  return join(words, " ");
}

/// A text in single quotes, for bash and zsh.
std::string quoted(std::string_view text) {
  std::string safe = "'";
  for (const char c : text)
    if (c == '\'')
      safe += "'\\''";
    else
      safe += c;
  return safe + "'";
}

/// The same for fish.
std::string fish_quoted(std::string_view text) {
  std::string safe = "'";
  for (const char c : text) {
    if (c == '\'' || c == '\\') safe += '\\';
    safe += c;
  }
  return safe + "'";
}

/// Commands that take a VM, as a pattern of bash's: 'start'|'autostart reset'.
std::string bash_vm_commands() {
  Words names;
  for (const auto& command : all_commands())
    if (takes_vm(command)) names.push_back(quoted(command.name));
  return join(names, "|");
}

/// The same as words of fish's, which sees each word of a line alone.
std::string fish_vm_commands() {
  Words names;
  for (const auto& command : all_commands())
    if (takes_vm(command)) names.emplace_back(command.name.substr(command.name.rfind(' ') + 1));
  return join(names, " ");
}

/// Names only, of the letters that names have: shells expand what they complete.
constexpr std::string_view list_names =
    "hvlaunch $user list --json 2>/dev/null | tr '{}' '\\n' |\n"
    "    sed -n 's/.*\"name\":\"\\([A-Za-z0-9._-]*\\)\".*/\\1/p'";

/// _arguments of zsh: an option and what it is for.
std::string zsh_option(const Option& option) {
  std::string help;
  for (const char c : option.help) {
    if (c == '[' || c == ']' || c == ':') help += '\\';
    help += c;
  }
  const auto argument = option.argument.empty() ? "" : fmt::format(":{}:", option.argument);
  const auto values = option.name == "set" ? "_hvlaunch_fields" : "";
  return quoted(fmt::format("*--{}[{}]{}{}", option.name, help, argument,
                            option.argument.empty() ? "" : values));
}

std::string zsh_arguments(const Command& command) {
  Words words;
  for (const auto& option : command.options) words.push_back(zsh_option(option));
  for (const auto& option : global_options()) words.push_back(zsh_option(option));
  if (takes_vm(command))
    words.emplace_back("'*:vm:_hvlaunch_vms'");
  else if (command.operands == Operands::new_vm)
    words.emplace_back("'1:name:'");
  else if (const auto choices = choices_of(command); !choices.empty())
    words.push_back(quoted(fmt::format("1:page:({})", choices)));
  else if (command.operands == Operands::word)
    words.emplace_back("'1:word:_files'");
  else if (command.operands != Operands::none)
    words.emplace_back("'*:address:'");
  return join(words, " ");
}

/// The word of a case: a command, or what stands behind "vfio".
std::string zsh_case(std::string_view word) {
  std::string members;
  Words names;
  for (const auto& command : all_commands()) {
    const auto family = family_of(command);
    if (command.name == word)
      return fmt::format("        {}) _arguments {} ;;\n", word, zsh_arguments(command));
    if (family != word) continue;
    const auto name = command.name.substr(family.size() + 1);
    names.push_back(quoted(fmt::format("{}:{}", name, command.summary)));
    members += fmt::format("            {}) _arguments {} ;;\n", name, zsh_arguments(command));
  }
  return fmt::format(
      "        {0})\n"
      "          if (( CURRENT == 2 )); then\n"
      "            local -a members=({1})\n"
      "            _describe command members\n"
      "          else\n"
      "            shift words; (( CURRENT-- ))\n"
      "            case $words[1] in\n{2}            esac\n"
      "          fi ;;\n",
      word, join(names, " "), members);
}

}  // namespace

std::string bash_completion() {
  std::string options;
  std::string choices;
  std::string families;
  for (const auto& command : all_commands()) {
    const auto name = quoted(command.name);
    options += fmt::format("    {}) words='{}' ;;\n", name, options_of(command));
    if (const auto words = choices_of(command); !words.empty())
      choices += fmt::format("    {}) words='{}' ;;\n", name, words);
  }
  const auto names = first_words();
  for (const auto& name : names)
    if (const auto members = members_of(name); !members.empty()) {
      choices += fmt::format("    {}) words='{}' ;;\n", name, members);
      families += (families.empty() ? "" : "|") + name;
    }
  return fmt::format(
      "# bash completion for hvlaunch; made by `hvlaunch document bash`\n"
      "_hvlaunch() {{\n"
      "  local word=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD - 1]}}\n"
      "  local command='' user='' words='' i\n"
      "  for ((i = 1; i < COMP_CWORD; i++)); do\n"
      "    case ${{COMP_WORDS[i]}} in\n"
      "    --user) user=--user ;;\n"
      "    -*) ;;\n"
      "    *) case $command in\n"
      "      '') command=${{COMP_WORDS[i]}} ;;\n"
      "      {}) command+=\" ${{COMP_WORDS[i]}}\" ;;\n"
      "      esac ;;\n"
      "    esac\n"
      "  done\n"
      "  if [[ -z $command ]]; then\n"
      "    words='{} --user --json --help --version'\n"
      "  elif [[ $before == --set ]]; then\n"
      "    words='{}'\n"
      "    compopt -o nospace\n"
      "  elif [[ $word == -* ]]; then\n"
      "    case $command in\n{}    esac\n"
      "  else\n"
      "    case $command in\n{}    {})\n      words=$({}) ;;\n    esac\n"
      "  fi\n"
      "  mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$word\")\n"
      "}}\n"
      "complete -o default -F _hvlaunch hvlaunch\n",
      families, join(names, " "), settable_fields(), options, choices, bash_vm_commands(),
      list_names);
}

std::string zsh_completion() {
  std::string commands;
  std::string cases;
  for (const auto& word : first_words()) {
    const std::span one(&word, 1);
    const auto* const command = find_command(one);
    commands += fmt::format(
        "    {}\n",
        quoted(fmt::format("{}:{}", word,
                           command == nullptr ? members_of(word) : std::string(command->summary))));
    cases += zsh_case(word);
  }
  return fmt::format(
      "#compdef hvlaunch\n# made by `hvlaunch document zsh`\n"
      "_hvlaunch_vms() {{\n"
      "  local user=\n"
      "  (( ${{hvlaunch_line[(I)--user]}} )) && user=--user\n"
      "  local -a names=(${{(f)\"$({})\"}})\n"
      "  compadd -a names || _files\n"
      "}}\n"
      "_hvlaunch_fields() {{ compadd -S '' -- {} }}\n"
      "_hvlaunch() {{\n"
      "  local curcontext=$curcontext state line\n"
      "  local -a hvlaunch_line=($words)\n"
      "  local -a commands=(\n{}  )\n"
      "  _arguments -C '--user[use your own profiles and state even as root]' \\\n"
      "    '--json[print the result as JSON]' '--help[explain hvlaunch]' \\\n"
      "    '--version[print the version]' '1:command:->command' '*::argument:->argument'\n"
      "  case $state in\n"
      "    command) _describe command commands ;;\n"
      "    argument)\n      case $words[1] in\n{}      esac ;;\n"
      "  esac\n"
      "}}\n_hvlaunch \"$@\"\n",
      list_names, settable_fields(), commands, cases);
}

std::string fish_completion() {
  std::string text =
      "# fish completion for hvlaunch; made by `hvlaunch document fish`\n"
      "function __hvlaunch_vms\n"
      "  set -l user (string match -- --user (commandline -opc))\n"
      "  hvlaunch $user[1] list --json 2>/dev/null |\n"
      "    string match -ra '(?<=\"name\":\")[A-Za-z0-9._-]*'\n"
      "end\n"
      "set -l fields " +
      settable_fields() + "\n";
  const auto complete = [&](std::string_view when, std::string_view what, std::string_view help) {
    text += fmt::format("complete -c hvlaunch -n '{}' {} -d {}\n", when, what, fish_quoted(help));
  };
  for (const auto& option : global_options())
    text +=
        fmt::format("complete -c hvlaunch -l {} -d {}\n", option.name, fish_quoted(option.help));
  for (const auto& word : first_words())
    if (const auto members = members_of(word); !members.empty())
      complete("__fish_use_subcommand", "-f -a " + word, members);
  for (const auto& command : all_commands()) {
    const std::string family(family_of(command));
    const auto name = command.name.substr(family.empty() ? 0 : family.size() + 1);
    const auto in_family = fmt::format("__fish_seen_subcommand_from {}; and ", family);
    const auto when =
        (family.empty() ? "" : in_family) + fmt::format("__fish_seen_subcommand_from {}", name);
    complete(family.empty() ? "__fish_use_subcommand"
                            : in_family + "not __fish_seen_subcommand_from " + members_of(family),
             fmt::format("-f -a {}", name), command.summary);
    for (const auto& [option, argument, help] : command.options)
      complete(when,
               fmt::format("-l {}{}", option,
                           option == "set"    ? " -x -a \"$fields\""
                           : argument.empty() ? ""
                                              : " -r"),
               help);
    if (const auto words = choices_of(command); !words.empty())
      complete(when, fmt::format("-f -a '{}'", words), "page");
  }
  return text + fmt::format(
                    "complete -c hvlaunch -n '__fish_seen_subcommand_from {}' -a "
                    "'(__hvlaunch_vms)' -d VM\n",
                    fish_vm_commands());
}

}  // namespace hv::commands
