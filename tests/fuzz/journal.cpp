// SPDX-License-Identifier: MIT
//
// A journal that a crash cut short still says what came before; what it says
// can be written as a line again.
#include "launcher/base/journal.h"
#include "tests/fuzz/fuzz.h"

#include <algorithm>
#include <span>

using fuzz::require;
using namespace hv;

namespace {

bool is_beginning(const JournalText& cut, const JournalText& whole) {
  return cut.entries.size() <= whole.entries.size() &&
         std::ranges::equal(cut.entries, std::span(whole.entries).first(cut.entries.size()));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto text = fuzz::text_of(data, size);
  const auto whole = parse_journal(text);
  if (!whole) {
    require(!whole.error().id.empty(), "an error has an id");
    return 0;
  }
  for (const auto& [kind, path, value] : whole->entries) {
    require(path.find('\n') == std::string::npos && !path.empty(), "a path is on one line");
    require(value.find('\n') == std::string::npos, "a value is on one line");
  }
  require(whole->entries.size() <= static_cast<std::size_t>(std::ranges::count(text, '\n')),
          "only whole lines count");
  // It takes entries back: there were more before.
  const bool settles = text.contains("done\t");
  for (const auto length : {size / 2, size - std::min<std::size_t>(size, 1)}) {
    const auto cut = parse_journal(text.substr(0, length));
    require(cut.has_value(), "a journal that is cut short can be read");
    require(settles || is_beginning(*cut, *whole), "what is cut short is the beginning");
  }
  return 0;
}
