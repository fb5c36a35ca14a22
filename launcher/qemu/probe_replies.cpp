// SPDX-License-Identifier: MIT
#include "launcher/qemu/probe_replies.h"

#include "qmp/read.h"

#include <boost/json.hpp>

#include <algorithm>
#include <array>

namespace hv::qemu {
namespace {

namespace json = boost::json;

// Asking for the properties of a type makes an instance of it, and QEMU dies on
// some: microvm-machine, virtio-gpu-* and virtio-vga-* whose module is not
// installed, x-remote-object (7.2). So: a short list, of harmless types only.
constexpr std::array<std::string_view, 15> devices = {
    "ivshmem-plain",    "intel-iommu",     "nvme",
    "pcie-root-port",   "pvpanic-pci",     "scsi-hd",
    "vfio-pci",         "vhost-vsock-pci", "virtio-blk-pci",
    "virtio-iommu-pci", "virtio-net-pci",  "virtio-balloon-pci",
    "virtio-rng-pci",   "virtio-scsi-pci", "virtio-serial-pci",
};

/// Objects whose properties come with new features of guests.
constexpr std::array<std::string_view, 4> objects = {"memory-backend-memfd", "sev-guest",
                                                     "sev-snp-guest", "tdx-guest"};

/// The type of the CPUs with most properties; of each target the first that it has.
constexpr std::array<std::string_view, 6> cpu_types = {"max-x86_64-cpu",    "max-arm-cpu",
                                                       "max-riscv-cpu",     "rv64-riscv-cpu",
                                                       "max-loongarch-cpu", "la464-loongarch-cpu"};

constexpr std::array<std::string_view, 2> machines_of_interest = {"q35", "virt"};

/// The options whose parameters come and go, and which hvlaunch uses.
constexpr std::array<std::string_view, 6> options_of_interest = {
    "action", "memory", "overcommit", "run-with", "sandbox", "smp-opts"};

// query-cpu-definitions would tell the models too, but takes as long as all
// the rest, and riscv64 lacks it in 7.2. query-qmp-schema is as slow.
const std::array first_requests = {
    qmp::Request{"query-version"},
    qmp::Request{"query-target"},
    qmp::Request{"query-machines"},
    qmp::Request{"qom-list-types", {{"abstract", false}}},
    qmp::Request{"qom-list-types", {{"implements", "cpu"}, {"abstract", false}}},
    qmp::Request{"query-commands"},
    qmp::Request{"query-command-line-options"},
    qmp::Request{"query-accelerators"},  // 10.2 and later,
    qmp::Request{"query-kvm"},           // which may lose this one some day.
};

/// The first round's replies by their place in it. The last two may be errors.
struct FirstReplies {
  const Reply &version, &target, &machines, &types, &cpu_types, &commands, &options, &accelerators,
      &kvm;
};

std::unexpected<Error> unreadable(std::string_view command) {
  return fail(Fault::missing, "qmp-garbage", "the reply to {} is not what QEMU sends", command);
}

Result<FirstReplies> check_first(const std::vector<Reply>& replies) {
  constexpr std::size_t required = 7;
  for (std::size_t i = 0; i < required; ++i)
    if (!replies.at(i) && !is_refusal(replies[i]))
      return std::unexpected(error_of(replies[i].error()));
    else if (!replies[i])
      return fail(Fault::missing, "qemu-too-old", "it refuses {}: {}", first_requests.at(i).name,
                  replies[i].error().message);
  return FirstReplies{replies.at(0), replies.at(1), replies.at(2), replies.at(3), replies.at(4),
                      replies.at(5), replies.at(6), replies.at(7), replies.at(8)};
}

/// The member `key` of each object in a list, sorted.
Result<std::vector<std::string>> names_in(const json::value& reply, std::string_view command,
                                          std::string_view key = "name") {
  const auto* const array = reply.if_array();
  if (array == nullptr) return unreadable(command);
  std::vector<std::string> names;
  names.reserve(array->size());
  for (const auto& entry : *array) {
    auto name = qmp::string_at(entry, key);
    if (!name) return unreadable(command);
    names.push_back(*std::move(name));
  }
  std::ranges::sort(names);
  names.erase(std::ranges::unique(names).begin(), names.end());
  return names;
}

/// "cortex-a57" of "cortex-a57-arm-cpu": QEMU names CPU types so on every target.
std::string model_of(std::string_view type) {
  if (!type.ends_with("-cpu")) return std::string(type);
  const auto family = type.substr(0, type.size() - 4).rfind('-');
  return std::string(type.substr(0, family));
}

Result<std::string> read_version(const json::value& reply) {
  const auto* const numbers = qmp::member_at(reply, "qemu");
  if (numbers == nullptr) return unreadable("query-version");
  const auto major = qmp::uint_at(*numbers, "major");
  const auto minor = qmp::uint_at(*numbers, "minor");
  const auto micro = qmp::uint_at(*numbers, "micro");
  if (!major || !minor || !micro) return unreadable("query-version");
  auto version = fmt::format("{}.{}.{}", *major, *minor, *micro);
  if (const auto package = qmp::string_at(reply, "package"); package && !package->empty())
    version += fmt::format(" ({})", *package);
  return version;
}

Result<std::vector<MachineType>> read_machines(const json::value& reply) {
  const auto* const array = reply.if_array();
  if (array == nullptr) return unreadable("query-machines");
  std::vector<MachineType> machines;
  for (const auto& entry : *array) {
    auto name = qmp::string_at(entry, "name");
    if (!name) return unreadable("query-machines");
    machines.push_back(
        {.name = *std::move(name),
         .alias = qmp::string_at(entry, "alias").value_or(""),
         .default_cpu = model_of(qmp::string_at(entry, "default-cpu-type").value_or("")),
         .max_cpus = qmp::uint_at(entry, "cpu-max").value_or(0),
         .deprecated = qmp::bool_at(entry, "deprecated").value_or(false)});
  }
  std::ranges::sort(machines, {}, &MachineType::name);
  return machines;
}

Result<std::vector<std::string>> read_options(const json::value& reply) {
  constexpr std::string_view command = "query-command-line-options";
  auto options = TRY(names_in(reply, command, "option"));
  std::erase(options, "");  // A nameless group of 7.2.
  for (const auto& entry : reply.get_array()) {
    const auto option = qmp::string_at(entry, "option").value_or("");
    const auto* const parameters = qmp::member_at(entry, "parameters");
    if (std::ranges::find(options_of_interest, option) == options_of_interest.end()) continue;
    if (parameters == nullptr) return unreadable(command);
    for (const auto& parameter : TRY(names_in(*parameters, command)))
      options.push_back(fmt::format("{}.{}", option, parameter));
  }
  std::ranges::sort(options);
  return options;
}

/// The accelerator that runs, of those that it was started with.
bool runs_kvm(const Reply& accelerators, const Reply& kvm) {
  if (accelerators) return qmp::string_at(*accelerators, "enabled").value_or("") == "kvm";
  return kvm && qmp::bool_at(*kvm, "enabled").value_or(false);
}

bool built_with_kvm(const Reply& accelerators, const Reply& kvm) {
  if (accelerators)
    if (const auto present = qmp::strings_at(*accelerators, "present"))
      return std::ranges::find(*present, "kvm") != present->end();
  return kvm && qmp::bool_at(*kvm, "present").value_or(false);
}

std::vector<std::string> models_of_interest(const Capabilities& found, const Question& question) {
  if (!found.has_command("query-cpu-model-expansion")) return {};
  std::vector<std::string> models = {found.accelerator == "kvm" ? "host" : "max"};
  if (const auto& model = question.cpu_model; !model.empty() && model != models.front())
    models.push_back(model);
  return models;
}

}  // namespace

std::span<const qmp::Request> first_round() {
  return first_requests;
}

Error error_of(const qmp::Error& error) {
  switch (error.kind) {
    case qmp::Error::Kind::closed:
      return {.fault = Fault::missing, .id = "qmp-closed", .message = error.message};
    case qmp::Error::Kind::timed_out:
      return {.fault = Fault::timed_out, .id = "qmp-timeout", .message = error.message};
    case qmp::Error::Kind::refused:
    case qmp::Error::Kind::malformed:
    case qmp::Error::Kind::unsupported:
    case qmp::Error::Kind::system: break;
  }
  return {.fault = Fault::missing, .id = "qmp-garbage", .message = error.message};
}

/// Whether QEMU has said no, instead of nothing.
bool is_refusal(const Reply& reply) {
  return !reply && reply.error().kind == qmp::Error::Kind::refused;
}

Result<Capabilities> read_first(const std::vector<Reply>& replies) {
  const auto [version, target, machines, types, cpu_types, commands, options, accelerators, kvm] =
      TRY(check_first(replies));
  Capabilities found;
  found.version = TRY(read_version(*version));
  const auto architecture = qmp::string_at(*target, "arch");
  if (!architecture) return unreadable("query-target");
  found.target = *architecture;
  found.machines = TRY(read_machines(*machines));
  found.types = TRY(names_in(*types, "qom-list-types"));
  for (const auto& type : TRY(names_in(*cpu_types, "qom-list-types")))
    found.cpu_models.push_back(model_of(type));
  std::ranges::sort(found.cpu_models);
  found.commands = TRY(names_in(*commands, "query-commands"));
  found.options = TRY(read_options(*options));
  found.kvm = built_with_kvm(accelerators, kvm);
  found.accelerator = runs_kvm(accelerators, kvm) ? "kvm" : "tcg";
  return found;
}

/// On x86 the static expansion has the CPU's features and nothing else; the others
/// have no other expansion than the full one, but for LoongArch before 10.1.
qmp::Request expansion_of(const Capabilities& found, const std::string& model) {
  const bool fixed = found.target == "x86_64" || found.target == "loongarch64";
  return {"query-cpu-model-expansion",
          {{"type", fixed ? "static" : "full"}, {"model", {{"name", model}}}}};
}

/// The second round asks only for what the first has listed: for a type that
/// it lacks, QEMU looks for a module, and may die of not finding it.
std::vector<qmp::Request> second_round(const Capabilities& found, const Question& question) {
  std::vector<qmp::Request> requests;
  for (const auto device : devices)
    if (found.has_type(device))
      requests.push_back({"device-list-properties", {{"typename", device}}});
  for (const auto type : cpu_types)
    if (found.has_type(type)) {
      requests.push_back({"device-list-properties", {{"typename", type}}});
      break;
    }
  for (const auto object : objects)
    if (found.has_type(object)) requests.push_back({"qom-list-properties", {{"typename", object}}});
  for (const auto name : machines_of_interest)
    if (const auto* const machine = found.find_machine(name))
      requests.push_back({"qom-list-properties", {{"typename", machine->name + "-machine"}}});
  for (const auto& model : models_of_interest(found, question))
    requests.push_back(expansion_of(found, model));
  requests.push_back({"quit"});
  return requests;
}

/// The features that a model has on; numbers and texts are no features.
Result<ModelFeatures> read_model(const qmp::Request& request, const json::value& reply) {
  const auto* const model = qmp::member_at(reply, "model");
  const auto* const properties = model != nullptr ? qmp::member_at(*model, "props") : nullptr;
  ModelFeatures features{.name = qmp::string_at(request.arguments.at("model"), "name").value_or(""),
                         .on = {}};
  if (properties == nullptr || !properties->is_object()) return unreadable(request.name);
  for (const auto& [name, value] : properties->get_object())
    if (const auto* const flag = value.if_bool(); flag != nullptr && *flag)
      features.on.emplace_back(name);
  std::ranges::sort(features.on);
  return features;
}

Result<> read_second(const std::vector<qmp::Request>& requests, const std::vector<Reply>& replies,
                     Capabilities& found) {
  for (std::size_t i = 0; i < replies.size(); ++i) {
    const auto& request = requests.at(i);
    if (!replies[i]) continue;  // "quit", and types and models it will not describe.
    if (const auto* const type = request.arguments.if_contains("typename"))
      found.properties.push_back({.type = std::string(type->get_string()),
                                  .properties = TRY(names_in(*replies[i], request.name))});
    else if (request.arguments.contains("model"))
      found.models.push_back(TRY(read_model(request, *replies[i])));
  }
  std::ranges::sort(found.properties, {}, &TypeProperties::type);
  return {};
}

Result<std::vector<std::string>> read_runnable(const json::value& reply) {
  const auto* const array = reply.if_array();
  if (array == nullptr) return unreadable("query-cpu-definitions");
  std::vector<std::string> names;
  for (const auto& entry : *array) {
    auto name = qmp::string_at(entry, "name");
    if (!name) return unreadable("query-cpu-definitions");
    const auto* const missing = qmp::array_at(entry, "unavailable-features");
    const bool runs = missing != nullptr && missing->empty();
    if (runs && !qmp::string_at(entry, "alias-of")) names.push_back(*std::move(name));
  }
  return names;
}

}  // namespace hv::qemu
