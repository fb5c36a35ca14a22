// SPDX-License-Identifier: MIT
#include "qmp/commands.h"

#include "qmp/read.h"

namespace qmp {
namespace {

namespace json = boost::json;

std::unexpected<Error> malformed(std::string_view command, const char* lacks) {
  return fail(Error::Kind::malformed,
              std::string(command) + ": the reply lacks " + std::string(lacks));
}

/// A list's elements, each read by `read`, which gives nothing for a bad one.
template <class T>
Result<std::vector<T>> each(std::string_view command, const json::value& list,
                            std::optional<T> (*read)(const json::value&)) {
  const auto* const elements = list.if_array();
  if (elements == nullptr) return malformed(command, "a list");
  std::vector<T> result;
  result.reserve(elements->size());
  for (const auto& element : *elements) {
    auto value = read(element);
    if (!value) return malformed(command, "a member that every element has");
    result.push_back(*std::move(value));
  }
  return result;
}

std::string text(const json::value& value, std::string_view key) {
  return string_at(value, key).value_or("");
}

bool flag(const json::value& value, std::string_view key) {
  return bool_at(value, key).value_or(false);
}

std::optional<std::string> name_of(const json::value& value) {
  return string_at(value, "name");
}

std::optional<Cpu> cpu_of(const json::value& value) {
  const auto index = uint_at(value, "cpu-index");
  const auto thread = uint_at(value, "thread-id");
  if (!index || !thread) return std::nullopt;
  return Cpu{.index = *index,
             .thread_id = static_cast<pid_t>(*thread),
             .qom_path = text(value, "qom-path")};
}

std::optional<Iothread> iothread_of(const json::value& value) {
  auto id = string_at(value, "id");
  const auto thread = uint_at(value, "thread-id");
  if (!id || !thread) return std::nullopt;
  return Iothread{.id = *std::move(id), .thread_id = static_cast<pid_t>(*thread)};
}

std::optional<BlockDevice> block_device_of(const json::value& value) {
  auto device = string_at(value, "device");
  if (!device) return std::nullopt;
  BlockDevice result{.device = *std::move(device), .qdev = text(value, "qdev"), .inserted = {}};
  const auto* const inserted = member_at(value, "inserted");
  if (inserted == nullptr) return result;
  const auto* const image = member_at(*inserted, "image");
  result.inserted = Medium{
      .node_name = text(*inserted, "node-name"),
      .driver = text(*inserted, "drv"),
      .file = text(*inserted, "file"),
      .size_bytes = image != nullptr ? uint_at(*image, "virtual-size").value_or(0) : 0,
      .read_only = flag(*inserted, "ro"),
  };
  return result;
}

std::optional<MachineType> machine_type_of(const json::value& value) {
  auto name = name_of(value);
  if (!name) return std::nullopt;
  return MachineType{
      .name = *std::move(name),
      .alias = text(value, "alias"),
      .is_default = flag(value, "is-default"),
      .deprecated = flag(value, "deprecated"),
      .hotpluggable_cpus = flag(value, "hotpluggable-cpus"),
      .cpu_max = uint_at(value, "cpu-max").value_or(0),
      .default_cpu_type = text(value, "default-cpu-type"),
  };
}

std::optional<CpuDefinition> cpu_definition_of(const json::value& value) {
  auto name = name_of(value);
  if (!name) return std::nullopt;
  CpuDefinition result{.name = *std::move(name),
                       .type_name = text(value, "typename"),
                       .deprecated = flag(value, "deprecated"),
                       .unavailable_features = {}};
  if (const auto* const features = array_at(value, "unavailable-features"))
    for (const auto& feature : *features)
      if (feature.is_string()) result.unavailable_features.emplace_back(feature.get_string());
  return result;
}

std::optional<CommandLineOption> option_of(const json::value& value) {
  auto option = string_at(value, "option");
  const auto* const parameters = array_at(value, "parameters");
  if (!option || parameters == nullptr) return std::nullopt;
  CommandLineOption result{.name = *std::move(option), .parameters = {}};
  for (const auto& parameter : *parameters) result.parameters.push_back(text(parameter, "name"));
  return result;
}

std::optional<QomType> qom_type_of(const json::value& value) {
  auto name = name_of(value);
  if (!name) return std::nullopt;
  return QomType{.name = *std::move(name),
                 .parent = text(value, "parent"),
                 .abstract = flag(value, "abstract")};
}

std::optional<Property> property_of(const json::value& value) {
  auto name = name_of(value);
  auto type = string_at(value, "type");
  if (!name || !type) return std::nullopt;
  return Property{.name = *std::move(name),
                  .type = *std::move(type),
                  .description = text(value, "description")};
}

}  // namespace

json::object PlainCommand::arguments() const {
  return {};
}

Result<PlainCommand::Reply> PlainCommand::read(const json::value& /*reply*/) {
  return Reply{};
}

json::object Query::arguments() const {
  return {};
}

Result<QueryStatus::Reply> QueryStatus::read(const json::value& reply) {
  const auto running = bool_at(reply, "running");
  auto status = string_at(reply, "status");
  if (!running || !status) return malformed(name, "'running' or 'status'");
  return Reply{.running = *running, .status = *std::move(status)};
}

Result<QueryVersion::Reply> QueryVersion::read(const json::value& reply) {
  const auto* const qemu = member_at(reply, "qemu");
  const auto major = qemu != nullptr ? uint_at(*qemu, "major") : std::nullopt;
  if (!major) return malformed(name, "'qemu'");
  return Reply{.major = static_cast<unsigned>(*major),
               .minor = static_cast<unsigned>(uint_at(*qemu, "minor").value_or(0)),
               .micro = static_cast<unsigned>(uint_at(*qemu, "micro").value_or(0)),
               .package = text(reply, "package")};
}

Result<QueryName::Reply> QueryName::read(const json::value& reply) {
  return Reply{.name = name_of(reply)};
}

Result<QueryTarget::Reply> QueryTarget::read(const json::value& reply) {
  auto arch = string_at(reply, "arch");
  if (!arch) return malformed(name, "'arch'");
  return Reply{.arch = *std::move(arch)};
}

Result<QueryKvm::Reply> QueryKvm::read(const json::value& reply) {
  const auto present = bool_at(reply, "present");
  const auto enabled = bool_at(reply, "enabled");
  if (!present || !enabled) return malformed(name, "'present' or 'enabled'");
  return Reply{.present = *present, .enabled = *enabled};
}

Result<QueryMemorySizeSummary::Reply> QueryMemorySizeSummary::read(const json::value& reply) {
  const auto base = uint_at(reply, "base-memory");
  if (!base) return malformed(name, "'base-memory'");
  return Reply{.base_bytes = *base, .plugged_bytes = uint_at(reply, "plugged-memory").value_or(0)};
}

Result<QueryBalloon::Reply> QueryBalloon::read(const json::value& reply) {
  const auto actual = uint_at(reply, "actual");
  if (!actual) return malformed(name, "'actual'");
  return Reply{.actual_bytes = *actual};
}

Result<QueryCpusFast::Reply> QueryCpusFast::read(const json::value& reply) {
  return each(name, reply, cpu_of);
}

Result<QueryIothreads::Reply> QueryIothreads::read(const json::value& reply) {
  return each(name, reply, iothread_of);
}

Result<QueryBlock::Reply> QueryBlock::read(const json::value& reply) {
  return each(name, reply, block_device_of);
}

Result<QueryMachines::Reply> QueryMachines::read(const json::value& reply) {
  return each(name, reply, machine_type_of);
}

Result<QueryCpuDefinitions::Reply> QueryCpuDefinitions::read(const json::value& reply) {
  return each(name, reply, cpu_definition_of);
}

Result<QueryCommands::Reply> QueryCommands::read(const json::value& reply) {
  return each(name, reply, name_of);
}

json::object QueryCommandLineOptions::arguments() const {
  if (option.empty()) return {};
  return {{"option", option}};
}

Result<QueryCommandLineOptions::Reply> QueryCommandLineOptions::read(const json::value& reply) {
  return each(name, reply, option_of);
}

json::object QomListTypes::arguments() const {
  json::object result;
  if (!implements.empty()) result["implements"] = implements;
  if (abstract) result["abstract"] = true;
  return result;
}

Result<QomListTypes::Reply> QomListTypes::read(const json::value& reply) {
  return each(name, reply, qom_type_of);
}

json::object QomListProperties::arguments() const {
  return {{"typename", type_name}};
}

Result<QomListProperties::Reply> QomListProperties::read(const json::value& reply) {
  return each(name, reply, property_of);
}

json::object QomList::arguments() const {
  return {{"path", path}};
}

Result<QomList::Reply> QomList::read(const json::value& reply) {
  return each(name, reply, property_of);
}

json::object QomGetNumber::arguments() const {
  return {{"path", path}, {"property", property}};
}

Result<QomGetNumber::Reply> QomGetNumber::read(const json::value& reply) {
  boost::system::error_code error;
  const auto number = reply.to_number<std::uint64_t>(error);
  if (error) return malformed(name, "a number");
  return number;
}

json::object DeviceListProperties::arguments() const {
  return {{"typename", type_name}};
}

Result<DeviceListProperties::Reply> DeviceListProperties::read(const json::value& reply) {
  return each(name, reply, property_of);
}

}  // namespace qmp
