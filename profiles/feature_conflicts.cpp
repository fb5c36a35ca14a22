// SPDX-License-Identifier: MIT
#include "profiles/decode.h"
#include "profiles/hyperv.h"

#include <algorithm>
#include <iterator>

namespace hv::profiles {
namespace {

constexpr unsigned bit(Arch arch) {
  return 1U << static_cast<unsigned>(arch);
}
constexpr unsigned x86 = bit(Arch::x86_64);
constexpr unsigned arm = bit(Arch::aarch64);
constexpr unsigned riscv = bit(Arch::riscv64);

struct Home {
  std::string_view toggle;
  unsigned architectures;
};

/// Where a toggle means something. What is not listed is x86_64's.
constexpr Home homes[] = {
    {"nested", x86 | arm | riscv}, {"sve", arm}, {"sme", arm}, {"pauth", arm}, {"mte", arm},
};

unsigned home_of(std::string_view toggle) {
  const auto* const found = std::ranges::find(homes, toggle, &Home::toggle);
  return found == std::end(homes) ? x86 : found->architectures;
}

std::string words_for(unsigned architectures) {
  std::string words;
  for (const auto& [word, arch] : arch_words)
    if ((architectures & bit(arch)) != 0)
      words += (words.empty() ? "" : " and ") + std::string(word);
  return words;
}

void check_architecture(const Profile& profile, Reading& reading) {
  const auto check = [&](std::string_view name, const std::string& pointer, unsigned home) {
    if ((home & bit(profile.arch.value)) == 0)
      note_conflict(reading, {pointer, profile.arch.pointer},
                    fmt::format("'{}' is a feature of {}, not of {}", name, words_for(home),
                                to_string(profile.arch.value)));
  };
  const auto& features = profile.cpu_features;
  for (const auto& toggle : features.toggles)
    if (toggle.on()) check(toggle.name, toggle.wanted.pointer, home_of(toggle.name));
  for (const auto& extension : features.extensions)
    if (extension.on()) check(extension.name, extension.wanted.pointer, riscv);
  const auto& hyperv = features.hyperv;
  if (hyperv.enable.value != Wish::off) check("hyperv", hyperv.enable.pointer, x86);
  for (const auto& one : hyperv.enlightenments)
    if (one.on()) check("hyperv", one.wanted.pointer, x86);
}

void check_needs(const CpuFeatures& features, Reading& reading) {
  for (const auto* const name : {"ciphertext_hiding", "secure_tsc", "secure_avic"})
    if (const auto* const wanted = features.wanted(name);
        wanted != nullptr && features.wanted("sev_snp") == nullptr)
      note_conflict(reading, {wanted->wanted.pointer, "/cpu_features/sev_snp"},
                    fmt::format("'{}' needs 'sev_snp'", name), "set \"sev_snp\": true beside it");
}

struct Exclusion {
  std::string_view one;
  std::string_view other;
  std::string_view why;
};

constexpr std::string_view no_avic = "KVM inhibits AVIC for guests whose memory is encrypted";
constexpr std::string_view two_vendors = "one is AMD's, the other Intel's";
constexpr Exclusion exclusions[] = {{"avic", "sev", no_avic},       {"avic", "sev_es", no_avic},
                                    {"avic", "sev_snp", no_avic},   {"avic", "tdx", two_vendors},
                                    {"sev", "tdx", two_vendors},    {"sev_es", "tdx", two_vendors},
                                    {"sev_snp", "tdx", two_vendors}};

void check_exclusions(const CpuFeatures& features, Reading& reading) {
  for (const auto& [one, other, why] : exclusions)
    if (const auto* const a = features.wanted(one), * const b = features.wanted(other);
        a != nullptr && b != nullptr)
      note_exclusion(reading, {one, a->wanted.pointer}, {other, b->wanted.pointer}, why);
}

/// What a toggle sets cannot be set to something else by its property's name.
void check_properties(const CpuFeatures& features, Reading& reading) {
  static constexpr std::pair<std::string_view, std::string_view> set_by[] = {
      {"cet-ss", "shstk"}, {"cet-ibt", "ibt"}, {"fred", "fred"}, {"lkgs", "fred"},
      {"vmx", "nested"},   {"svm", "nested"},  {"sve", "sve"},   {"sme", "sme"},
      {"pauth", "pauth"},  {"mte", "mte"},
  };
  for (const auto& [name, value] : features.properties) {
    for (const auto& [property, toggle] : set_by) {
      if (property != name) continue;
      const auto found = std::ranges::find(features.toggles, toggle, &Feature::name);
      if (found != features.toggles.end())
        note_exclusion(reading, {name, value.pointer}, {toggle, found->wanted.pointer},
                       "both set the same of the CPU");
    }
  }
}

/// One that is on, of those that another one needs and the profile has off.
void check_hyperv(const HyperV& hyperv, Reading& reading) {
  const auto find = [&](std::string_view name) {
    return std::ranges::find(hyperv.enlightenments, name, &Feature::name);
  };
  for (const auto& [name, needed] : hyperv_needs)
    if (const auto one = find(name), other = find(needed);
        one != hyperv.enlightenments.end() && one->on() && other != hyperv.enlightenments.end() &&
        !other->on())
      note_exclusion(reading, {name, one->wanted.pointer}, {needed, other->wanted.pointer},
                     "the one needs the other");
}

void check_baseline(const Profile& profile, Reading& reading) {
  const auto& model = profile.cpu_model;
  const bool asked = model.value == "baseline";
  const auto& hosts = profile.cpu_baseline;
  if (asked && hosts.empty())
    note_conflict(reading, {model.pointer}, "the model 'baseline' needs the list 'baseline'",
                  "`hvlaunch caps --export` writes its files, one on each host");
  if (!asked && !hosts.empty())
    note_conflict(reading, {hosts.front().pointer, model.pointer},
                  "hosts are listed, and 'model' is not 'baseline'",
                  "add \"model\": \"baseline\" beside it, or take the list out");
  if (asked && profile.arch.value != Arch::x86_64)
    note_conflict(reading, {model.pointer, profile.arch.pointer},
                  fmt::format("there is no 'baseline' for {}: KVM has no CPU model there but the "
                              "host's own",
                              to_string(profile.arch.value)));
}

}  // namespace

void note_exclusion(Reading& reading, const Named& one, const Named& other, std::string_view why) {
  // At both: whichever the user takes out, this is where.
  for (const auto& [here, there] : {std::pair(&one, &other), std::pair(&other, &one)})
    note_conflict(
        reading, {here->pointer, there->pointer},
        fmt::format("'{}' excludes '{}' at {}: {}", here->name, there->name, there->pointer, why),
        "take one of the two out");
}

void check_features(const Profile& profile, Reading& reading) {
  check_architecture(profile, reading);
  check_needs(profile.cpu_features, reading);
  check_exclusions(profile.cpu_features, reading);
  check_properties(profile.cpu_features, reading);
  check_hyperv(profile.cpu_features.hyperv, reading);
  check_baseline(profile, reading);
  check_confidential(profile, reading);
}

}  // namespace hv::profiles
