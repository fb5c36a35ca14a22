// SPDX-License-Identifier: MIT
#include "launcher/host/cpu_facts.h"

#include "launcher/base/text.h"

#include <fcntl.h>
#include <linux/kvm.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <array>
#include <charconv>

#ifdef __x86_64__
#include <cpuid.h>
#endif

namespace hv::host {
namespace {

// Newer than the headers we build with (Linux 6.1): 6.8, 6.9, 6.11.
constexpr int cap_memory_attributes = 233;
constexpr int cap_guest_memfd = 234;
constexpr int cap_vm_types = 235;
constexpr std::uint32_t group_sev = 1;  // KVM_X86_GRP_SEV
constexpr std::uint64_t vmsa_features = 0;
constexpr std::uint64_t attribute_private = 1ULL << 3U;

/// What stands behind "key : " on its first line of /proc/cpuinfo.
std::string_view value_of(std::string_view cpuinfo, std::string_view key) {
  for (const auto line : split(cpuinfo, '\n')) {
    if (!line.starts_with(key)) continue;
    const auto colon = line.find(':');
    const auto between = line.substr(key.size(), colon - std::min(colon, key.size()));
    if (colon == std::string_view::npos || between.find_first_not_of(" \t") != std::string::npos)
      continue;
    const auto start = line.find_first_not_of(" \t", colon + 1);
    return start == std::string_view::npos ? std::string_view() : line.substr(start);
  }
  return {};
}

std::uint32_t number_of(std::string_view cpuinfo, std::string_view key) {
  const auto text = value_of(cpuinfo, key);
  std::uint32_t number = 0;
  (void)std::from_chars(text.data(), text.data() + text.size(), number);  // Else 0.
  return number;
}

/// "rv64imafdcv_zba_zbb" as its extensions; single letters stand together first.
void add_riscv(std::string_view isa, std::vector<std::string>& flags) {
  const auto parts = split(isa, '_');
  constexpr std::size_t prefix = 4;  // "rv64".
  for (const char letter : parts.front().substr(std::min(prefix, parts.front().size())))
    flags.emplace_back(1, letter);
  for (std::size_t i = 1; i < parts.size(); ++i) flags.emplace_back(parts[i]);
}

std::vector<std::string> flags_of(std::string_view cpuinfo) {
  std::vector<std::string> flags;
  for (const auto* const key : {"flags", "Features", "features"})
    if (const auto text = value_of(cpuinfo, key); flags.empty())
      for (const auto flag : split(text, ' '))
        if (!flag.empty()) flags.emplace_back(flag);
  if (const auto isa = value_of(cpuinfo, "isa"); !isa.empty()) add_riscv(isa, flags);
  std::ranges::sort(flags);
  flags.erase(std::ranges::unique(flags).begin(), flags.end());
  return flags;
}

std::vector<ModuleParameter> read_parameters(const Root& root) {
  std::vector<ModuleParameter> parameters;
  for (const auto* const module : {"kvm", "kvm_amd", "kvm_intel", "kvm_pvm", "ccp"}) {
    const auto directory = fmt::format("/sys/module/{}/parameters", module);
    const auto names = root.list(directory);
    if (!names) continue;
    for (const auto& name : *names) {
      auto value = root.read(fmt::format("{}/{}", directory, name));
      parameters.push_back({.module = module,
                            .name = name,
                            .value = value ? std::optional(*std::move(value)) : std::nullopt});
    }
  }
  return parameters;
}

void ask_kvm(const Root& root, CpuFacts& facts) {
  const auto kvm = root.open_file("/dev/kvm", O_RDWR);
  if (!kvm) return;
  const auto ask = [&](int capability) {
    const int answer = ::ioctl(kvm->get(), KVM_CHECK_EXTENSION, capability);
    return answer > 0 ? static_cast<std::uint64_t>(answer) : 0;
  };
  facts.vm_types = ask(cap_vm_types);
  facts.guest_memfd = ask(cap_guest_memfd) != 0;
  facts.private_memory = (ask(cap_memory_attributes) & attribute_private) != 0;
  std::uint64_t features = 0;
  kvm_device_attr attribute{.flags = 0,
                            .group = group_sev,
                            .attr = vmsa_features,
                            .addr = reinterpret_cast<std::uintptr_t>(&features)};
  if (::ioctl(kvm->get(), KVM_GET_DEVICE_ATTR, &attribute) == 0) facts.sev_features = features;
}

Encryption read_encryption() {
#ifdef __x86_64__
  constexpr unsigned leaf = 0x8000001f;
  unsigned a = 0;
  unsigned b = 0;
  unsigned c = 0;
  unsigned d = 0;
  if (__get_cpuid_count(leaf, 0, &a, &b, &c, &d) == 0) return {};
  return {.features = a,
          .cbitpos = b & 0x3fU,
          .reduced_phys_bits = b >> 6U & 0x3fU,
          .guests = c,
          .min_sev_asid = d};
#else
  return {};
#endif
}

}  // namespace

bool CpuFacts::has_flag(std::string_view flag) const {
  return std::ranges::binary_search(flags, flag, std::less<>());
}

bool CpuFacts::can_make(VmType type) const {
  return (vm_types >> static_cast<unsigned>(type) & 1U) != 0;
}

const ModuleParameter* CpuFacts::find(std::string_view module, std::string_view name) const {
  for (const auto& parameter : parameters)
    if (parameter.module == module && parameter.name == name) return &parameter;
  return nullptr;
}

bool CpuFacts::is_on(std::string_view module, std::string_view name) const {
  const auto* const parameter = find(module, name);
  if (parameter == nullptr || !parameter->value) return false;
  const auto& value = *parameter->value;
  return value == "Y" || (!value.empty() && value != "N" && value.find_first_not_of('0') == 0);
}

CpuFacts read_cpu_facts(const Root& root) {
  CpuFacts facts;
  facts.kernel = root.read("/proc/sys/kernel/osrelease").value_or("");
  // The first processor's lines; all of the file takes milliseconds on a large host.
  constexpr std::size_t enough = 8192;
  const auto cpuinfo = root.read_start("/proc/cpuinfo", enough).value_or("");
  facts.vendor = value_of(cpuinfo, "vendor_id");
  for (const auto* const key : {"model name", "Model Name", "uarch"})
    if (facts.model.empty()) facts.model = value_of(cpuinfo, key);
  facts.family = number_of(cpuinfo, "cpu family");
  facts.model_number = number_of(cpuinfo, "model");
  facts.stepping = number_of(cpuinfo, "stepping");
  facts.flags = flags_of(cpuinfo);
  facts.parameters = read_parameters(root);
  ask_kvm(root, facts);
  facts.encryption = read_encryption();
  facts.sev_device = root.exists("/dev/sev");
  return facts;
}

}  // namespace hv::host
