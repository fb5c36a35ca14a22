// SPDX-License-Identifier: MIT
#include "golden.h"

#include "launcher/plan/host_record.h"
#include "launcher/plan/needs.h"
#include "profiles/source.h"
#include "tests/host_cpus.h"
#include "tests/pci_tree.h"

#include <doctest/doctest.h>
#include <boost/json.hpp>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <sstream>

namespace {

namespace fs = std::filesystem;
namespace json = boost::json;

json::object settings_of(const std::string& folder) {
  const auto text = slurp(folder + "/case.json");
  if (text.empty()) return {};
  boost::system::error_code error;
  const auto value = json::parse(text, error);
  REQUIRE_MESSAGE(value.is_object(), folder, "/case.json: ", error.message());
  return value.get_object();
}

std::string word(const json::object& settings, std::string_view key, std::string otherwise) {
  const auto* const value = settings.if_contains(key);
  return value != nullptr && value->is_string() ? std::string(value->get_string())
                                                : std::move(otherwise);
}

bool flag(const json::object& settings, std::string_view key, bool otherwise) {
  const auto* const value = settings.if_contains(key);
  return value == nullptr ? otherwise : value->as_bool();
}

std::string text_of(const json::value& value) {
  return value.is_string() ? std::string(value.get_string()) : json::serialize(value);
}

/// The tree of a host's PCI devices: some hundred files, made once.
const TempTree& pci_tree_of(const std::string& host) {
  static std::map<std::string, TempTree> all;
  const auto known = all.find(host);
  if (known != all.end()) return known->second;
  const auto& tree = all[host];
  make_pci_host(tree, host);
  return tree;
}

hv::CpuSet cpus_in(const json::object& settings, std::string_view key) {
  return hv::parse_cpu_set(word(settings, key, "")).value_or(hv::CpuSet());
}

/// CPUs, nodes and huge pages as cpus.txt describes them, but for what the case says.
void describe_cpus(hv::host::HostFacts& facts, const std::string& hardware,
                   const json::object& settings) {
  facts.topology = host_topology(hardware);
  auto& topology = facts.topology;
  const auto offline = cpus_in(settings, "offline");
  topology.online = topology.online - offline;
  topology.allowed = topology.allowed - offline;
  std::erase_if(topology.cores,
                [&](const hv::host::Core& core) { return (core.cpus - offline).empty(); });
  if (const auto allowed = cpus_in(settings, "allowed"); !allowed.empty())
    topology.allowed = allowed;
  facts.nodes = topology.nodes;
  facts.numa_nodes.clear();
  for (const auto& node : facts.nodes) facts.numa_nodes.push_back(node.number);
}

void describe_devices(hv::host::HostFacts& facts, const hv::host::Needs& needs,
                      const std::string& hardware, const json::object& settings) {
  hv::host::read_device_facts(pci_tree_of(hardware).root(), needs, facts);
  facts.devices.iommufd = flag(settings, "iommufd", false);
  facts.devices.interrupt_remapping = flag(settings, "remapping", true);
  if (flag(settings, "iommu", true)) return;
  facts.devices.iommu = false;
  for (auto& function : facts.devices.functions) function.iommu_group.reset();
}

/// What a CPU says of itself is no file of the kernel's: "features cbitpos bits".
void describe_encryption(hv::host::HostFacts& facts, const hv::Root& root) {
  auto& encryption = facts.cpu.encryption;
  encryption = {};
  std::istringstream recorded(root.read("/cpuid-8000001f").value_or(""));
  recorded >> std::hex >> encryption.features >> std::dec >> encryption.cbitpos >>
      encryption.reduced_phys_bits;
}

/// Parameters of the host's modules as the case has them; false: the kernel has
/// none of that name, null: it cannot be read.
void change_parameters(hv::host::CpuFacts& cpu, const json::object& settings) {
  const auto* const changes = settings.if_contains("parameters");
  if (changes == nullptr) return;
  for (const auto& [key, value] : changes->as_object()) {
    const auto name = std::string_view(key).substr(key.find('.') + 1);
    const auto found = std::ranges::find(cpu.parameters, name, &hv::host::ModuleParameter::name);
    REQUIRE(found != cpu.parameters.end());
    if (value.is_bool())
      cpu.parameters.erase(found);
    else
      found->value = value.is_null() ? std::nullopt : std::optional(text_of(value));
  }
}

/// The architecture is the recorded one, and a file stands for a KVM that
/// works: neither may depend on the machine that runs the tests.
hv::host::HostFacts facts_of(const hv::Root& root, const std::string& host,
                             const hv::host::Needs& needs, const json::object& settings) {
  const auto hardware = word(settings, "hardware", host);
  const auto is_described = [&](const char* file) {
    return !slurp(TESTS_DIR "/hosts/" + hardware + "/" + file).empty();
  };
  const bool described = is_described("cpus.txt");
  auto facts = hv::host::read_facts(root, {.nodes = needs.nodes && !described,
                                           .topology = needs.topology && !described,
                                           .cpu = needs.cpu});
  if (needs.cpu) describe_encryption(facts, root);
  change_parameters(facts.cpu, settings);
  if (!flag(settings, "sev_device", true)) facts.cpu.sev_device = false;
  if (needs.nodes && described) describe_cpus(facts, hardware, settings);
  if (!needs.devices.empty() && is_described("pci.txt"))
    describe_devices(facts, needs, hardware, settings);
  facts.architecture = root.read("/architecture").value();
  if (root.exists("/dev/kvm")) facts.kvm = {.usable = true};
  return facts;
}

/// Read once: they are large, and the cases many.
const hv::qemu::Capabilities& recorded(const std::string& name) {
  static std::map<std::string, hv::qemu::Capabilities> all;
  if (const auto known = all.find(name); known != all.end()) return known->second;
  auto capabilities =
      hv::qemu::capabilities_from_json(slurp(TESTS_DIR "/capabilities/" + name + ".json"));
  REQUIRE_MESSAGE(capabilities.has_value(), "no capabilities ", name);
  return all.emplace(name, *std::move(capabilities)).first->second;
}

hv::Root host_tree(const std::string& name) {
  auto root = hv::Root::open(TESTS_DIR "/hosts/" + name);
  REQUIRE_MESSAGE(root.has_value(), "no host ", name);
  return *std::move(root);
}

hv::qemu::FirmwareSet firmware_of(const hv::Root& root) {
  return hv::qemu::read_firmware(
      root, hv::qemu::firmware_directories("/usr/bin/qemu-system-x86_64", "", ""));
}

/// "dmz": "br-dmz", or "dmz": {"bridge": "br-dmz", "allow_hostdev": true}.
hv::plan::Config::Zone zone_of(const json::key_value_pair& zone) {
  const auto* const members = zone.value().if_object();
  return {.name = std::string(zone.key()),
          .bridge = members != nullptr ? word(*members, "bridge", "") : text_of(zone.value()),
          .allow_hostdev = members != nullptr && flag(*members, "allow_hostdev", false)};
}

/// A keyval or QemuOpts string: commas part it, two are one of the value.
std::vector<std::string> parts_of(std::string_view text) {
  std::vector<std::string> parts(1);
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != ',') {
      parts.back() += text[i];
    } else if (i + 1 < text.size() && text[i + 1] == ',') {
      parts.back() += text[i++];
    } else {
      parts.emplace_back();
    }
  }
  return parts;
}

}  // namespace

