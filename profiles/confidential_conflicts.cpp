// SPDX-License-Identifier: MIT
#include "profiles/confidential.h"
#include "profiles/decode.h"

#include "launcher/base/text.h"

#include <algorithm>

namespace hv::profiles {
namespace {

constexpr unsigned bit(Technology technology) {
  return 1U << static_cast<unsigned>(technology);
}
constexpr unsigned old_sev = bit(Technology::sev) | bit(Technology::sev_es);
constexpr unsigned snp = bit(Technology::sev_snp);
constexpr unsigned tdx = bit(Technology::tdx);
constexpr unsigned any = old_sev | snp | tdx;
constexpr unsigned encrypted_registers = bit(Technology::sev_es) | snp | tdx;

std::string names_of(unsigned technologies) {
  std::string names;
  for (const auto technology :
       {Technology::sev, Technology::sev_es, Technology::sev_snp, Technology::tdx})
    if ((technologies & bit(technology)) != 0)
      names += (names.empty() ? "'" : " or '") + std::string(toggle_of(technology)) + "'";
  return names;
}

/// A member of `confidential`, if the profile gives it.
struct Detail {
  std::string_view name;
  std::string_view pointer;
  unsigned technologies;
  std::size_t bytes = 0;  ///< Of Base64; 0: it is none.
  std::string_view text{};
};

std::vector<Detail> details_of(const Confidential& details) {
  const auto& [policy, kernel_hashes, id_block, id_auth, author_key, host_data, owner_certificate,
               session, mr_config_id, mr_owner, mr_owner_config, quote_socket, cbitpos,
               reduced_phys_bits, vcpu_type] = details;
  // Of the same type, or the pointer would be one to a copy that is gone.
  const auto first_word =
      policy.empty() ? std::string_view() : std::string_view(policy.front().pointer);
  const auto if_on = [](const Sourced<bool>& flag) {
    return flag.value ? std::string_view(flag.pointer) : std::string_view();
  };
  std::vector<Detail> all = {
      {"policy", first_word, old_sev | snp},
      {"kernel_hashes", if_on(kernel_hashes), old_sev | snp},
      {"id_block", id_block.pointer, snp, 96, id_block.value},
      {"id_auth", id_auth.pointer, snp, 4096, id_auth.value},
      {"author_key", if_on(author_key), snp},
      {"host_data", host_data.pointer, snp, 32, host_data.value},
      {"owner_certificate", owner_certificate.pointer, old_sev},
      {"session", session.pointer, old_sev},
      {"mr_config_id", mr_config_id.pointer, tdx, 48, mr_config_id.value},
      {"mr_owner", mr_owner.pointer, tdx, 48, mr_owner.value},
      {"mr_owner_config", mr_owner_config.pointer, tdx, 48, mr_owner_config.value},
      {"quote_socket", quote_socket.pointer, tdx},
      {"cbitpos", cbitpos.pointer, old_sev | snp},
      {"reduced_phys_bits", reduced_phys_bits.pointer, old_sev | snp},
      {"vcpu_type", vcpu_type.pointer, old_sev | snp},
  };
  std::erase_if(all, [](const Detail& detail) { return detail.pointer.empty(); });
  return all;
}

std::size_t bytes_of_base64(std::string_view text) {
  const auto padding = text.ends_with("==") ? 2U : text.ends_with('=') ? 1U : 0U;
  return text.size() / 4 * 3 - padding;
}

void check_sizes(const std::vector<Detail>& details, Reading& reading) {
  for (const auto& [name, pointer, technologies, bytes, text] : details)
    if (bytes != 0 && !text.empty() && bytes_of_base64(text) != bytes)
      note_conflict(
          reading, {pointer},
          fmt::format("'{}' is {} bytes in Base64, not {}", name, bytes, bytes_of_base64(text)));
}

void check_policy(const Confidential& details, Technology technology, Reading& reading) {
  const auto words = policy_bits(technology);
  std::vector<std::string_view> known;
  for (const auto& word : words) known.push_back(word.word);
  if (words.empty()) return;  // Said already: there is no policy.
  for (const auto& given : details.policy) {
    if (std::ranges::find(known, given.value) != known.end()) continue;
    const auto near = nearest(given.value, known);
    std::string all;
    for (const auto word : known) all += (all.empty() ? "" : ", ") + std::string(word);
    note_conflict(reading, {given.pointer},
                  fmt::format("the policy of {} has no '{}'", to_string(technology), given.value),
                  near.empty() ? "it has " + all : fmt::format("did you mean \"{}\"?", near));
  }
}

/// Half of a pair says nothing.
void check_pairs(const Profile& profile, Reading& reading) {
  const auto& details = profile.confidential;
  const auto pair = [&](std::string_view name, const std::string& given, std::string_view other,
                        const std::string& missing) {
    if (!given.empty() && missing.empty())
      note_conflict(reading, {given}, fmt::format("'{}' needs '{}'", name, other));
  };
  pair("id_block", details.id_block.pointer, "id_auth", details.id_auth.pointer);
  pair("id_auth", details.id_auth.pointer, "id_block", details.id_block.pointer);
  if (details.author_key.value)
    pair("author_key", details.author_key.pointer, "id_auth", details.id_auth.pointer);
  pair("session", details.session.pointer, "owner_certificate", details.owner_certificate.pointer);
  pair("owner_certificate", details.owner_certificate.pointer, "session", details.session.pointer);
  if (details.kernel_hashes.value && profile.kernel.value.empty())
    note_conflict(reading, {details.kernel_hashes.pointer, profile.kernel.pointer},
                  "'kernel_hashes' needs 'kernel'",
                  "a guest that boots from its disk measures by its firmware");
}

struct Obstacle {
  unsigned technologies;
  bool there;
  Named field;
  std::string_view why;
};

const Feature* memory_option(const Profile& profile, std::string_view name) {
  const auto found = std::ranges::find(profile.memory_options, name, &Feature::name);
  return found != profile.memory_options.end() && found->on() ? std::to_address(found) : nullptr;
}

std::string_view pointer_of(const Feature* feature) {
  return feature != nullptr ? std::string_view(feature->wanted.pointer) : std::string_view();
}

std::vector<Obstacle> obstacles_of(const Profile& profile) {
  const auto& [kind, secure_boot, code, vars] = profile.firmware;
  const auto* const merge = memory_option(profile, "merge");
  const auto& model = profile.cpu_model;
  const auto& balloon = profile.memory_balloon;
  const bool no_uefi = kind.value == FirmwareKind::bios || kind.value == FirmwareKind::none;
  return {
      {encrypted_registers,
       secure_boot.value,
       {"secure_boot", secure_boot.pointer},
       "its firmware needs SMM, in which the host could act for the guest"},
      {snp | tdx,
       !vars.value.empty(),
       {"vars", vars.pointer},
       "its firmware is no flash, and keeps no variables"},
      {any, no_uefi, {"firmware", kind.pointer}, "only UEFI firmware knows what is private"},
      {any, merge != nullptr, {"merge", pointer_of(merge)}, "no two encrypted pages are the same"},
      {any,
       balloon.given() && balloon.value,
       {"memballoon", balloon.pointer},
       "what an encrypted guest gives back is not freed"},
      {snp | tdx,
       profile.huge_pages.enable.value,
       {"hugepages", profile.huge_pages.enable.pointer},
       "its private memory comes from guest_memfd, which has no huge pages of the host's"},
      {any,
       profile.accelerator.value == Accelerator::tcg,
       {"accel", profile.accelerator.pointer},
       "it is KVM's doing"},
      {old_sev | snp,
       profile.confidential.kernel_hashes.value &&
           profile.ready.kind.value == ReadyKind::vsock_notify,
       {"vsock-notify", profile.ready.kind.pointer},
       "the word for it on the kernel's command line would be measured, too, and is this host's"},
      {tdx,
       !model.value.empty() && model.value != "host",
       {"cpu", model.pointer},
       "QEMU gives such guests the host's CPU only"},
  };
}

}  // namespace

void check_confidential(const Profile& profile, Reading& reading) {
  const auto wanted = technologies_of(profile);
  const auto details = details_of(profile.confidential);
  const auto chosen = wanted.empty() ? 0U : bit(wanted.front());
  for (const auto& [name, pointer, technologies, bytes, text] : details)
    if ((technologies & chosen) == 0)
      note_conflict(reading, {pointer},
                    fmt::format("'{}' is of guests with {}", name, names_of(technologies)),
                    fmt::format("set one of them in 'cpu_features', or take '{}' out", name));
  if (const auto* const memory = memory_option(profile, "private");
      memory != nullptr && (wanted.empty() || !has_private_memory(wanted.front())))
    note_conflict(reading, {memory->wanted.pointer}, "'private' needs 'sev_snp' or 'tdx'",
                  "no other guest has memory that its host cannot read");
  check_sizes(details, reading);
  check_pairs(profile, reading);
  if (wanted.empty()) return;
  check_policy(profile.confidential, wanted.front(), reading);
  const auto toggle = toggle_of(wanted.front());
  const auto& asked = profile.cpu_features.wanted(toggle)->wanted.pointer;
  for (const auto& [technologies, there, field, why] : obstacles_of(profile))
    if (there && (technologies & chosen) != 0) note_exclusion(reading, field, {toggle, asked}, why);
}

}  // namespace hv::profiles
