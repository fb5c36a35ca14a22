// SPDX-License-Identifier: MIT
#include "launcher/measure/launch.h"

#include "launcher/base/text.h"
#include "launcher/commands/commands.h"
#include "launcher/commands/load.h"
#include "launcher/commands/output.h"
#include "launcher/plan/machine.h"

#include <fcntl.h>
#include <unistd.h>

#include <boost/json.hpp>

#include <array>

namespace hv::commands {
namespace {

namespace json = boost::json;
using profiles::Technology;

/// A file that is measured; the digest is for people, to compare with theirs.
struct MeasuredFile {
  std::string path;
  std::uint64_t size = 0;
  measure::Sha256 sha256{};
};

/// What a measurement was reckoned from.
struct Reckoning {
  plan::ConfidentialGuest guest;
  MeasuredFile firmware;
  std::optional<MeasuredFile> kernel;  ///< If it is measured.
  std::optional<MeasuredFile> initrd;
  std::string command_line;
  std::optional<measure::Vcpus> vcpus;  ///< If their state is measured.
  std::string vcpu_type;
  std::string measurement;
};

/// Kernels and initrds can be large: they are hashed piece by piece.
Result<MeasuredFile> hash_file(const Root& root, const std::string& path) {
  const auto fd = TRY(root.open_file(path, O_RDONLY | O_NONBLOCK));
  MeasuredFile file{.path = path};
  measure::Sha256Hasher hasher;
  std::array<char, 65536> buffer;
  for (;;) {
    const auto count = ::read(fd.get(), buffer.data(), buffer.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return fail_errno("read {}", path);
    if (count == 0) break;
    hasher.add({buffer.data(), static_cast<std::size_t>(count)});
    file.size += static_cast<std::uint64_t>(count);
  }
  file.sha256 = hasher.finish();
  return file;
}

Result<std::uint32_t> signature_of(const plan::Machine& machine, const host::CpuFacts& cpu,
                                   std::string& type) {
  const auto& wish = machine.profile.confidential.vcpu_type;
  type = !wish.value.empty() ? wish.value : machine.cpu_model.value;
  if (type != "host" && type != "max") {
    auto known = measure::signature_of_model(type);
    if (!known) {
      known.error().origin.pointer =
          wish.given() ? wish.pointer : machine.profile.cpu_model.pointer;
    }
    return known;
  }
  if (cpu.vendor == "AuthenticAMD" && cpu.family != 0)
    return measure::signature_of(cpu.family, cpu.model_number, cpu.stepping);
  return std::unexpected(
      with_hint({.fault = Fault::profile,
                 .id = "unknown-cpu-signature",
                 .message = "the guest has its host's CPU, and this host is not one of AMD's",
                 .origin = {.pointer = machine.profile.cpu_model.pointer}},
                "set 'confidential.vcpu_type' to that of the host, such as \"EPYC-Milan\", or "
                "'cpu'"));
}

Result<measure::Vcpus> vcpus_of(const plan::Machine& machine, const host::CpuFacts& cpu,
                                Reckoning& reckoning) {
  measure::VcpuState state{.signature = TRY(signature_of(machine, cpu, reckoning.vcpu_type))};
  if (reckoning.guest.technology == Technology::sev_snp)
    state.features = measure::snp_active;
  else
    state.fpu = false;  // QEMU starts SEV-ES guests by KVM's first interface to them.
  return measure::Vcpus{.count = machine.cpus.value.count, .state = state};
}

Result<std::string> digest_of(Technology technology, const measure::Launch& launch) {
  switch (technology) {
    case Technology::sev: return measure::hex(TRY(measure::sev_digest(launch)));
    case Technology::sev_es: return measure::hex(TRY(measure::sev_es_digest(launch)));
    case Technology::sev_snp: return measure::hex(TRY(measure::snp_digest(launch)));
    case Technology::tdx: return measure::hex(TRY(measure::tdx_digest(launch.image)));
  }
  std::unreachable();
}

Result<> add_kernel(const Root& root, const plan::Machine& machine, Reckoning& reckoning) {
  if (!machine.profile.confidential.kernel_hashes.value) return {};
  reckoning.kernel = TRY(hash_file(root, machine.kernel));
  if (!machine.initrd.empty()) reckoning.initrd = TRY(hash_file(root, machine.initrd));
  reckoning.command_line = machine.profile.cmdline.value;
  return {};
}

std::optional<measure::KernelHashes> hashes_of(const Reckoning& reckoning) {
  if (!reckoning.kernel) return std::nullopt;
  return measure::KernelHashes{
      .kernel = reckoning.kernel->sha256,
      .initrd = reckoning.initrd ? reckoning.initrd->sha256 : measure::sha256(""),
      .command_line = measure::sha256(reckoning.command_line + '\0')};
}

Result<Reckoning> reckon(const Root& root, const plan::Machine& machine,
                         const host::CpuFacts& cpu) {
  Reckoning reckoning;
  reckoning.guest = machine.confidential->value;
  const auto technology = reckoning.guest.technology;
  const auto& path = machine.bios ? machine.bios->value : machine.flash->value.code;
  constexpr std::size_t largest_firmware = std::size_t{256} << 20U;
  const auto bytes = TRY(root.read_raw(path, largest_firmware));
  reckoning.firmware = {.path = path, .size = bytes.size(), .sha256 = measure::sha256(bytes)};
  const auto image = TRY(measure::parse_image(bytes), "measuring {}", path);
  TRY(add_kernel(root, machine, reckoning));
  measure::Launch launch{.image = image, .kernel = hashes_of(reckoning)};
  if (technology == Technology::sev_es || technology == Technology::sev_snp) {
    reckoning.vcpus = TRY(vcpus_of(machine, cpu, reckoning));
    launch.vcpus = *reckoning.vcpus;
  }
  reckoning.measurement = TRY(digest_of(technology, launch), "measuring {}", path);
  return reckoning;
}

/// What the processor's report calls it.
std::string_view name_of_measurement(Technology technology) {
  switch (technology) {
    case Technology::sev:
    case Technology::sev_es: return "launch digest";
    case Technology::sev_snp: return "measurement";
    case Technology::tdx: return "MRTD";
  }
  std::unreachable();
}

std::string policy_text(const plan::ConfidentialGuest& guest) {
  auto text = fmt::format("{:#x}", guest.policy);
  const auto words = profiles::words_of(guest.policy, guest.technology);
  for (const auto word : words) text += fmt::format("{}{}", word == words[0] ? " (" : ", ", word);
  return text + (words.empty() ? "" : ")");
}

std::string as_text(const std::string& vm, const Reckoning& reckoning) {
  const auto technology = reckoning.guest.technology;
  auto text = fmt::format("{}: {}, as its plan would start it\n", vm, to_string(technology));
  const auto line = [&](std::string_view name, const std::string& value) {
    text += fmt::format("  {:<13} {}\n", name, value);
  };
  const auto add_file = [&](std::string_view name, const MeasuredFile& file) {
    line(name, fmt::format("{} ({} bytes, SHA-256 {})", printable(file.path), file.size,
                           measure::hex(file.sha256)));
  };
  line(name_of_measurement(technology), reckoning.measurement);
  add_file("firmware", reckoning.firmware);
  if (reckoning.kernel) {
    add_file("kernel", *reckoning.kernel);
    if (reckoning.initrd) add_file("initrd", *reckoning.initrd);
    line("command line", fmt::format("'{}'", printable(reckoning.command_line)));
  } else if (technology != Technology::tdx) {
    line("kernel", "not measured");
  } else {
    line("kernel", "not in it: the firmware measures it into the RTMRs");
  }
  if (reckoning.vcpus)
    line("vCPUs", fmt::format("{}, {} ({:#010x})", reckoning.vcpus->count, reckoning.vcpu_type,
                              reckoning.vcpus->state.signature));
  if (technology != Technology::tdx) line("policy", policy_text(reckoning.guest));
  return text;
}

json::value file_as_json(const std::optional<MeasuredFile>& file) {
  if (!file) return nullptr;
  return json::object{
      {"path", file->path}, {"size", file->size}, {"sha256", measure::hex(file->sha256)}};
}

json::object as_json(const std::string& vm, const Reckoning& reckoning) {
  const auto& guest = reckoning.guest;
  json::object object = {{"vm", vm},
                         {"technology", toggle_of(guest.technology)},
                         {"measurement", reckoning.measurement},
                         {"firmware", file_as_json(reckoning.firmware)},
                         {"kernel", file_as_json(reckoning.kernel)},
                         {"initrd", file_as_json(reckoning.initrd)},
                         {"command_line", nullptr},
                         {"vcpus", nullptr},
                         {"policy", nullptr}};
  if (reckoning.kernel) object["command_line"] = reckoning.command_line;
  if (const auto& vcpus = reckoning.vcpus)
    object["vcpus"] = json::object{{"count", vcpus->count},
                                   {"type", reckoning.vcpu_type},
                                   {"signature", vcpus->state.signature},
                                   {"features", vcpus->state.features}};
  if (guest.technology != Technology::tdx) {
    json::array words;
    for (const auto word : profiles::words_of(guest.policy, guest.technology))
      words.emplace_back(word);
    object["policy"] = json::object{{"value", guest.policy}, {"words", std::move(words)}};
  }
  return object;
}

}  // namespace

Outcome measure_command(Context& context, const Arguments& arguments) {
  const auto launch = load_launch(context, arguments.vm());
  if (!launch) return std::unexpected(launch.error());
  const auto& [loaded, machine, cpu] = *launch;
  if (!machine.confidential)
    return failed(
        {.fault = Fault::profile,
         .id = "not-confidential",
         .message = fmt::format("nothing measures the start of '{}'", loaded.profile.name.value),
         .hint = "set 'sev', 'sev_es', 'sev_snp' or 'tdx' in 'cpu_features'"});
  auto reckoning = reckon(context.root, machine, cpu);
  if (!reckoning) return std::unexpected(placed({std::move(reckoning).error()}, loaded));
  const auto& vm = loaded.profile.name.value;
  if (context.json)
    print_json(as_json(vm, *reckoning));
  else
    print(as_text(vm, *reckoning));
  return {};
}

}  // namespace hv::commands
