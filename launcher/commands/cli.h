// SPDX-License-Identifier: MIT
//
// The command line as data. Parsing, --help, the man page, docs/cli.md and
// shell completion all follow from the one table in table.cpp.
#pragma once

#include "launcher/base/error.h"
#include "launcher/base/paths.h"
#include "launcher/base/root.h"

#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace hv::commands {

struct Option {
  std::string_view name;      ///< Without the dashes.
  std::string_view argument;  ///< "SECONDS"; empty: a flag.
  std::string_view help;
};

struct Example {
  std::string_view command;
  std::string_view meaning;
};

/// What stands after a command, for parsing and completion.
enum class Operands : std::uint8_t {
  none,
  vm,            ///< One VM's name, or the path of a profile.
  vms,           ///< Any number of those.
  vm_and_words,  ///< A VM, then whatever the command takes.
  new_vm,        ///< A name that is not taken.
  two_vms,
  word,          ///< At most one.
  devices,       ///< Any number of PCI addresses.
  some_devices,  ///< One or more.
};

enum class Group : std::uint8_t { guests, profiles, host, stages };

/// What a command gets to work with. No command reads the environment itself.
struct Context {
  Root root;
  Paths paths{};
  bool user = false;  ///< For one user, not for the system.
  bool json = false;
  bool terminal = false;  ///< Standard error is one, and may show progress.
  std::map<std::string, std::string, std::less<>> environment{};
  std::string directory{};  ///< The current one; empty: it was deleted.
  std::string program{};    ///< Path of this very program.
  int status = 0;           ///< Exit status of a command that did its work: 6 of `doctor`'s "no".

  [[nodiscard]] std::string variable(std::string_view name) const;
};

class Arguments {
 public:
  std::vector<std::string> operands;
  std::map<std::string, std::vector<std::string>, std::less<>> options;

  [[nodiscard]] bool has(std::string_view name) const { return options.contains(name); }
  [[nodiscard]] std::string value(std::string_view name, std::string_view fallback = "") const;
  [[nodiscard]] std::vector<std::string> values(std::string_view name) const;
  [[nodiscard]] const std::string& vm() const { return operands.front(); }
};

using Outcome = std::expected<void, Errors>;

// NOLINTNEXTLINE(clang-analyzer-optin.performance.Padding): the order in which a row reads.
struct Command {
  std::string_view name;  ///< One word, or two: "vfio list".
  Group group;
  std::string_view summary;  ///< One line, without a full stop.
  Operands operands;
  std::string_view usage;  ///< Of the operands: "<vm> [<command> [<arguments>]]".
  std::span<const Option> options;
  std::string_view description;  ///< A paragraph or two; may be empty.
  std::span<const Example> examples;
  Outcome (*run)(Context&, const Arguments&);
};

/// All commands, in the order of --help.
[[nodiscard]] std::span<const Command> all_commands();

/// The command that the words begin with; null: none.
[[nodiscard]] const Command* find_command(std::span<const std::string> words);

/// "vfio" of "vfio list"; empty: of one word.
[[nodiscard]] std::string_view family_of(const Command& command);

/// Options that every command takes.
[[nodiscard]] std::span<const Option> global_options();

[[nodiscard]] std::string_view title_of(Group group);

/// The exit statuses, for help and documents.
struct ExitStatus {
  int status;
  std::string_view meaning;
};
[[nodiscard]] std::span<const ExitStatus> exit_statuses();

/// Splits what stands after the command's name into options and operands.
[[nodiscard]] Result<Arguments> parse(const Command& command,
                                      const std::vector<std::string>& words);

[[nodiscard]] std::string help_of(const Command& command);
[[nodiscard]] std::string overview();

[[nodiscard]] inline Outcome failed(Error error) {
  return std::unexpected(Errors{std::move(error)});
}

/// A Result as a command's outcome.
template <class T>
[[nodiscard]] Outcome outcome_of(Result<T> result) {
  if (!result) return failed(std::move(result).error());
  return {};
}

}  // namespace hv::commands

/// TRY for functions that return an Outcome: the one error becomes a list.
#define TRY_OUTCOME(expression, ...)                                                               \
  __extension__({                                                                                  \
    auto&& try_result = (expression);                                                              \
    if (!try_result) [[unlikely]]                                                                  \
      return ::hv::commands::failed(                                                               \
          ::hv::in_context(std::move(try_result).error() __VA_OPT__(, fmt::format(__VA_ARGS__)))); \
    *std::move(try_result);                                                                        \
  })
