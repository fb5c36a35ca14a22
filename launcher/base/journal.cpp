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

/// The text as it is: a missing line end tells that the last line was cut short.
Result<std::string> read_raw(int fd, const std::string& path) {
  std::string text;
  std::array<char, 4096> buffer;
  for (;;) {
    const auto count = ::pread(fd, buffer.data(), buffer.size(), static_cast<off_t>(text.size()));
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
  auto file =
      TRY(root.open_file(path, O_RDWR | O_CREAT | O_APPEND, 0600, Links::refuse), "opening the journal");
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
  const auto count = ::write(file_.get(), line.data(), line.size());
  if (count < 0) return fail_errno("write {}", path_);
  if (static_cast<std::size_t>(count) != line.size())
    return fail(Fault::failed, "short-write", "{} took {} of {} bytes", path_, count, line.size());
  if (::fdatasync(file_.get()) < 0) return fail_errno("sync {}", path_);
  return {};
}

Errors Journal::rollback() {
  active_ = false;
  const auto text = read_raw(file_.get(), path_);
  if (!text) return {text.error()};
  const auto entries = parse_journal(*text);
  if (!entries) return {entries.error()};
  Errors errors;
  for (const auto& entry : *entries | std::views::reverse)
    if (auto done = undo_(*root_, entry); !done) errors.push_back(std::move(done).error());
  if (!errors.empty()) return errors;
  if (auto removed = root_->remove(path_); !removed) errors.push_back(std::move(removed).error());
  return errors;
}

}  // namespace hv
