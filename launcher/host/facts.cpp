// SPDX-License-Identifier: MIT
#include "launcher/host/facts.h"

#include "launcher/base/text.h"

#include <fcntl.h>
#include <linux/kvm.h>
#include <sys/ioctl.h>
#include <sys/utsname.h>

#include <charconv>
#include <optional>

namespace hv::host {
namespace {

std::optional<std::uint64_t> number_in(std::string_view text) {
  const auto first = text.find_first_of("0123456789");
  if (first == std::string_view::npos) return std::nullopt;
  std::uint64_t value = 0;
  const auto* const begin = text.data() + first;
  if (std::from_chars(begin, text.data() + text.size(), value).ec != std::errc{})
    return std::nullopt;
  return value;
}

std::uint64_t number_at(const Root& root, const std::string& path) {
  const auto text = root.read(path);
  return text ? number_in(*text).value_or(0) : 0;
}

/// The value of "Key: 123 kB" in /proc/meminfo, in KiB.
std::uint64_t meminfo(std::string_view text, std::string_view key) {
  const auto found = text.find(key);
  return found == std::string_view::npos ? 0 : number_in(text.substr(found)).value_or(0);
}

std::string machine_architecture() {
  utsname names{};
  return ::uname(&names) == 0 ? names.machine : "";
}

/// The value of "vendor_id\t: AuthenticAMD" of the first processor.
std::string cpu_vendor(const Root& root) {
  const auto cpuinfo = root.read_start("/proc/cpuinfo", 256);
  constexpr std::string_view key = "vendor_id\t: ";
  const auto found = cpuinfo ? cpuinfo->find(key) : std::string::npos;
  if (found == std::string::npos) return {};
  return std::string(split(std::string_view(*cpuinfo).substr(found + key.size()), '\n').front());
}

std::vector<HugePagePool> read_huge_pages(const Root& root) {
  constexpr const char* directory = "/sys/kernel/mm/hugepages";
  std::vector<HugePagePool> pools;
  const auto names = root.list(directory);
  if (!names) return pools;
  for (const auto& name : *names) {
    const auto pool = fmt::format("{}/{}", directory, name);
    pools.push_back({.page_kib = number_in(name).value_or(0),
                     .reserved = number_at(root, pool + "/resv_hugepages")});
  }
  return pools;
}

}  // namespace

std::vector<std::uint64_t> parse_cpu_list(std::string_view text) {
  std::vector<std::uint64_t> members;
  for (const auto range : split(text, ',')) {
    const auto first = number_in(range);
    if (!first) continue;
    const auto dash = range.find('-');
    const auto last = dash == std::string_view::npos ? first : number_in(range.substr(dash));
    constexpr std::uint64_t highest = 8191;  // The kernel has no more, of CPUs or of nodes.
    for (auto member = *first; last && member <= std::min(*last, highest); ++member)
      members.push_back(member);
  }
  return members;
}

Kvm read_kvm(const Root& root, const std::string& architecture) {
  const auto device = root.open_file("/dev/kvm", O_RDWR);
  if (!device && device.error().fault == Fault::permission)
    return {.reason = "you may not open /dev/kvm",
            .cure = "join the group kvm (`usermod -aG kvm $USER`) and log in again"};
  if (!device)
    return {.reason = "there is no /dev/kvm",
            .cure =
                "load the module kvm_intel or kvm_amd, and enable virtualization (VT-x, SVM) "
                "in the firmware setup"};
  if (::ioctl(device->get(), KVM_GET_API_VERSION, 0) != KVM_API_VERSION)
    return {.reason = "/dev/kvm does not speak version 12 of KVM's interface"};
  if (architecture != "x86_64") return {.usable = true};

  // The flags stand within the first processor's lines; all of /proc/cpuinfo
  // takes milliseconds on a large host.
  const auto cpuinfo = root.read_start("/proc/cpuinfo", 8192);
  for (const auto* const flag : {" vmx ", " svm "})
    if (cpuinfo && cpuinfo->find(flag) != std::string::npos) return {.usable = true};
  return {.reason = "/dev/kvm opens, but the CPU shows neither vmx nor svm",
          .cure =
              "enable virtualization (VT-x, SVM) in the firmware setup, or nested "
              "virtualization if this host is itself a guest"};
}

HostFacts read_facts(const Root& root, const Needs& needs) {
  HostFacts facts;
  facts.architecture = machine_architecture();
  facts.cpu_vendor = cpu_vendor(root);
  if (const auto online = root.read("/sys/devices/system/cpu/online"))
    facts.cpus = std::max<std::size_t>(1, parse_cpu_list(*online).size());
  if (const auto text = root.read("/proc/meminfo")) {
    facts.memory_mib = meminfo(*text, "MemTotal:") / 1024;
    facts.default_huge_page_kib = meminfo(*text, "Hugepagesize:");
  }
  facts.kvm = read_kvm(root, facts.architecture);
  if (needs.cpu) facts.cpu = read_cpu_facts(root);
  if (const auto nodes = root.read("/sys/devices/system/node/online"))
    facts.numa_nodes = parse_cpu_list(*nodes);
  if (needs.topology) facts.topology = read_topology(root);
  if (needs.nodes) {
    facts.nodes = needs.topology ? facts.topology.nodes : read_nodes(root, {});
    facts.huge_pages = read_huge_pages(root);
  }
  read_device_facts(root, needs, facts);
  if (auto id = root.read("/etc/machine-id")) facts.machine_id = *std::move(id);
  if (const auto interfaces = root.list("/sys/class/net"))
    for (const auto& name : *interfaces)
      if (root.exists("/sys/class/net/" + name + "/bridge")) facts.bridges.push_back(name);
  facts.vhost_net = root.exists("/dev/vhost-net");
  facts.vhost_vsock = root.exists("/dev/vhost-vsock");
  return facts;
}

}  // namespace hv::host
