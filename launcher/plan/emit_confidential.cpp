// SPDX-License-Identifier: MIT
#include "launcher/plan/emit.h"

namespace hv::plan {
namespace {

namespace json = boost::json;
using profiles::Technology;

void set_if_given(json::object& object, std::string_view key, const std::string& value) {
  if (!value.empty()) object[key] = value;
}

/// What all of SEV's kinds have.
void add_sev(const ConfidentialGuest& guest, const profiles::Confidential& details,
             json::object& object) {
  object["cbitpos"] = guest.cbitpos;
  object["reduced-phys-bits"] = guest.reduced_phys_bits;
  object["policy"] = guest.policy;
  if (details.kernel_hashes.value) object["kernel-hashes"] = true;
}

void add_snp(const Machine& machine, json::object& object) {
  const auto& details = machine.profile.confidential;
  for (const auto& state : machine.features.states)
    if (state.name == "secure_tsc" && state.state == "on") object["secure-tsc"] = true;
  set_if_given(object, "id-block", details.id_block.value);
  set_if_given(object, "id-auth", details.id_auth.value);
  if (details.author_key.value) object["author-key-enabled"] = true;
  set_if_given(object, "host-data", details.host_data.value);
}

void add_tdx(const profiles::Confidential& details, json::object& object) {
  set_if_given(object, "mrconfigid", details.mr_config_id.value);
  set_if_given(object, "mrowner", details.mr_owner.value);
  set_if_given(object, "mrownerconfig", details.mr_owner_config.value);
  if (const auto& path = details.quote_socket.value; !path.empty())
    object["quote-generation-socket"] = {{"type", "unix"}, {"path", path}};
}

}  // namespace

void emit_confidential(const Machine& machine, CommandLine& line) {
  if (!machine.confidential) return;
  const auto& [guest, cause] = *machine.confidential;
  const auto& details = machine.profile.confidential;
  json::object object = {{"qom-type", ""}, {"id", confidential_id}};
  switch (guest.technology) {
    case Technology::sev:
    case Technology::sev_es:
      object["qom-type"] = "sev-guest";
      add_sev(guest, details, object);
      set_if_given(object, "dh-cert-file", guest.owner_certificate);
      set_if_given(object, "session-file", guest.session);
      break;
    case Technology::sev_snp:
      object["qom-type"] = "sev-snp-guest";
      add_sev(guest, details, object);
      add_snp(machine, object);
      break;
    case Technology::tdx:
      object["qom-type"] = "tdx-guest";
      add_tdx(details, object);
      break;
  }
  line.add("-object", object, cause);
}

void emit_bios(const Machine& machine, CommandLine& line) {
  if (machine.bios) line.add("-bios", std::string_view(machine.bios->value), machine.bios->cause);
}

}  // namespace hv::plan
