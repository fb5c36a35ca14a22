// SPDX-License-Identifier: MIT
#include "launcher/qemu/capabilities.h"

#include "qmp/read.h"

#include <boost/json.hpp>

#include <algorithm>
#include <array>
#include <utility>

namespace hv::qemu {
namespace {

namespace json = boost::json;

bool contains(const std::vector<std::string>& sorted, std::string_view word) {
  return std::ranges::binary_search(sorted, word, {},
                                    [](const auto& entry) { return std::string_view(entry); });
}

json::array array_of(const std::vector<std::string>& texts) {
  json::array array;
  array.reserve(texts.size());
  for (const auto& text : texts) array.emplace_back(text);
  return array;
}

json::array machines_to_json(const std::vector<MachineType>& machines) {
  json::array array;
  for (const auto& [name, alias, default_cpu, max_cpus, deprecated] : machines) {
    json::object machine{{"name", name}};
    if (!alias.empty()) machine["alias"] = alias;
    if (!default_cpu.empty()) machine["default-cpu"] = default_cpu;
    machine["max-cpus"] = max_cpus;
    if (deprecated) machine["deprecated"] = true;
    array.push_back(std::move(machine));
  }
  return array;
}

json::object properties_to_json(const std::vector<TypeProperties>& types) {
  json::object object;
  for (const auto& [type, properties] : types) object[type] = array_of(properties);
  return object;
}

json::object models_to_json(const std::vector<ModelFeatures>& models) {
  json::object object;
  for (const auto& [name, on] : models) object[name] = array_of(on);
  return object;
}

/// Sorts what is not sorted yet: our own files are.
void ensure_sorted(std::vector<std::string>& texts) {
  if (!std::ranges::is_sorted(texts)) std::ranges::sort(texts);
}

std::unexpected<Error> damaged(std::string_view what) {
  return fail(Fault::failed, "bad-capabilities", "capabilities have no readable '{}'", what);
}

Result<std::vector<MachineType>> read_machines(const json::value& document) {
  const auto* const array = qmp::array_at(document, "machines");
  if (array == nullptr) return damaged("machines");
  std::vector<MachineType> machines;
  machines.reserve(array->size());
  for (const auto& entry : *array) {
    auto name = qmp::string_at(entry, "name");
    const auto max_cpus = qmp::uint_at(entry, "max-cpus");
    if (!name || name->empty() || !max_cpus) return damaged("machines");
    machines.push_back({.name = *std::move(name),
                        .alias = qmp::string_at(entry, "alias").value_or(""),
                        .default_cpu = qmp::string_at(entry, "default-cpu").value_or(""),
                        .max_cpus = *max_cpus,
                        .deprecated = qmp::bool_at(entry, "deprecated").value_or(false)});
  }
  return machines;
}

/// An object of lists of names, each as a T: its key and its list, sorted.
template <class T>
Result<std::vector<T>> read_lists(const json::value& document, std::string_view key) {
  const auto* const found = qmp::member_at(document, key);
  const auto* const object = found != nullptr ? found->if_object() : nullptr;
  if (object == nullptr) return damaged(key);
  std::vector<T> lists;
  lists.reserve(object->size());
  for (const auto& entry : *object) {
    auto names = qmp::strings_at(*found, entry.key());
    if (!names) return damaged(key);
    ensure_sorted(*names);
    lists.push_back({std::string(entry.key()), *std::move(names)});
  }
  return lists;
}

}  // namespace

bool ModelFeatures::has(std::string_view feature) const {
  return contains(on, feature);
}

std::string_view Capabilities::cpu_type() const {
  for (const auto& [type, names] : properties)
    if (type.ends_with("-cpu")) return type;
  return {};
}

const ModelFeatures* Capabilities::find_model(std::string_view name) const {
  const auto found = std::ranges::find(models, name, &ModelFeatures::name);
  return found != models.end() ? &*found : nullptr;
}

const ModelFeatures* Capabilities::most_capable() const {
  const auto* const host = find_model("host");
  return host != nullptr ? host : find_model("max");
}

bool Capabilities::has_type(std::string_view type) const {
  return contains(types, type);
}

bool Capabilities::has_command(std::string_view command) const {
  return contains(commands, command);
}

bool Capabilities::has_option(std::string_view option) const {
  return contains(options, option);
}

bool Capabilities::has_cpu_model(std::string_view model) const {
  return contains(cpu_models, model);
}

bool Capabilities::has_property(std::string_view type, std::string_view property) const {
  const auto found = std::ranges::find(properties, type, &TypeProperties::type);
  return found != properties.end() && contains(found->properties, property);
}

const MachineType* Capabilities::find_machine(std::string_view name_or_alias) const {
  // A name wins over an alias: QEMU looks machines up that way.
  for (const auto field : {&MachineType::name, &MachineType::alias})
    if (const auto found = std::ranges::find(machines, name_or_alias, field);
        found != machines.end() && !name_or_alias.empty())
      return &*found;
  return nullptr;
}

std::string to_json(const Capabilities& capabilities) {
  const auto& [binary, version, target, kvm, accelerator, machines, types, commands, options,
               cpu_models, properties, models] = capabilities;
  const std::array<std::pair<std::string_view, json::value>, 12> members = {{
      {"binary", json::string(binary)},
      {"version", json::string(version)},
      {"target", json::string(target)},
      {"kvm", kvm},
      {"accelerator", json::string(accelerator)},
      {"machines", machines_to_json(machines)},
      {"types", array_of(types)},
      {"commands", array_of(commands)},
      {"options", array_of(options)},
      {"cpu-models", array_of(cpu_models)},
      {"properties", properties_to_json(properties)},
      {"models", models_to_json(models)},
  }};
  // One line a member: small, and a recorded file's diff still shows what changed.
  std::string text;
  for (const auto& [key, value] : members)
    text += fmt::format("{}\"{}\":{}", text.empty() ? "{" : ",\n", key, json::serialize(value));
  return text + "}\n";
}

Result<Capabilities> capabilities_from_json(std::string_view text) {
  json::monotonic_resource memory;
  json::error_code error;
  const json::value document = json::parse(text, error, &memory);
  if (error) return fail(Fault::failed, "bad-capabilities", "not JSON: {}", error.message());

  Capabilities read;
  for (const auto& [key, target] :
       {std::pair("binary", &Capabilities::binary), std::pair("version", &Capabilities::version),
        std::pair("target", &Capabilities::target),
        std::pair("accelerator", &Capabilities::accelerator)}) {
    auto value = qmp::string_at(document, key);
    if (!value) return damaged(key);
    read.*target = *std::move(value);
  }
  const auto kvm = qmp::bool_at(document, "kvm");
  if (!kvm) return damaged("kvm");
  read.kvm = *kvm;
  for (const auto& [key, target] :
       {std::pair("types", &Capabilities::types), std::pair("commands", &Capabilities::commands),
        std::pair("options", &Capabilities::options),
        std::pair("cpu-models", &Capabilities::cpu_models)}) {
    auto values = qmp::strings_at(document, key);
    if (!values) return damaged(key);
    ensure_sorted(*values);
    read.*target = *std::move(values);
  }
  read.machines = TRY(read_machines(document));
  read.properties = TRY(read_lists<TypeProperties>(document, "properties"));
  read.models = TRY(read_lists<ModelFeatures>(document, "models"));
  return read;
}

}  // namespace hv::qemu
