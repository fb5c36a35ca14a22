// SPDX-License-Identifier: MIT
#include "launcher/host/doctor_facts.h"

#include "launcher/base/text.h"
#include "launcher/host/doctor_reads.h"
#include "vfio/scan.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>

namespace hv::host {
namespace {

template <class T>
T number_in(std::string_view text, int base = 10) {
  text.remove_prefix(std::min(text.find_first_not_of(" \t"), text.size()));
  T value = 0;
  (void)std::from_chars(text.data(), text.data() + text.size(), value, base);
  return value;
}

/// What stands behind "Key:" on its line; empty: there is none.
std::string_view line_of(std::string_view text, std::string_view key) {
  for (const auto line : split(text, '\n'))
    if (line.starts_with(key)) return line.substr(key.size());
  return {};
}

std::vector<std::string_view> words_of(std::string_view text) {
  auto words = split(text, ' ');
  std::erase(words, "");
  return words;
}

std::vector<Caller::Group> read_groups(const Root& root) {
  std::vector<Caller::Group> groups;
  const auto text = root.read("/etc/group");
  if (!text) return groups;
  for (const auto line : split(*text, '\n')) {
    const auto fields = split(line, ':');
    if (fields.size() < 4) continue;
    Caller::Group group{.name = std::string(fields[0]),
                        .number = number_in<std::uint32_t>(fields[2])};
    for (const auto member : split(fields[3], ','))
      if (!member.empty()) group.members.emplace_back(member);
    groups.push_back(std::move(group));
  }
  return groups;
}

/// What this process is allowed, as the kernel tells it.
Caller read_caller(const Root& root) {
  Caller caller;
  const auto status = root.read("/proc/self/status").value_or("");
  const auto uids = split(line_of(status, "Uid:\t"), '\t');
  if (uids.size() > 1) caller.uid = number_in<std::uint32_t>(uids[1]);
  const auto gids = split(line_of(status, "Gid:\t"), '\t');
  if (gids.size() > 1) caller.groups.push_back(number_in<std::uint32_t>(gids[1]));
  for (const auto group : words_of(line_of(status, "Groups:\t")))
    caller.groups.push_back(number_in<std::uint32_t>(group));
  caller.capabilities = number_in<std::uint64_t>(line_of(status, "CapEff:"), 16);
  caller.known_groups = read_groups(root);
  caller.name = std::to_string(caller.uid);
  const auto passwd = root.read("/etc/passwd").value_or("");
  for (const auto line : split(passwd, '\n'))
    if (const auto fields = split(line, ':');
        fields.size() > 2 && fields[2] == std::to_string(caller.uid)) {
      caller.name = fields[0];
      break;
    }
  return caller;
}

/// Not by opening it: that would load modules.
bool may_write(const Root& root, const std::string& path, int also = 0) {
  const auto file = root.open_file(path, O_PATH);
  return file && ::faccessat(file->get(), "", R_OK | W_OK | also, AT_EACCESS | AT_EMPTY_PATH) == 0;
}

DeviceNode read_node(const Root& root, std::string path) {
  const auto status = root.status(path);
  DeviceNode node{.path = std::move(path), .there = status.has_value()};
  if (!status) return node;
  node.usable = may_write(root, node.path);
  node.group = status->st_gid;
  node.for_group = (status->st_mode & 0060U) == 0060U;
  return node;
}

std::vector<DeviceNode> read_vfio_groups(const Root& root) {
  std::vector<DeviceNode> nodes;
  const auto names = root.list("/dev/vfio");
  if (!names) return nodes;
  for (const auto& name : *names)
    if (name.find_first_not_of("0123456789") == std::string::npos)
      nodes.push_back(read_node(root, "/dev/vfio/" + name));
  return nodes;
}

Directory read_directory(const Root& root, std::string purpose, std::string path) {
  Directory directory{
      .purpose = std::move(purpose), .path = std::move(path), .there = root.exists(directory.path)};
  auto nearest = directory.path;
  while (nearest.size() > 1 && !root.exists(nearest)) {
    nearest.erase(nearest.find_last_of('/'));
    if (nearest.empty()) nearest = "/";
  }
  directory.usable = may_write(root, nearest, X_OK);
  return directory;
}

std::vector<Directory> read_directories(const Root& root, const Paths& paths) {
  std::vector<Directory> directories;
  if (!paths.profiles.empty())
    directories.push_back(read_directory(root, "profiles", paths.profiles.back()));
  directories.push_back(read_directory(root, "disks and records", paths.state));
  directories.push_back(read_directory(root, "running guests", paths.runtime));
  directories.push_back(read_directory(root, "what QEMU can do", paths.cache));
  return directories;
}

void read_cpu(const Root& root, DoctorFacts& facts) {
  // The first processor's lines hold them; all of the file takes milliseconds.
  const auto cpuinfo = root.read_start("/proc/cpuinfo", 8192).value_or("");
  const auto flags = fmt::format("{} ", line_of(cpuinfo, "flags"));
  facts.vmx = flags.contains(" vmx ");
  facts.svm = flags.contains(" svm ");
  facts.pages_1g = flags.contains(" pdpe1gb ");
  facts.is_guest = flags.contains(" hypervisor ");
}

std::optional<bool> read_nested(const Root& root) {
  for (const auto* const module : {"kvm_intel", "kvm_amd"})
    if (const auto value = root.read(fmt::format("/sys/module/{}/parameters/nested", module)))
      return *value == "Y" || *value == "1";
  return std::nullopt;
}

/// The hard limit, which `ulimit -l` can reach.
std::optional<std::uint64_t> read_memlock_kib(const Root& root) {
  const auto limits = root.read("/proc/self/limits").value_or("");
  const auto words = words_of(line_of(limits, "Max locked memory"));
  if (words.size() < 2 || words[1] == "unlimited") return std::nullopt;
  return number_in<std::uint64_t>(words[1]) / 1024;
}

}  // namespace

const Caller::Group* Caller::find_group(std::string_view group) const {
  const auto found = std::ranges::find(known_groups, group, &Group::name);
  return found == known_groups.end() ? nullptr : &*found;
}

const Caller::Group* Caller::find_group(std::uint32_t number) const {
  const auto found = std::ranges::find(known_groups, number, &Group::number);
  return found == known_groups.end() ? nullptr : &*found;
}

bool Caller::is_in(const Group& group) const {
  return std::ranges::find(groups, group.number) != groups.end();
}

ModuleState DoctorFacts::module(std::string_view name) const {
  const auto found = modules.find(name);
  return found == modules.end() ? ModuleState::unknown : found->second;
}

bool DoctorFacts::has_parameter(std::string_view word) const {
  return std::ranges::find(parameters, word) != parameters.end();
}

const QemuFact* DoctorFacts::find_qemu(std::string_view architecture) const {
  const auto found = std::ranges::find(qemus, architecture, &QemuFact::architecture);
  return found == qemus.end() ? nullptr : &*found;
}

DoctorFacts read_doctor_facts(const Root& root, const Paths& paths) {
  DoctorFacts facts;
  facts.distribution = read_distribution(root);
  facts.host = read_facts(root, {.nodes = true});
  facts.caller = read_caller(root);
  facts.kernel = root.read("/proc/sys/kernel/osrelease").value_or("");
  read_cpu(root, facts);
  const auto command_line = root.read("/proc/cmdline").value_or("");
  for (const auto word : words_of(command_line)) facts.parameters.emplace_back(word);
  facts.modules = read_modules(root, facts.kernel);
  facts.nested = read_nested(root);
  facts.dev_kvm = read_node(root, "/dev/kvm");
  facts.dev_tun = read_node(root, "/dev/net/tun");
  facts.dev_vhost_net = read_node(root, "/dev/vhost-net");
  facts.dev_vfio = read_node(root, "/dev/vfio/vfio");
  facts.vfio_groups = read_vfio_groups(root);
  facts.acpi_tables = root.list("/sys/firmware/acpi/tables").value_or(std::vector<std::string>{});
  facts.iommus = root.list("/sys/class/iommu").value_or(std::vector<std::string>{});
  if (root.exists("/sys/bus/pci/devices"))
    if (auto devices = vfio::read_all_devices(root, vfio::quarantined(root, paths.runtime));
        devices)
      facts.devices = *std::move(devices);
  const auto online = parse_cpu_set(root.read("/sys/devices/system/cpu/online").value_or("0"));
  facts.nodes = read_nodes(root, online.value_or(CpuSet{0}));
  facts.memlock_kib = read_memlock_kib(root);
  facts.directories = read_directories(root, paths);
  facts.log = read_kernel_log(root);
  return facts;
}

}  // namespace hv::host
