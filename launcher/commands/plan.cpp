// SPDX-License-Identifier: MIT
#include "launcher/plan/plan.h"

#include "launcher/base/text.h"
#include "launcher/commands/commands.h"
#include "launcher/commands/load.h"
#include "launcher/commands/output.h"
#include "launcher/plan/print.h"
#include "launcher/run/prepare.h"

#include <boost/json.hpp>

namespace hv::commands {
namespace {

/// Errors of files that the plan needs are shown with it: a plan is of use
/// before all is in place.
void report_files(const Context& context, const plan::Plan& plan) {
  const run::Place place{context.root, context.paths, plan.vm};
  for (const auto& error : run::check_files(place, plan)) warn(error.message);
}

bool matches(const plan::Argument& argument, const std::string& what) {
  return argument.option == what || argument.option == "-" + what ||
         argument.cause.origin().contains(what) || argument.value.contains(what);
}

}  // namespace

Outcome plan_command(Context& context, const Arguments& arguments) {
  const auto planned = load_plan(context, arguments.vm());
  if (!planned) return std::unexpected(planned.error());
  if (context.json) {
    print_json(plan::as_json(planned->plan));
    return {};
  }
  print(plan::as_text(planned->plan));
  report_files(context, planned->plan);
  return {};
}

Outcome explain_command(Context& context, const Arguments& arguments) {
  const auto planned = load_plan(context, arguments.vm());
  if (!planned) return std::unexpected(planned.error());
  auto chosen = planned->plan.arguments;
  if (arguments.operands.size() > 1)
    std::erase_if(chosen, [&](const plan::Argument& argument) {
      return !matches(argument, arguments.operands[1]);
    });
  if (chosen.empty())
    return failed({.fault = Fault::usage,
                   .id = "usage",
                   .message = fmt::format("no argument of '{}' has to do with '{}'",
                                          planned->plan.vm, arguments.operands[1]),
                   .hint = "name an option like -device, or a field like /memory_mb"});
  if (context.json)
    print_json(plan::as_json(chosen));
  else
    print(plan::explained(chosen));
  return {};
}

Outcome argv_command(Context& context, const Arguments& arguments) {
  const auto planned = load_plan(context, arguments.vm());
  if (!planned) return std::unexpected(planned.error());
  const auto argv = plan::argv_of(planned->plan);
  if (context.json) {
    print_json(boost::json::value_from(argv));
    return {};
  }
  std::string text;
  for (const auto& argument : argv) text += (text.empty() ? "" : " ") + shell_quote(argument);
  print(text + "\n");
  return {};
}

}  // namespace hv::commands
