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
};
constexpr std::array words = {Word{Undo::Kind::remove_file, "remove-file"},
                              Word{Undo::Kind::end_helper, "end-helper"}};

Result<Undo> parse_line(std::string_view line) {
  const auto tab = line.find('\t');
  const auto* const found = std::ranges::find(words, line.substr(0, tab), &Word::word);
  if (tab == std::string_view::npos || found == words.end())
    return fail(Fault::failed, "damaged-journal", "'{}' is no journal entry", printable(line));
  return Undo{.kind = found->kind, .path = std::string(line.substr(tab + 1))};
}

Result<> write_line(int fd, std::string_view line, const std::string& path) {
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

Result<std::vector<Undo>> parse_journal(std::string_view text) {
  std::vector<Undo> entries;
  for (auto end = text.find('\n'); end != std::string_view::npos; end = text.find('\n')) {
    entries.push_back(TRY(parse_line(text.substr(0, end))));
    text.remove_prefix(end + 1);
  }
  return entries;
}

Result<Journal> Journal::open(const Root& root, std::string path, UndoFunction undo) {
  auto file = TRY(root.open_file(path, O_RDWR | O_CREAT | O_APPEND, 0600, Links::refuse),
                  "opening the journal");
  // A line that was cut short must not run into the next one.
  const auto text = TRY(read_raw(file.get(), path));
  const auto whole = text.rfind('\n') + 1;
  if (whole != text.size() && ::ftruncate(file.get(), static_cast<off_t>(whole)) < 0)
    return fail_errno("cut {}", path);
  return Journal(root, std::move(path), undo, std::move(file));
}

Journal::~Journal() {
  if (active_.on) (void)rollback();  // Nobody is left to tell; the file keeps what failed.
}

Result<> Journal::record(const Undo& undo) {
  if (undo.path.contains('\n'))
    return fail(Fault::failed, "bad-path", "'{}' has a line end in it", printable(undo.path));
  const auto* const word = std::ranges::find(words, undo.kind, &Word::kind);
  const auto line = fmt::format("{}\t{}\n", word->word, undo.path);
  const auto before = ::lseek(file_.get(), 0, SEEK_END);
  auto written = write_line(file_.get(), line, path_);
  // Whatever of it is there must not run into the next line.
  if (!written && before >= 0) (void)!::ftruncate(file_.get(), before);
  return written;
}

Result<> Journal::forget() {
  active_ = false;
  return root_->remove(path_);
}

Errors Journal::rollback() {
  active_ = false;
  const auto text = read_raw(file_.get(), path_);
  if (!text) return {text.error()};
  auto entries = parse_journal(*text);
  if (!entries)
    return {with_hint(std::move(entries).error(),
                      fmt::format("undo by hand what {} lists, and remove the file", path_))};
  Errors errors;
  for (const auto& entry : *entries | std::views::reverse)
    if (auto done = undo_(*root_, entry); !done) errors.push_back(std::move(done).error());
  if (!errors.empty()) return errors;
  if (auto removed = root_->remove(path_); !removed) errors.push_back(std::move(removed).error());
  return errors;
}

}  // namespace hv
