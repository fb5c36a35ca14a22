// SPDX-License-Identifier: MIT
//
// What a hostile QEMU may say: messages are cut the same way however the bytes
// arrive, within the limits, and an id is put in and taken out again.
#include "qmp/envelope.h"
#include "qmp/splitter.h"
#include "tests/fuzz/fuzz.h"

#include <boost/json.hpp>

#include <string>
#include <vector>

using fuzz::require;

namespace {

constexpr qmp::Limits limits{.message = 128, .depth = 8};
constexpr std::size_t most_members = 8;

struct Cut {
  std::vector<std::string> messages;
  bool failed = false;
  std::size_t rest = 0;
};

Cut cut(std::string_view bytes, std::size_t piece) {
  qmp::Splitter splitter(limits);
  Cut result;
  while (!bytes.empty() && !result.failed) {
    splitter.push(bytes.substr(0, piece));
    bytes.remove_prefix(std::min(piece, bytes.size()));
    for (;;) {
      const auto next = splitter.next();
      result.failed = !next;
      if (!next || !*next) break;
      require((*next)->size() <= limits.message, "a message is within the limit");
      result.messages.emplace_back(**next);
    }
    if (!result.failed)
      require(splitter.held() <= limits.message + piece, "what is held is within the limit");
  }
  if (!result.failed) result.rest = splitter.held();
  return result;
}

boost::json::value parsed(std::string_view text) {
  boost::system::error_code error;
  auto value = boost::json::parse(text, error);
  require(!error, "what the envelope takes is JSON");
  return value;
}

void try_envelope(const std::string& message) {
  const auto envelope = qmp::Envelope::read(message, limits.depth);
  if (!envelope) return;
  const auto before = parsed(message).as_object();
  for (const auto& member : before)
    if (before.size() <= most_members && member.key() != "id") {
      const auto found = envelope->find(member.key());
      require(found && parsed(*found) == member.value(), "a member's value is what JSON says");
    }
  auto without = before;
  without.erase("id");
  require(parsed(envelope->with_id(std::nullopt)) == without, "only the id is taken out");
  auto with = without;
  with["id"] = 7;
  require(parsed(envelope->with_id("7")) == with, "only the id is put in");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto text = fuzz::text_of(data, size);
  const auto whole = cut(text, std::max<std::size_t>(size, 1));
  for (const std::size_t piece : {1U, 3U, 64U}) {
    const auto pieces = cut(text, piece);
    require(pieces.messages == whole.messages && pieces.failed == whole.failed &&
                (whole.failed || pieces.rest == whole.rest),
            "how the bytes arrive does not matter");
  }
  for (const auto& message : whole.messages) try_envelope(message);
  return 0;
}
