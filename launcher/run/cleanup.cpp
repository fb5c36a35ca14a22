// SPDX-License-Identifier: MIT
#include "launcher/run/cleanup.h"

#include "launcher/base/journal.h"
#include "launcher/base/text.h"
#include "launcher/run/lock.h"
#include "launcher/run/prepare.h"
#include "launcher/run/process.h"
#include "launcher/run/quarantine.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <charconv>
#include <ctime>

namespace hv::run {
namespace {

constexpr std::size_t kept_lines = 20;
constexpr std::size_t kept_bytes = 8192;

std::vector<std::string> tail_of_log(const Place& place) {
  const auto text = place.root.read_end(place.file("qemu.log"), kept_bytes);
  if (!text || text->empty()) return {};
  auto lines = split(*text, '\n');
  if (lines.back().empty()) lines.pop_back();
  if (lines.size() > kept_lines)
    lines.erase(lines.begin(), lines.end() - static_cast<std::ptrdiff_t>(kept_lines));
  std::vector<std::string> tail;
  tail.reserve(lines.size());
  for (const auto line : lines) tail.push_back(printable(line));
  return tail;
}

/// What was noted by who saw it; else that nobody did.
LastExit noted(const Place& place) {
  const auto text = place.root.read(place.file("exit"), kept_bytes);
  const auto line_end = text ? text->find('\n') : std::string::npos;
  if (line_end != std::string::npos)
    return {.cause = printable(text->substr(0, line_end)),
            .detail = printable(text->substr(line_end + 1))};
  return {.cause = "unknown",
          .detail =
              "the guest ended while nothing watched it: the host went down, or QEMU was "
              "killed or crashed"};
}

/// QEMU lets go of its lock before the kernel has taken back all that it had: huge pages given
/// back in between make the pool of a size that nobody gave it.
void await_last_of_qemu(const Place& place) {
  const auto state = load_state(place);
  const auto pid = static_cast<pid_t>(state ? state->pid : 0);
  if (pid <= 0 || !is_taken_apart(place.root, pid)) return;
  const UniqueFd process(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  constexpr std::chrono::seconds patience{30};
  if (process) (void)ends_within(process, patience);
}

Result<> roll_back(const Place& place) {
  const auto path = place.file("journal");
  // Only one that is not there has nothing to say; what cannot be looked at may.
  if (const auto there = place.root.status(path); !there && there.error().os_error == ENOENT)
    return {};
  auto journal = TRY(Journal::open(place.root, path, undo_for(place.paths)));
  auto errors = journal.rollback();
  if (errors.empty()) return {};
  return std::unexpected(
      with_hint(in_context(std::move(errors.front()),
                           fmt::format("undoing what was done for '{}'", place.vm)),
                fmt::format("mend the cause, then `hvlaunch recover {}`", place.vm)));
}

/// Everything but the lock, which is what keeps others out meanwhile.
Result<> remove_files(const Place& place) {
  for (const auto& name : TRY(place.root.list(place.directory()))) {
    if (name == "lock") continue;
    const auto status = place.root.status(place.file(name), Links::refuse);
    const bool is_directory = status && S_ISDIR(status->st_mode);
    TRY(is_directory ? place.root.remove_directory(place.file(name))
                     : place.root.remove(place.file(name)));
  }
  return {};
}

void remember(const Place& place, LastExit last_exit) {
  last_exit.at = std::time(nullptr);
  last_exit.log = tail_of_log(place);
  auto record = load_record(place);
  if (!record) return;  // The next start tells; what is left of it must not be lost.
  record->last_exit = std::move(last_exit);
  (void)save_record(place, *record);  // A full disk must not keep the host from being restored.
}

/// A guest whose lock file somebody has removed: it runs, and nobody's cleanup
/// may take its helpers and sockets away.
bool runs_without_lock(const Place& place) {
  return !place.root.exists(place.lock()) &&
         find_holder(place.root, place.lock(), lock_number, 0).has_value();
}

}  // namespace

void announce_stop(const Place& place, std::string_view rung, std::chrono::seconds time) {
  constexpr std::int64_t for_cleanup = 10;
  const auto until = std::time(nullptr) + time.count() + for_cleanup;
  // A full /run must not keep a guest alive.
  (void)place.root.replace(place.file("stop"), fmt::format("{} {}", rung, until));
}

void note_exit(const Place& place, const LastExit& last_exit) {
  // Not made again if it was cleaned up meanwhile.
  (void)place.root.replace(place.file("exit"),
                           fmt::format("{}\n{}", last_exit.cause, last_exit.detail));
}

LastExit announced_or(const Place& place, LastExit otherwise) {
  const auto text = place.root.read(place.file("stop"), 256);
  if (!text) return otherwise;
  const auto words = split(*text, ' ');
  std::int64_t until = 0;
  if (words.size() == 2)
    (void)std::from_chars(words[1].data(), words[1].data() + words[1].size(), until);
  // A `stop` that was interrupted, and a guest that went on and ended otherwise.
  if (std::time(nullptr) > until) return otherwise;
  if (words[0] == "kill") return {.cause = "killed", .detail = "hvlaunch killed it"};
  return {.cause = "stopped",
          .detail = fmt::format("stopped by hvlaunch ({})", printable(words[0]))};
}

Result<> cleanup(const Place& place, [[maybe_unused]] UniqueFd lock, LastExit last_exit) {
  if (place.root.exists(place.file("state.json"))) remember(place, std::move(last_exit));
  await_last_of_qemu(place);
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
  if (!place.root.exists(place.directory()) || is_locked(place.root, place.lock()) ||
      runs_without_lock(place))
    return false;
  auto tried = try_lock(place.root, place.lock());
  if (!tried && tried.error().os_error == ENOENT) return false;  // Another cleanup was quicker.
  auto lock = TRY(std::move(tried));
  if (!lock) return false;
  TRY(cleanup(place, *std::move(lock), announced_or(place, noted(place))));
  return true;
}

Result<> clear_leftovers(const Place& place) {
  if (place.root.exists(place.file("state.json")))
    remember(place, announced_or(place, noted(place)));
  TRY(roll_back(place));
  return remove_files(place);
}

}  // namespace hv::run
