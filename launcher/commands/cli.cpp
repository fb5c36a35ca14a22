// SPDX-License-Identifier: MIT
#include "launcher/commands/cli.h"

#include "launcher/base/text.h"

#include <fmt/format.h>
#include <boost/program_options.hpp>

#include <algorithm>
#include <array>

namespace hv::commands {
namespace {

namespace po = boost::program_options;

constexpr std::array globals = {
    Option{"json", "", "print the result as JSON"},
    Option{"user", "", "use your own profiles and state even as root"},
    Option{"help", "", "explain the command"},
};

constexpr std::array statuses = {
    ExitStatus{0, "done"},
    ExitStatus{1, "the operation failed"},
    ExitStatus{2, "the command line is wrong"},
    ExitStatus{3, "the profile is invalid"},
    ExitStatus{4, "no such VM"},
    ExitStatus{5, "the VM is not in a state for this"},
    ExitStatus{6, "this host or its QEMU cannot provide what the profile needs"},
    ExitStatus{7, "permission denied"},
    ExitStatus{8, "timed out"},
    ExitStatus{70, "a bug in hvlaunch"},
};

/// Of no option's form: nobody can give one as --operand.
constexpr const char* operand = "<operand>";

struct Limits {
  std::size_t least;
  std::size_t most;
};

Limits limits_of(Operands operands) {
  constexpr auto any = static_cast<std::size_t>(-1);
  switch (operands) {
    case Operands::none: return {0, 0};
    case Operands::vm:
    case Operands::new_vm: return {1, 1};
    case Operands::vms:
    case Operands::devices: return {0, any};
    case Operands::vm_and_words:
    case Operands::some_devices: return {1, any};
    case Operands::two_vms: return {2, 2};
    case Operands::word: return {0, 1};
  }
  std::unreachable();
}

std::string_view missing_operand(Operands operands) {
  switch (operands) {
    case Operands::two_vms: return "two names are needed";
    case Operands::some_devices: return "the address of a PCI device is missing";
    default: return "the name of a VM is missing";
  }
}

Error usage_error(const Command& command, std::string message) {
  return {.fault = Fault::usage,
          .id = "usage",
          .message = std::move(message),
          .hint = fmt::format("`hvlaunch {} --help` explains it", command.name)};
}

/// "Start a guest." of "start a guest".
std::string sentence_of(std::string_view summary) {
  std::string text(summary);
  if (text.front() >= 'a' && text.front() <= 'z') text.front() -= 'a' - 'A';
  return text + ".";
}

po::options_description descriptions_of(const Command& command) {
  po::options_description all;
  const auto add = [&](const Option& option) {
    const std::string name(option.name);
    if (option.argument.empty())
      all.add_options()(name.c_str(), "");
    else
      all.add_options()(name.c_str(), po::value<std::vector<std::string>>(), "");
  };
  std::ranges::for_each(command.options, add);
  std::ranges::for_each(globals, add);
  all.add_options()(operand, po::value<std::vector<std::string>>());
  return all;
}

std::string options_text(std::span<const Option> options) {
  std::string text;
  for (const auto& [name, argument, help] : options) {
    const auto label =
        argument.empty() ? fmt::format("--{}", name) : fmt::format("--{} {}", name, argument);
    text += fmt::format("  {:<22} {}\n", label, help);
  }
  return text;
}

Error unknown_option(const Command& command, const std::string& option) {
  std::vector<std::string_view> names;
  for (const auto& known : command.options) names.push_back(known.name);
  for (const auto& known : globals) names.push_back(known.name);
  auto word = option;
  word.erase(0, word.find_first_not_of('-'));
  const auto near = nearest(word, names);
  return usage_error(command,
                     fmt::format("no option '{}'{}", option,
                                 near.empty() ? "" : fmt::format("; did you mean --{}?", near)));
}

}  // namespace

const Command* find_command(std::span<const std::string> words) {
  for (const auto& command : all_commands()) {
    const auto family = family_of(command);
    const auto rest = command.name.substr(family.empty() ? 0 : family.size() + 1);
    const auto first = family.empty() ? rest : family;
    if (words.empty() || words.front() != first) continue;
    if (family.empty() || (words.size() > 1 && words[1] == rest)) return &command;
  }
  return nullptr;
}

std::string_view family_of(const Command& command) {
  const auto space = command.name.find(' ');
  return space == std::string_view::npos ? "" : command.name.substr(0, space);
}

std::span<const Option> global_options() {
  return globals;
}
std::span<const ExitStatus> exit_statuses() {
  return statuses;
}

std::string_view title_of(Group group) {
  switch (group) {
    case Group::guests: return "Guests";
    case Group::profiles: return "Profiles";
    case Group::host: return "The host";
    case Group::stages: return "Stages of a start, for service managers";
  }
  std::unreachable();
}

std::string Context::variable(std::string_view name) const {
  const auto found = environment.find(name);
  return found == environment.end() ? "" : found->second;
}

std::string Arguments::value(std::string_view name, std::string_view fallback) const {
  const auto found = options.find(name);
  return found == options.end() || found->second.empty() ? std::string(fallback)
                                                         : found->second.back();
}

std::vector<std::string> Arguments::values(std::string_view name) const {
  const auto found = options.find(name);
  return found == options.end() ? std::vector<std::string>{} : found->second;
}

Result<Arguments> parse(const Command& command, const std::vector<std::string>& words) {
  // Program_options reports by exceptions; they end here.
  try {
    po::positional_options_description positional;
    positional.add(operand, -1);
    const auto descriptions = descriptions_of(command);
    namespace style = po::command_line_style;
    const auto parsed =
        po::command_line_parser(words)
            .options(descriptions)
            .positional(positional)
            .style(style::allow_long | style::long_allow_adjacent | style::long_allow_next)
            .run();
    Arguments arguments;
    for (const auto& [key, position, values, original, unknown, separated] : parsed.options) {
      auto& target = key == operand ? arguments.operands : arguments.options[key];
      target.insert(target.end(), values.begin(), values.end());
    }
    const auto [least, most] = limits_of(command.operands);
    if (arguments.has("help")) return arguments;
    if (arguments.operands.size() < least)
      return std::unexpected(usage_error(command, std::string(missing_operand(command.operands))));
    if (arguments.operands.size() > most)
      return std::unexpected(
          usage_error(command, fmt::format("'{}' is one word too many", arguments.operands[most])));
    return arguments;
  } catch (const po::unknown_option& error) {
    return std::unexpected(unknown_option(command, error.get_option_name()));
  } catch (const po::error& error) {
    return std::unexpected(usage_error(command, error.what()));
  }
}

std::string help_of(const Command& command) {
  auto text =
      fmt::format("usage: hvlaunch {} [options]{}{}\n\n{}\n", command.name,
                  command.usage.empty() ? "" : " ", command.usage, sentence_of(command.summary));
  if (!command.description.empty()) text += fmt::format("\n{}\n", command.description);
  text += "\nOptions:\n" + options_text(command.options) + options_text(globals);
  if (!command.examples.empty()) text += "\nExamples:\n";
  for (const auto& [line, meaning] : command.examples)
    text += fmt::format("  {:<48} {}\n", line, meaning);
  return text;
}

std::string overview() {
  std::string text =
      "hvlaunch runs QEMU virtual machines from JSON profiles: no libvirt, no daemon.\n\n"
      "usage: hvlaunch [--user] [--json] <command> …\n";
  for (const auto group : {Group::guests, Group::profiles, Group::host, Group::stages}) {
    text += fmt::format("\n{}:\n", title_of(group));
    for (const auto& command : all_commands())
      if (command.group == group)
        text += fmt::format("  {:<11} {}\n", command.name, command.summary);
  }
  return text + "\n`hvlaunch <command> --help` explains a command and shows examples.\n";
}

}  // namespace hv::commands
