// SPDX-License-Identifier: MIT
#include "launcher/commands/commands.h"
#include "launcher/commands/load.h"
#include "launcher/commands/output.h"
#include "launcher/run/monitor.h"
#include "qmp/read.h"

#include <boost/json.hpp>

namespace hv::commands {
namespace {

namespace json = boost::json;

void report(const Context& context, const run::Place& place, std::string_view state) {
  if (context.json) print_json({{"name", place.vm}, {"state", state}});
  say(context, fmt::format("{} is {}", place.vm, state));
}

Outcome wrong_state(const run::Place& place, std::string_view state) {
  return failed({.fault = Fault::state,
                 .id = "wrong-state",
                 .message = fmt::format("'{}' is {} already", place.vm, state)});
}

/// Lets the vCPUs run, or stops them; to do it again is an error.
Outcome set_running(const Context& context, const Arguments& arguments, bool wanted) {
  const auto place = TRY_OUTCOME(guest_of(context, arguments.vm()));
  auto client = TRY_OUTCOME(run::connect_monitor(place));
  const auto status = TRY_OUTCOME(run::ask(client, ::qmp::QueryStatus{}));
  const std::string_view state = wanted ? "running" : "paused";
  if (status.running == wanted) return wrong_state(place, state);
  if (wanted)
    TRY_OUTCOME(run::ask(client, ::qmp::Cont{}));
  else
    TRY_OUTCOME(run::ask(client, ::qmp::Stop{}));
  report(context, place, state);
  return {};
}

/// The arguments of `hvlaunch qmp`: a JSON object, or name=value pairs whose
/// values are JSON, or else text.
Result<json::object> read_arguments(const std::vector<std::string>& words) {
  json::object arguments;
  for (const auto& word : words) {
    boost::system::error_code error;
    if (word.starts_with('{')) {
      auto value = json::parse(word, error);
      if (error || !value.is_object())
        return fail(Fault::usage, "usage", "'{}' is not a JSON object", word);
      for (auto& member : value.get_object()) arguments[member.key()] = member.value();
      continue;
    }
    const auto equals = word.find('=');
    if (equals == std::string::npos)
      return fail(Fault::usage, "usage", "'{}' is neither name=value nor a JSON object", word);
    auto value = json::parse(word.substr(equals + 1), error);
    arguments[word.substr(0, equals)] =
        error ? json::value(word.substr(equals + 1)) : std::move(value);
  }
  return arguments;
}

/// JSON with an indented line for each member, for people.
void pretty(const json::value& value, const std::string& indent, std::string& text) {
  const auto inner = indent + "  ";
  if (const auto* const object = value.if_object(); object != nullptr && !object->empty()) {
    text += '{';
    std::string_view separator = "\n";
    for (const auto& member : *object) {
      text += fmt::format("{}{}{}: ", separator, inner, json::serialize(member.key()));
      pretty(member.value(), inner, text);
      separator = ",\n";
    }
    text += "\n" + indent + "}";
  } else if (const auto* const array = value.if_array(); array != nullptr && !array->empty()) {
    text += '[';
    std::string_view separator = "\n";
    for (const auto& element : *array) {
      text += fmt::format("{}{}", separator, inner);
      pretty(element, inner, text);
      separator = ",\n";
    }
    text += "\n" + indent + "]";
  } else {
    text += json::serialize(value);
  }
}

}  // namespace

Outcome pause_command(Context& context, const Arguments& arguments) {
  return set_running(context, arguments, false);
}

Outcome resume_command(Context& context, const Arguments& arguments) {
  return set_running(context, arguments, true);
}

Outcome reset_command(Context& context, const Arguments& arguments) {
  const auto place = TRY_OUTCOME(guest_of(context, arguments.vm()));
  auto client = TRY_OUTCOME(run::connect_monitor(place));
  TRY_OUTCOME(run::ask(client, ::qmp::SystemReset{}));
  report(context, place, "reset");
  return {};
}

Outcome qmp_command(Context& context, const Arguments& arguments) {
  const auto place = TRY_OUTCOME(guest_of(context, arguments.vm()));
  if (arguments.operands.size() < 2) {
    print(place.file("qmp.sock") + "\n");
    return {};
  }
  const std::vector<std::string> words(arguments.operands.begin() + 2, arguments.operands.end());
  const auto object = TRY_OUTCOME(read_arguments(words));
  auto client = TRY_OUTCOME(run::connect_monitor(place));
  auto reply = client.execute(arguments.operands[1], object);
  if (!reply) return failed(run::error_of(reply.error(), arguments.operands[1]));
  if (context.json) {
    print_json(*reply);
    return {};
  }
  std::string text;
  pretty(*reply, "", text);
  print(text + "\n");
  return {};
}

}  // namespace hv::commands
