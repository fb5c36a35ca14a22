// SPDX-License-Identifier: MIT
#include "profiles/confidential.h"

#include <algorithm>
#include <array>
#include <utility>

namespace hv::profiles {
namespace {

constexpr PolicyWord sev_words[] = {
    {.word = "debug", .clear = 1U << 0U},           {.word = "no-key-sharing", .set = 1U << 1U},
    {.word = "no-send", .set = 1U << 3U},           {.word = "domain", .set = 1U << 4U},
    {.word = "no-other-platform", .set = 1U << 5U},
};

constexpr PolicyWord snp_words[] = {
    {.word = "smt", .set = 1U << 16U},          {.word = "migration-agent", .set = 1U << 18U},
    {.word = "debug", .set = 1U << 19U},        {.word = "single-socket", .set = 1U << 20U},
    {.word = "cxl", .set = 1U << 21U},          {.word = "aes-256-xts", .set = 1U << 22U},
    {.word = "no-rapl", .set = 1U << 23U},      {.word = "ciphertext-hiding", .set = 1U << 24U},
    {.word = "no-page-swap", .set = 1U << 25U},
};

/// Without words, and with what must be set.
std::uint64_t strictest(Technology technology) {
  switch (technology) {
    case Technology::sev: return 0x1;
    case Technology::sev_es: return 0x5;
    case Technology::sev_snp: return 0x20000;
    case Technology::tdx: return 0;
  }
  std::unreachable();
}

}  // namespace

std::string_view toggle_of(Technology technology) {
  switch (technology) {
    case Technology::sev: return "sev";
    case Technology::sev_es: return "sev_es";
    case Technology::sev_snp: return "sev_snp";
    case Technology::tdx: return "tdx";
  }
  std::unreachable();
}

std::string_view to_string(Technology technology) {
  switch (technology) {
    case Technology::sev: return "SEV";
    case Technology::sev_es: return "SEV-ES";
    case Technology::sev_snp: return "SEV-SNP";
    case Technology::tdx: return "TDX";
  }
  std::unreachable();
}

std::vector<Technology> technologies_of(const Profile& profile) {
  std::vector<Technology> wanted;
  for (const auto technology :
       {Technology::tdx, Technology::sev_snp, Technology::sev_es, Technology::sev})
    if (profile.cpu_features.wanted(toggle_of(technology)) != nullptr) wanted.push_back(technology);
  return wanted;
}

std::span<const PolicyWord> policy_bits(Technology technology) {
  switch (technology) {
    case Technology::sev:
    case Technology::sev_es: return sev_words;
    case Technology::sev_snp: return snp_words;
    case Technology::tdx: return {};  // What QEMU lets one choose are features of the CPU.
  }
  std::unreachable();
}

std::uint64_t policy_of(const Profile& profile, Technology technology) {
  auto policy = strictest(technology);
  const auto add = [&](std::string_view wanted) {
    for (const auto& [word, set, clear] : policy_bits(technology))
      if (word == wanted) policy = (policy | set) & ~clear;
  };
  const auto& given = profile.confidential.policy;
  for (const auto& word : given) add(word.value);
  // A host with SMT starts no guest that forbids it.
  if (given.empty()) add("smt");
  if (profile.cpu_features.wanted("ciphertext_hiding") != nullptr) add("ciphertext-hiding");
  return policy;
}

std::vector<std::string_view> words_of(std::uint64_t policy, Technology technology) {
  std::vector<std::string_view> words;
  for (const auto& [word, set, clear] : policy_bits(technology))
    if ((policy & set) != 0 || (clear != 0 && (policy & clear) == 0)) words.push_back(word);
  return words;
}

}  // namespace hv::profiles
