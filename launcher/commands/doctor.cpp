// SPDX-License-Identifier: MIT
#include "launcher/commands/doctor.h"

#include "launcher/commands/commands.h"
#include "launcher/commands/output.h"

#include <boost/json.hpp>

namespace hv::commands {

Outcome doctor_command(Context& context, const Arguments& arguments) {
  std::vector<Report> reports;
  if (arguments.operands.empty()) {
    reports.push_back(report_on_host(load_doctor_facts(context)));
  } else {
    const auto facts = load_facts_for_guest(context);
    for (const auto& vm : arguments.operands)
      reports.push_back(TRY_OUTCOME(report_on_vm(context, facts, vm)));
  }

  boost::json::array list;
  for (const auto& report : reports) {
    if (report.count(host::Status::fail) != 0) context.status = static_cast<int>(Fault::missing);
    if (context.json)
      list.push_back(report_as_json(report));
    else
      print(report_text(report, charset_of(context), colours_of(context), line_width()));
  }
  if (context.json) print_json(list.size() == 1 ? std::move(list.front()) : std::move(list));
  return {};
}

}  // namespace hv::commands
