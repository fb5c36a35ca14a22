// SPDX-License-Identifier: MIT
#include "launcher/commands/check_together.h"
#include "launcher/commands/commands.h"
#include "launcher/commands/load.h"
#include "launcher/commands/output.h"

#include <boost/json.hpp>

#include <algorithm>

namespace hv::commands {
namespace {

/// The profiles in a directory, or the one file that the operand means.
Result<std::vector<std::string>> files_of(const Context& context, const std::string& operand) {
  const auto path = TRY(find_profile(context, operand));
  const auto status = context.root.status(path);
  if (!status || !S_ISDIR(status->st_mode)) return std::vector<std::string>{path};
  std::vector<std::string> files;
  for (const auto& name : TRY(context.root.list(path)))
    if (name.ends_with(".json")) files.push_back(fmt::format("{}/{}", path, name));
  return files;
}

struct Checked {
  std::size_t files = 0;
  std::size_t wrong = 0;
  Errors errors;
};

void check_file(const Context& context, const std::string& path, Checked& checked) {
  ++checked.files;
  const auto source = read_profile_text(context, path);
  Errors errors;
  if (!source)
    errors = {source.error()};
  else if (auto profile = profiles::parse_profile(*source); !profile)
    errors = std::move(profile).error();
  if (!errors.empty()) ++checked.wrong;
  std::ranges::move(errors, std::back_inserter(checked.errors));
}

}  // namespace

Outcome check_command(Context& context, const Arguments& arguments) {
  auto operands = arguments.operands;
  if (arguments.has("all") && operands.empty()) return check_together(context);
  if (arguments.has("all"))
    return failed({.fault = Fault::usage,
                   .id = "usage",
                   .message = "--all is about all profiles: name none"});
  if (operands.empty())
    for (const auto& listed : list_profiles(context)) operands.push_back(listed.path);
  Checked checked;
  for (const auto& operand : operands) {
    const auto files = files_of(context, operand);
    if (!files) {
      checked.errors.push_back(files.error());
      continue;
    }
    for (const auto& file : *files) check_file(context, file, checked);
  }
  if (!checked.errors.empty()) {
    if (checked.files > 1)
      say(context, fmt::format("{} of {} profiles are wrong", checked.wrong, checked.files));
    return std::unexpected(std::move(checked.errors));
  }
  if (context.json)
    print_json(boost::json::object{{"checked", checked.files}, {"errors", boost::json::array()}});
  else
    print(checked.files == 1 ? "the profile is right\n"
                             : fmt::format("{} profiles are right\n", checked.files));
  return {};
}

}  // namespace hv::commands
