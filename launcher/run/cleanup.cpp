// SPDX-License-Identifier: MIT
#include "launcher/run/cleanup.h"

#include "launcher/base/journal.h"
#include "launcher/base/text.h"
#include "launcher/run/lock.h"
#include "launcher/run/prepare.h"

#include <algorithm>
#include <ctime>

namespace hv::run {
namespace {

constexpr std::size_t kept_lines = 20;

std::vector<std::string> tail_of_log(const Place& place) {
  const auto text = place.root.read(place.file("qemu.log"));
  if (!text || text->empty()) return {};
  auto lines = split(*text, '\n');
  if (lines.size() > kept_lines)
    lines.erase(lines.begin(), lines.end() - static_cast<std::ptrdiff_t>(kept_lines));
  std::vector<std::string> tail;
  for (const auto line : lines) tail.push_back(printable(line));
  return tail;
}

LastExit unseen() {
  return {.cause = "unknown",
          .detail = "the guest ended while nothing watched it: the host went down, or QEMU was "
                    "killed or crashed"};
}

Result<> roll_back(const Place& place) {
  const auto path = place.file("journal");
  if (!place.root.exists(path)) return {};
  auto journal = TRY(Journal::open(place.root, path, undo));
  auto errors = journal.rollback();
  if (errors.empty()) return {};
  return std::unexpected(
      with_hint(in_context(std::move(errors.front()),
                           fmt::format("undoing what was done for '{}'", place.vm)),
                fmt::format("mend the cause, then `hvlaunch recover {}`", place.vm)));
}

/// Everything but the lock, which is what keeps others out meanwhile.
Result<> remove_files(const Place& place) {
  for (const auto& name : TRY(place.root.list(place.directory())))
    if (name != "lock") TRY(place.root.remove(place.file(name)));
  return {};
}

void remember(const Place& place, LastExit last_exit) {
  last_exit.at = std::time(nullptr);
  last_exit.log = tail_of_log(place);
  auto record = load_record(place);
  record.last_exit = std::move(last_exit);
  (void)save_record(place, record);  // A full disk must not keep the host from being restored.
}

}  // namespace

Result<> announce_stop(const Place& place, std::string_view rung) {
  return place.root.replace(place.file("stop"), rung);
}

LastExit announced_or(const Place& place, LastExit otherwise) {
  const auto rung = place.root.read(place.file("stop"));
  if (!rung) return otherwise;
  if (*rung == "kill") return {.cause = "killed", .detail = "hvlaunch killed it"};
  return {.cause = "stopped", .detail = fmt::format("hvlaunch stopped it ({})", printable(*rung))};
}

Result<> cleanup(const Place& place, [[maybe_unused]] UniqueFd lock, LastExit last_exit) {
  if (place.root.exists(place.file("state.json"))) remember(place, std::move(last_exit));
  TRY(roll_back(place));
  TRY(remove_files(place));
  // The lock goes last, while it is held: whoever waits for it sees that its
  // file is gone and looks again.
  TRY(place.root.remove(place.lock()));
  auto removed = place.root.remove(place.directory());
  // A start that came right behind has put its own lock there.
  if (!removed && removed.error().os_error == ENOTEMPTY) return {};
  return removed;
}

Result<bool> recover(const Place& place) {
  if (!place.root.exists(place.directory()) || is_locked(place.root, place.lock())) return false;
  auto lock = TRY(try_lock(place.root, place.lock()));
  if (!lock) return false;
  TRY(cleanup(place, *std::move(lock), announced_or(place, unseen())));
  return true;
}

Result<> clear_leftovers(const Place& place) {
  if (place.root.exists(place.file("state.json"))) remember(place, announced_or(place, unseen()));
  TRY(roll_back(place));
  return remove_files(place);
}

}  // namespace hv::run