std::string slurp(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

hv::Paths golden_paths() {
  return {.profiles = {"/etc/hypervisor/vm-profiles"},
          .config = "/etc/hypervisor",
          .state = "/var/lib/hypervisor",
          .runtime = "/run/hvlaunch",
          .cache = "/var/cache/hvlaunch",
          .firmware_config = "",
          .system = true};
}

std::vector<std::string> golden_names() {
  std::vector<std::string> names;
  for (const auto& folder : fs::directory_iterator(TESTS_DIR "/golden"))
    if (folder.is_directory()) names.push_back(folder.path().filename().string());
  std::ranges::sort(names);
  return names;
}

GoldenCase golden_case(const std::string& name) {
  const auto folder = TESTS_DIR "/golden/" + name;
  const auto settings = settings_of(folder);
  GoldenCase golden{.name = name,
                    .qemu_name = {},
                    .source = {.name = "profile.json", .text = slurp(folder + "/profile.json")},
                    .qemu = {},
                    .firmware = {},
                    .host = {},
                    .paths = golden_paths(),
                    .config = {},
                    .record = {.machine = word(settings, "record", "")},
                    .base_format = word(settings, "base_format", "qcow2")};

  const auto profile = hv::profiles::parse_profile(golden.source);
  const auto arch = profile ? to_string(profile->arch.value) : "x86_64";
  golden.qemu_name = word(settings, "qemu", fmt::format("7.2-{}", arch));
  golden.qemu = recorded(golden.qemu_name);
  golden.qemu.kvm = flag(settings, "kvm", true);  // Recorded without /dev/kvm.

  const auto host = word(settings, "host", "desktop");
  const auto root = host_tree(host);
  golden.host =
      facts_of(root, host, profile ? hv::plan::needs_of(*profile) : hv::host::Needs(), settings);
  golden.firmware = firmware_of(host_tree(word(settings, "firmware", host)));
  if (const auto* const zones = settings.if_contains("zones"))
    for (const auto& zone : zones->as_object()) golden.config.zones.push_back(zone_of(zone));
  return golden;
}

GoldenCase feature_case(const std::string& arch, const std::string& version,
                        const std::string& host) {
  const auto root = host_tree("newer");
  GoldenCase golden{.name = {},
                    .qemu_name = fmt::format("{}-{}", version, arch),
                    .source = {.name = "profile.json", .text = {}},
                    .qemu = recorded(fmt::format("{}-{}", version, arch)),
                    .firmware = firmware_of(root),
                    .host = hv::host::read_facts(root, {}),
                    .paths = golden_paths(),
                    .config = {},
                    .record = {},
                    .base_format = "qcow2"};
  golden.host.architecture = host == "tcg" ? "none" : arch;
  golden.host.kvm = {.usable = host != "tcg", .reason = "there is none", .cure = {}};
  if (host == "tcg") return golden;
  const auto record =
      hv::plan::host_record_from_json(slurp(TESTS_DIR "/hosts/cpus/" + host + ".json"));
  REQUIRE_MESSAGE(record.has_value(), "no host ", host);
  golden.host.cpu = record->cpu;
  golden.host.cpu_vendor = record->cpu.vendor;
  golden.qemu.kvm = true;
  golden.qemu.accelerator = "kvm";
  golden.qemu.models.clear();
  for (auto model : record->models) {
    // An older QEMU knows fewer features of the same CPU.
    std::erase_if(model.on, [&](const std::string& feature) {
      return !golden.qemu.has_property(golden.qemu.cpu_type(), feature);
    });
    golden.qemu.models.push_back(std::move(model));
  }
  return golden;
}

GoldenCase with_qemu(GoldenCase golden, std::string_view version) {
  golden.qemu_name = fmt::format("{}-{}", version, golden.qemu.target);
  const bool kvm = golden.qemu.kvm;
  golden.qemu = recorded(golden.qemu_name);
  golden.qemu.kvm = kvm;
  golden.firmware = firmware_of(host_tree("newer"));
  return golden;
}

std::expected<hv::plan::Plan, hv::Errors> plan_of(const GoldenCase& golden,
                                                  const hv::profiles::Profile& profile) {
  auto machine = hv::plan::resolve({.profile = profile,
                                    .qemu = golden.qemu,
                                    .firmware = golden.firmware,
                                    .host = golden.host,
                                    .paths = golden.paths,
                                    .config = golden.config,
                                    .record = golden.record,
                                    .base_format = golden.base_format,
                                    .baseline = golden.baseline});
  if (machine) return hv::plan::make_plan(*machine);
  auto errors = std::move(machine).error();
  for (auto& error : errors)
    if (!error.origin.pointer.empty())
      error.origin = hv::profiles::locate(golden.source, error.origin.pointer);
  hv::profiles::sort(errors);
  return std::unexpected(std::move(errors));
}

std::expected<hv::plan::Plan, hv::Errors> plan_of(const GoldenCase& golden) {
  const auto profile = hv::profiles::parse_profile(golden.source);
  if (!profile) return std::unexpected(profile.error());
  return plan_of(golden, *profile);
}

std::string Parsed::at(std::string_view key) const {
  for (const auto& [name, value] : members)
    if (name == key) return value;
  return {};
}

Parsed parse_argument(const hv::plan::Argument& argument) {
  Parsed parsed{.option = argument.option, .implied = {}, .members = {}};
  for (const auto* const verbatim : {"-kernel", "-initrd", "-append"})
    if (argument.option == verbatim) return parsed;
  if (argument.value.starts_with('{')) {
    boost::system::error_code error;
    const auto value = json::parse(argument.value, error);
    REQUIRE_MESSAGE(value.is_object(), "not JSON: ", argument.value);
    for (const auto& member : value.get_object())
      parsed.members.emplace_back(std::string(member.key()), text_of(member.value()));
    return parsed;
  }
  for (const auto& part : parts_of(argument.value)) {
    const auto equals = part.find('=');
    if (equals == std::string::npos)
      (parsed.implied.empty() ? parsed.implied : parsed.members.emplace_back().first) = part;
    else
      parsed.members.emplace_back(part.substr(0, equals), part.substr(equals + 1));
  }
  return parsed;
}
