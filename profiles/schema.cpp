// SPDX-License-Identifier: MIT
#include "profiles/schema.h"

#include "profiles/description.h"

#include <fmt/format.h>

#include <boost/json.hpp>

#include <span>
#include <utility>

namespace hv::profiles {
namespace {

namespace json = boost::json;
using Descriptions = std::span<const FieldDescription>;

/// `value` with a member or element a line; Boost.JSON only writes one line.
void print(const json::value& value, std::string& out, const std::string& indent = "\n") {
  const auto deeper = indent + "  ";
  auto separator = [&, first = true]() mutable {
    out += std::exchange(first, false) ? "" : ",";
    out += deeper;
  };
  if (const auto* const object = value.if_object(); object != nullptr && !object->empty()) {
    out += '{';
    for (const auto& member : *object) {
      separator();
      out += json::serialize(json::string(member.key())) + ": ";
      print(member.value(), out, deeper);
    }
    out += indent + '}';
  } else if (const auto* const array = value.if_array(); array != nullptr && !array->empty()) {
    out += '[';
    for (const auto& element : *array) {
      separator();
      print(element, out, deeper);
    }
    out += indent + ']';
  } else {
    out += json::serialize(value);
  }
}

json::value parsed(std::string_view text) {
  return json::parse(text);  // Our own examples and defaults: a test reads them all.
}

json::array either(json::object first, json::object second) {
  return {std::move(first), std::move(second)};
}

json::object number_schema(const FieldDescription& field) {
  json::object number{{"type", "integer"}, {"minimum", field.min}, {"maximum", field.max}};
  std::string pattern;
  if (!field.unit.empty()) pattern = "[0-9]+[KMGTP](iB)?";
  if (field.automatic)
    pattern += fmt::format("{}AUTO_DETECT(_MIN_[0-9]+)?", pattern.empty() ? "" : "|");
  if (pattern.empty()) return number;
  return {{"oneOf", either(std::move(number),
                           {{"type", "string"}, {"pattern", fmt::format("^({})$", pattern)}})}};
}

json::object wish_schema() {
  return {{"enum", json::array{true, "prefer", false}}};
}

/// Of an object whose names are not ours.
json::object map_schema(json::object member) {
  return {{"type", "object"}, {"patternProperties", {{"^_", true}, {"^(?!_)", std::move(member)}}}};
}

json::object schema_of(Descriptions& rest);

/// The schema of an object or a list; takes what it holds from `rest`.
json::object container_schema(const FieldDescription& field, Descriptions& rest) {
  json::object properties;
  json::array required;
  json::object items;
  const auto inside = field.pointer + "/";
  while (!rest.empty() && rest.front().pointer.starts_with(inside)) {
    const auto& child = rest.front();
    const auto name = child.pointer.substr(inside.size());
    if (child.required) required.emplace_back(name);
    auto schema = schema_of(rest);
    if (name == "*")
      items = std::move(schema);
    else
      properties[name] = std::move(schema);
  }
  if (field.type == FieldType::list) return {{"type", "array"}, {"items", std::move(items)}};

  const auto short_form =
      field.short_form.empty() ? json::object() : properties.at(field.short_form).as_object();
  json::object object{{"type", "object"},
                      {"properties", std::move(properties)},
                      // Names that begin with "_" are comments.
                      {"patternProperties", {{"^_", true}}},
                      {"additionalProperties", false}};
  if (!required.empty()) object["required"] = std::move(required);
  if (short_form.empty()) return object;
  return {{"oneOf", either(short_form, std::move(object))}};
}

json::object type_schema(const FieldDescription& field, Descriptions& rest) {
  switch (field.type) {
    case FieldType::flag: return {{"type", "boolean"}};
    case FieldType::wish: return wish_schema();
    case FieldType::number: return number_schema(field);
    case FieldType::word:
      return {{"type", "string"}, {"enum", json::array(field.words.begin(), field.words.end())}};
    case FieldType::text: {
      json::object text{{"type", "string"}};
      if (!field.pattern.empty()) text["pattern"] = field.pattern;
      return text;
    }
    case FieldType::map: return map_schema({{"type", "string"}});
    case FieldType::wishes: return map_schema(wish_schema());
    case FieldType::properties:
      return map_schema({{"type", json::array{"boolean", "integer", "string"}}});
    case FieldType::list:
    case FieldType::object: return container_schema(field, rest);
  }
  std::unreachable();
}

/// The schema of the first of `rest`, which it takes with all that is in it.
json::object schema_of(Descriptions& rest) {
  const auto& field = rest.front();
  rest = rest.subspan(1);
  json::object schema{{"description", field.doc.text}};
  for (auto& member : type_schema(field, rest)) schema[member.key()] = std::move(member.value());
  if (!field.fallback.empty()) schema["default"] = parsed(field.fallback);
  schema["examples"] = json::array{parsed(field.doc.example)};
  return schema;
}

// --- Markdown ---------------------------------------------------------------

std::string code(std::string_view text) {
  return fmt::format("`{}`", text);
}

std::string list_of_words(const FieldDescription& field) {
  std::string words;
  for (const auto word : field.words) words += (words.empty() ? "" : ", ") + code(word);
  return words;
}

std::string type_text(const FieldDescription& field) {
  switch (field.type) {
    case FieldType::flag: return "`true` or `false`";
    case FieldType::wish: return "`true`, `\"prefer\"` or `false`";
    case FieldType::number: {
      const auto unit = field.unit.empty() ? "" : fmt::format(" {}", field.unit);
      const auto automatic = field.automatic ? ", or `AUTO_DETECT`" : "";
      return fmt::format("number, {} to {}{}{}", field.min, field.max, unit, automatic);
    }
    case FieldType::word: return list_of_words(field);
    case FieldType::text: return field.form.empty() ? "text" : std::string(field.form);
    case FieldType::list: return "list";
    case FieldType::map: return "object of texts";
    case FieldType::wishes: return "object of toggles";
    case FieldType::properties: return "object of flags, numbers and texts";
    case FieldType::object:
      return field.short_form.empty()
                 ? "object"
                 : fmt::format("object, or its {} alone", code(field.short_form));
  }
  std::unreachable();
}

/// "/qemu/extra_args/*/reason" as people write it: "qemu.extra_args[].reason".
std::string dotted(std::string_view pointer) {
  std::string name;
  for (auto rest = pointer; !rest.empty();) {
    rest.remove_prefix(1);
    const auto step = rest.substr(0, rest.find('/'));
    if (step == "*")
      name += "[]";
    else
      name += fmt::format("{}{}", name.empty() ? "" : ".", step);
    rest.remove_prefix(step.size());
  }
  return name;
}

std::string row(const FieldDescription& field) {
  const auto fallback = field.required           ? std::string("required")
                        : field.fallback.empty() ? std::string()
                                                 : code(field.fallback);
  return fmt::format("| {} | {} | {} | {} | {} |\n", code(dotted(field.pointer)), type_text(field),
                     fallback, field.doc.text, code(field.doc.example));
}

constexpr std::string_view introduction = R"(# The profile

A VM is one JSON object in a file. This page is made from the code that reads it
(`hvlaunch document profile.md`); `hvlaunch schema` gives the same as a JSON Schema, for editors.

- Comments (`// …` and `/* … */`) and a comma after the last member are accepted. So is a member whose
  name begins with `_`, at any level: it is a comment too. Any other member that is not listed here is
  an error, as is one that occurs twice.
- Sizes are numbers of the unit that is named, or texts with a suffix: `8192` and `"8G"` are the same
  memory. `K`, `M`, `G`, `T` and `P` are powers of 1024.
- `AUTO_DETECT` leaves a number to hvlaunch; `AUTO_DETECT_MIN_6` does too, and wants 6 at least.
  `hvlaunch plan` shows what was chosen.
- Relative paths are below the state directory, those of ISOs below its `isos`. None may hold `..`.
- All problems of a profile are shown in one run: `hvlaunch check`.

| field | value | default | what it does | example |
|---|---|---|---|---|
)";

}  // namespace

std::string json_schema() {
  // The profile as a whole is described by nothing else than its members.
  FieldDescription whole{.pointer = "", .type = FieldType::object, .doc = {}};
  const auto& fields = field_descriptions();
  Descriptions rest = fields;
  json::object schema{{"$schema", "https://json-schema.org/draft/2020-12/schema"},
                      {"title", "hvlaunch profile"},
                      {"description", "A virtual machine"}};
  for (auto& member : container_schema(whole, rest)) schema[member.key()] = member.value();
  std::string out;
  print(schema, out);
  return out + "\n";
}

std::string profile_reference() {
  std::string out(introduction);
  for (const auto& field : field_descriptions()) out += row(field);
  return out;
}

}  // namespace hv::profiles
