// SPDX-License-Identifier: MIT
#include "launcher/commands/commands.h"
#include "launcher/commands/output.h"
#include "launcher/commands/vfio.h"
#include "vfio/bind.h"
#include "vfio/quarantine.h"

namespace hv::commands {
namespace {

/// Whether there is anything left of what it is in quarantine for. A function
/// that is gone has nothing to answer.
Result<> require_healthy(const Root& root, const vfio::PciAddress& address) {
  const auto binding = vfio::read_binding(root, address);
  if (!binding && binding.error().id == "no-device-here") return {};
  if (!binding) return std::unexpected(binding.error());
  return vfio::require_answers(root, address);
}

Result<> clear(const Context& context, const vfio::PciAddress& address, bool force) {
  if (!force) TRY(require_healthy(context.root, address));
  return vfio::release_quarantined(context.root, context.paths.runtime, address);
}

}  // namespace

Outcome vfio_clear_command(Context& context, const Arguments& arguments) {
  Errors errors;
  for (const auto& address : TRY_OUTCOME(addresses_of(arguments))) {
    auto done = clear(context, address, arguments.has("force"));
    if (done)
      say(context, fmt::format("{} may go to guests again", to_string(address)));
    else
      errors.push_back(std::move(done).error());
  }
  if (!errors.empty()) return std::unexpected(std::move(errors));
  return {};
}

}  // namespace hv::commands
