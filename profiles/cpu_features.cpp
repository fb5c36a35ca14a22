// SPDX-License-Identifier: MIT
//
// The fields of `cpu_features`, `memory_options` and `confidential`.
#include "profiles/decode.h"

#include <algorithm>
#include <iterator>

namespace hv::profiles {
namespace {

/// The named toggles that the profile gives.
template <std::size_t N>
std::vector<Feature> read_toggles(Fields& fields,
                                  const std::pair<std::string_view, Doc> (&table)[N]) {
  std::vector<Feature> given;
  for (const auto& [name, doc] : table)
    if (auto wanted = fields[name].wish(doc); wanted.given())
      given.push_back({std::string(name), std::move(wanted)});
  return given;
}

HyperV read_hyperv(Fields& fields) {
  static constexpr std::pair<std::string_view, Doc> enlightenments[] = {
      {"relaxed", {"No watchdog against long interrupts", "true"}},
      {"vapic", {"Cheap access to the interrupt controller", "true"}},
      {"spinlocks", {"Waiting vCPUs tell the host, after 8191 tries", "true"}},
      {"vpindex", {"The guest can ask for a vCPU's number", "true"}},
      {"runtime", {"The guest sees how long its vCPUs ran", "true"}},
      {"crash", {"A crash of the guest is told to QEMU", "true"}},
      {"time", {"A clock that is cheap to read", "true"}},
      {"synic", {"A synthetic interrupt controller; needs `vpindex`", "true"}},
      {"stimer", {"Synthetic timers; need `synic` and `time`", "true"}},
      {"stimer_direct", {"Their interrupts come directly; needs `stimer`", "true"}},
      {"frequencies", {"Frequencies of the clocks, to be read", "true"}},
      {"reenlightenment", {"Notice of a new clock frequency after a migration", "true"}},
      {"tlbflush", {"TLBs of other vCPUs are flushed by the host; needs `vpindex`", "true"}},
      {"tlbflush_ext", {"Parts of them too; needs `tlbflush`", "true"}},
      {"tlbflush_direct", {"The same from nested guests; Intel", "true"}},
      {"ipi", {"Interrupts between vCPUs by the host; needs `vpindex`", "true"}},
      {"evmcs", {"Cheap nesting of Hyper-V; Intel, needs `vapic`", "true"}},
      {"emsr_bitmap", {"Fewer exits of nested guests", "true"}},
      {"xmm_input", {"Arguments of calls in registers", "true"}},
      {"avic", {"No AutoEOI where AVIC or APICv works, which it would inhibit", "true"}},
      {"apicv", {"The same, by its other name", "true"}},
      {"syndbg", {"The synthetic kernel debugger", "true"}},
      {"reset", {"The guest can reset itself by a call", "true"}},
      {"passthrough", {"All that this KVM knows, for tests", "true"}},
  };
  HyperV hyperv{.enable = fields["enable"].wish(
                    {"Those that every Windows gains from: `relaxed`, `vapic`, `spinlocks`, "
                     "`vpindex`, `runtime`, `time`, `synic`, `stimer`, `frequencies`, `tlbflush`, "
                     "`ipi` and `avic`, as far as this QEMU has them",
                     "true"}),
                .enlightenments = read_toggles(fields, enlightenments)};
  return hyperv;
}

CpuFeatures read_cpu_features(Fields& fields) {
  static constexpr std::pair<std::string_view, Doc> toggles[] = {
      {"nested", {"The guest can run guests of its own", "true"}},
      {"shstk", {"Shadow stacks (CET); x86_64", "true"}},
      {"ibt", {"Indirect branch tracking (CET); x86_64, Intel", "true"}},
      {"avic",
       {"AMD's interrupt virtualisation; x2AVIC on Zen 4 and later. A parameter of the host's "
        "module kvm_amd; this keeps the guest from inhibiting it",
        "\"prefer\""}},
      {"secure_avic", {"AVIC for confidential guests, with `sev_snp`", "true"}},
      {"sev", {"AMD SEV: encrypted memory", "true"}},
      {"sev_es", {"AMD SEV-ES: encrypted registers too", "true"}},
      {"sev_snp", {"AMD SEV-SNP: memory integrity too", "true"}},
      {"tdx", {"Intel TDX: encrypted memory and registers", "true"}},
      {"ciphertext_hiding",
       {"The host does not even see encrypted memory, with `sev_snp`. A parameter of its module "
        "kvm_amd",
        "true"}},
      {"secure_tsc", {"A time stamp counter that the host cannot move, with `sev_snp`", "true"}},
      {"fred", {"Flexible return and event delivery; x86_64", "true"}},
      {"zhaoxin_centaur_leaves", {"The CPUID leaves of Zhaoxin and Centaur CPUs", "true"}},
      {"sve", {"Scalable vectors; aarch64", "true"}},
      {"sme", {"Scalable matrices; aarch64", "true"}},
      {"pauth", {"Pointer authentication; aarch64", "true"}},
      {"mte", {"Memory tagging; aarch64", "true"}},
  };
  return {.toggles = read_toggles(fields, toggles),
          .hyperv = fields["hyperv"].object(
              read_hyperv,
              {.text = "Hyper-V's interfaces, for Windows; x86_64 with KVM", .example = "true"},
              "enable"),
          .extensions = fields["extensions"].wishes(
              {.text = "Extensions of riscv64, by QEMU's names", .example = "{\"v\": true}"}),
          .properties =
              fields["properties"].properties({.text = "Any property of QEMU's CPU, by QEMU's name",
                                               .example = "{\"pcid\": false, \"phys-bits\": 46}"})};
}

std::vector<Feature> read_memory_options(Fields& fields) {
  static constexpr std::pair<std::string_view, Doc> toggles[] = {
      {"guest_memfd", {"Memory from guest_memfd, which the host does not map", "true"}},
      {"private", {"Private memory, for confidential guests", "true"}},
      {"lock", {"No page of the guest is ever swapped out", "true"}},
      {"shared", {"Memory that helper programs of the host can map", "true"}},
      {"merge", {"Pages that are the same in several guests are kept once (KSM)", "true"}},
  };
  return read_toggles(fields, toggles);
}

/// What the guest's owner binds the launch to.
void read_identity(Fields& fields, Confidential& details) {
  const auto base64 = [&](std::string_view key, std::string_view text) {
    return fields[key].text({.form = base64_form}, {.text = text, .example = "\"AAECAw==\""});
  };
  details.id_block = base64("id_block", "The owner's identity of the guest, in Base64; SEV-SNP");
  details.id_auth = base64("id_auth", "What proves it, in Base64; SEV-SNP");
  details.author_key = fields["author_key"].flag(
      false, {.text = "`id_auth` has an author key, too; SEV-SNP", .example = "true"});
  details.host_data = base64("host_data", "32 bytes that reports repeat, in Base64; SEV-SNP");
  details.mr_config_id = base64("mr_config_id", "48 bytes of the owner's, in Base64; TDX");
  details.mr_owner = base64("mr_owner", "48 bytes that name the owner, in Base64; TDX");
  details.mr_owner_config = base64("mr_owner_config", "48 bytes of the owner's, in Base64; TDX");
}

void read_files(Fields& fields, Confidential& details) {
  const auto file = [&](std::string_view key, std::string_view text, std::string_view example) {
    return fields[key].text({.form = path_form}, {.text = text, .example = example});
  };
  details.owner_certificate =
      file("owner_certificate", "The owner's Diffie-Hellman key; SEV", "\"web/godh.b64\"");
  details.session = file("session", "Its launch session; SEV", "\"web/session.b64\"");
  details.quote_socket = file("quote_socket", "The quote generation service's socket; TDX",
                              "\"/run/tdx-qgs/qgs.socket\"");
}

Confidential read_confidential(Fields& fields) {
  Confidential details;
  details.policy = fields["policy"].list(
      [](const Item& item) {
        return item.text({.form = model_form}, {.text = "A bit", .example = "\"debug\""});
      },
      {.text = "What the guest's owner lets the host do or asks of it, by name",
       .example = "[\"smt\"]"});
  details.kernel_hashes = fields["kernel_hashes"].flag(
      false,
      {.text = "`kernel`, `initrd` and `cmdline` are measured, too; SEV", .example = "true"});
  read_identity(fields, details);
  read_files(fields, details);
  details.cbitpos = fields["cbitpos"].number(
      {.min = 32, .max = 63, .fallback = 0},
      {.text = "The C-bit; without it, as this host's CPU says", .example = "51"});
  details.reduced_phys_bits = fields["reduced_phys_bits"].number(
      {.min = 1, .max = 63, .fallback = 0},
      {.text = "Address bits that the guest loses to encryption; 1 without it", .example = "1"});
  details.vcpu_type = fields["vcpu_type"].text(
      {.form = model_form}, {.text = "The vCPUs that `measure` reckons with; without it, this "
                                     "host's",
                             .example = "\"EPYC-Milan\""});
  return details;
}

}  // namespace

const Feature* CpuFeatures::wanted(std::string_view name) const {
  const auto found = std::ranges::find(toggles, name, &Feature::name);
  return found != toggles.end() && found->on() ? std::to_address(found) : nullptr;
}

void read_features(Fields& fields, Profile& profile) {
  profile.cpu_features = fields["cpu_features"].object(
      read_cpu_features,
      {.text = "CPU features. `true`: no start without; `\"prefer\"`: with a warning; `false`: the "
               "guest does not see it. docs/cpu-features.md has more",
       .example = "{\"shstk\": true, \"fred\": \"prefer\"}"});
  profile.memory_options = fields["memory_options"].object(
      read_memory_options, {.text = "How memory is held", .example = "{\"lock\": true}"});
  profile.confidential = fields["confidential"].object(
      read_confidential, {.text = "The details of `sev`, `sev_es`, `sev_snp` and `tdx`",
                          .example = "{\"policy\": [\"smt\"], \"kernel_hashes\": true}"});
}

}  // namespace hv::profiles
