// SPDX-License-Identifier: MIT
#include "launcher/base/journal.h"

#include "launcher/base/text.h"

#include <fcntl.h>

#include <array>
#include <ranges>

namespace hv {
namespace {

struct Word {
  Undo::Kind kind;
  std::string_view word;
  bool has_value;
  bool ends_with_boot;  ///< The kernel forgets the change when the host goes down.
};
constexpr std::array words = {Word{Undo::Kind::remove_file, "remove-file", false, false},
                              Word{Undo::Kind::end_helper, "end-helper", false, true},
                              Word{Undo::Kind::write_value, "write-value", true, true},
                              Word{Undo::Kind::return_function, "return-function", true, true},
                              Word{Undo::Kind::set_pool, "set-pool", true, true},
                              Word{Undo::Kind::remove_vfs, "remove-vfs", false, true},
                              Word{Undo::Kind::start_unit, "start-unit", false, true},
                              Word{Undo::Kind::bind_framebuffer, "bind-framebuffer", true, true},
                              Word{Undo::Kind::load_module, "load-module", false, true},
                              Word{Undo::Kind::set_vf, "set-vf", true, true},
                              Word{Undo::Kind::release_cpus, "release-cpus", false, true}};

constexpr std::string_view boot_word = "boot\t";
constexpr std::string_view done_word = "done\t";  // Before an entry that needs no undo any more.

/// "word\tpath" or "word\tvalue\tpath".
std::string line_of(const Undo& undo) {
  const auto* const word = std::ranges::find(words, undo.kind, &Word::kind);
  const auto value = word->has_value ? undo.value + "\t" : "";
  return fmt::format("{}\t{}{}\n", word->word, value, undo.path);
}

Result<Undo> parse_entry(std::string_view line) {
  const auto refused = [&] {
    return fail(Fault::failed, "damaged-journal", "'{}' is no journal entry", printable(line));
  };
  auto tab = line.find('\t');
  const auto word = line.substr(0, tab);
  if (tab == std::string_view::npos) return refused();
  line.remove_prefix(tab + 1);
  const auto* const found = std::ranges::find(words, word, &Word::word);
  if (found == words.end()) return refused();
  Undo undo{.kind = found->kind, .path = {}};
  if (found->has_value) {
    if ((tab = line.find('\t')) == std::string_view::npos) return refused();
    undo.value = line.substr(0, tab);
    line.remove_prefix(tab + 1);
  }
  if (line.empty()) return refused();
  undo.path = line;
  return undo;
}

Result<> parse_line(std::string_view line, JournalText& text) {
  if (line.starts_with(boot_word)) {
    text.boot = line.substr(boot_word.size());
    return {};
  }
  const bool done = line.starts_with(done_word);
  auto entry = TRY(parse_entry(done ? line.substr(done_word.size()) : line));
  if (done)
    std::erase(text.entries, entry);
  else
    text.entries.push_back(std::move(entry));
  return {};
}

/// Another one after each start of the kernel.
std::string boot_id(const Root& root) {
  return root.read("/proc/sys/kernel/random/boot_id").value_or("");
}

/// Whether the change is gone although nobody has undone it.
bool is_moot(const Undo& entry, std::string_view then, std::string_view now) {
  const auto* const word = std::ranges::find(words, entry.kind, &Word::kind);
  return word->ends_with_boot && !then.empty() && !now.empty() && then != now;
}

Result<> append_synced(int fd, std::string_view line, const std::string& path) {
  const auto count = ::write(fd, line.data(), line.size());
  if (count < 0) return fail_errno("write {}", path);
  if (static_cast<std::size_t>(count) != line.size())
    return fail(Fault::failed, "short-write", "{} took {} of {} bytes", path, count, line.size());
  if (::fdatasync(fd) < 0) return fail_errno("sync {}", path);
  return {};
}

/// The text as it is: a missing line end tells that the last line was cut short.
Result<std::string> read_raw(int fd, const std::string& path) {
  std::string text;
  std::array<char, 4096> buffer;
  for (;;) {
    const auto count = ::pread(fd, buffer.data(), buffer.size(), static_cast<off_t>(text.size()));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return fail_errno("read {}", path);
    if (count == 0) return text;
    text.append(buffer.data(), static_cast<std::size_t>(count));
  }
}

}  // namespace

Result<JournalText> parse_journal(std::string_view text) {
  JournalText parsed;
  for (auto end = text.find('\n'); end != std::string_view::npos; end = text.find('\n')) {
    TRY(parse_line(text.substr(0, end), parsed));
    text.remove_prefix(end + 1);
  }
  return parsed;
}

Result<Journal> Journal::open(const Root& root, std::string path, UndoFunction undo) {
  auto file = TRY(root.open_file(path, O_RDWR | O_CREAT | O_APPEND, 0600, Links::refuse),
                  "opening the journal");
  // A line that was cut short must not run into the next one.
  const auto text = TRY(read_raw(file.get(), path));
  const auto whole = text.rfind('\n') + 1;
  if (whole != text.size() && ::ftruncate(file.get(), static_cast<off_t>(whole)) < 0)
    return fail_errno("cut {}", path);
  return Journal(root, std::move(path), std::move(undo), std::move(file));
}

Journal::~Journal() {
  if (active_.on) (void)rollback();  // Nobody is left to tell; the file keeps what failed.
}

Result<> Journal::record(const Undo& undo) {
  if (undo.path.contains('\n') || undo.value.find_first_of("\n\t") != std::string::npos)
    return fail(Fault::failed, "bad-path", "'{}' has a line end in it", printable(undo.path));
  return write_line(line_of(undo));
}

Result<> Journal::settle(const Undo& undo) {
  return write_line(std::string(done_word) + line_of(undo));
}

Result<> Journal::write_line(const std::string& line) {
  const auto before = ::lseek(file_.get(), 0, SEEK_END);
  // With the first entry, not before: a full disk must not keep a journal from being opened.
  const auto boot = before == 0 ? fmt::format("{}{}\n", boot_word, boot_id(*root_)) : "";
  auto written = append_synced(file_.get(), boot + line, path_);
  // Whatever of it is there must not run into the next line.
  if (!written && before >= 0) (void)!::ftruncate(file_.get(), before);
  return written;
}

Result<> Journal::forget() {
  active_ = false;
  return root_->remove(path_);
}

Result<JournalText> Journal::text() const {
  auto parsed = parse_journal(TRY(read_raw(file_.get(), path_)));
  if (parsed) return parsed;
  return std::unexpected(
      with_hint(std::move(parsed).error(),
                fmt::format("undo by hand what {} lists, and remove the file", path_)));
}

Errors Journal::rollback() {
  active_ = false;
  const auto parsed = text();
  if (!parsed) return {parsed.error()};
  Errors errors;
  const auto now = boot_id(*root_);
  const auto is_due = [&](const Undo& entry) { return !is_moot(entry, parsed->boot, now); };
  for (const auto& entry : parsed->entries | std::views::reverse | std::views::filter(is_due))
    if (auto done = undo_(*root_, entry); !done) errors.push_back(std::move(done).error());
  if (!errors.empty()) return errors;
  if (auto removed = root_->remove(path_); !removed) errors.push_back(std::move(removed).error());
  return errors;
}

}  // namespace hv
