// SPDX-License-Identifier: MIT
//
// `hvlaunch vfio <verb> …`: to add a verb, add a row here and its words to the
// usage in table.cpp.
#include "launcher/base/text.h"
#include "launcher/commands/commands.h"
#include "launcher/commands/vfio_bind.h"

#include <algorithm>
#include <array>

namespace hv::commands {
namespace {

struct Verb {
  std::string_view name;
  Outcome (*run)(Context&, const Arguments&);
};
constexpr std::array verbs = {Verb{"bind", vfio_bind}, Verb{"unbind", vfio_unbind}};

Error unknown_verb(const std::string& word) {
  std::vector<std::string_view> names;
  for (const auto& verb : verbs) names.push_back(verb.name);
  const auto near = nearest(word, names);
  return {.fault = Fault::usage,
          .id = "usage",
          .message = fmt::format("no command 'vfio {}'", printable(word)),
          .hint = near.empty() ? "`hvlaunch vfio --help` lists them"
                               : fmt::format("did you mean `hvlaunch vfio {}`?", near)};
}

}  // namespace

Outcome vfio_command(Context& context, const Arguments& arguments) {
  const auto& word = arguments.operands.front();
  const auto* const verb = std::ranges::find(verbs, word, &Verb::name);
  if (verb == verbs.end()) return failed(unknown_verb(word));
  auto rest = arguments;
  rest.operands.erase(rest.operands.begin());
  return verb->run(context, rest);
}

}  // namespace hv::commands
