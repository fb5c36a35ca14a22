// SPDX-License-Identifier: MIT
#include "launcher/run/quarantine.h"

#include "launcher/run/prepare.h"
#include "vfio/quarantine.h"

#include <ctime>

namespace hv::run {
namespace {

Result<> undo_with_care(const Root& root, const Paths& paths, const Undo& entry) {
  auto done = undo(root, entry);
  if (entry.kind != Undo::Kind::return_function && entry.kind != Undo::Kind::remove_vfs)
    return done;
  const auto address = vfio::parse_pci_address(entry.path);
  if (!address) return done;
  if (!done) return or_quarantine(root, paths, *address, std::move(done));
  // It has been given back, whatever it is good for: nothing more is to be undone.
  (void)or_quarantine(root, paths, *address, vfio::require_answers(root, *address));
  return {};
}

}  // namespace

Result<> or_quarantine(const Root& root, const Paths& paths, const vfio::PciAddress& address,
                       Result<> done) {
  if (done || !vfio::calls_for_quarantine(root, address, done.error())) return done;
  auto error = std::move(done).error();
  const auto noted = vfio::quarantine(root, paths.runtime,
                                      {.address = address,
                                       .cause = error.id,
                                       .message = error.message,
                                       .since = std::time(nullptr)});
  if (noted) error.hint = vfio::cure_of_quarantine(address);
  return std::unexpected(std::move(error));
}

UndoFunction undo_for(const Paths& paths) {
  return
      [paths](const Root& root, const Undo& entry) { return undo_with_care(root, paths, entry); };
}

}  // namespace hv::run
