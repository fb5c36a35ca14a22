// SPDX-License-Identifier: MIT
#include "launcher/base/text.h"
#include "launcher/base/error.h"

#include <doctest/doctest.h>

#include <array>

TEST_CASE("text from elsewhere is made harmless for a terminal") {
  struct Row {
    std::string_view text;
    std::string_view expected;
  };
  using namespace std::string_view_literals;
  constexpr Row rows[] = {
      {"", ""},
      {"plain text", "plain text"},
      {"Grüße, 日本語 🎉", "Grüße, 日本語 🎉"},
      {"\x1b[2J\x1b]0;title\x07", "\\x1b[2J\\x1b]0;title\\x07"},
      {"a\nb\tc\r", "a\\x0ab\\x09c\\x0d"},
      {"\x7f", "\\x7f"},
      {"nul\0inside"sv, "nul\\x00inside"},
      {"\xc2\x9b", "\\u{009b}"},  // CSI in one character.
      {"\xe2\x80\xae"
       "evil",
       "\\u{202e}evil"},                // Right-to-left override,
      {"\xe2\x81\xa6x", "\\u{2066}x"},  // isolate,
      {"a\xe2\x80\x8b"
       "b",
       "a\\u{200b}b"},                     // zero width space,
      {"\xef\xbb\xbf", "\\u{feff}"},       // byte order mark,
      {"\xe3\x85\xa4", "\\u{3164}"},       // a letter without a shape,
      {"\xf3\xa0\x81\x81", "\\u{e0041}"},  // a tag.
      {"\xff", "\\xff"},
      {"\xc3", "\\xc3"},                             // Cut short.
      {"\xe2\x82", "\\xe2\\x82"},                    // Cut short.
      {"\xc0\xaf", "\\xc0\\xaf"},                    // Overlong '/'.
      {"\xe0\x80\xaf", "\\xe0\\x80\\xaf"},           // The same in three bytes.
      {"\xed\xa0\x80", "\\xed\\xa0\\x80"},           // A surrogate.
      {"\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80"},  // Beyond Unicode.
      {"\xc3(", "\\xc3("},                           // A byte that must not be eaten.
  };
  for (const auto& [text, expected] : rows) {
    CAPTURE(std::string(expected));
    CHECK_EQ(hv::printable(text), expected);
  }
  CHECK_EQ(hv::printable("a\nb\x1b", hv::Lines::keep), "a\nb\\x1b");
}

TEST_CASE("printable text does not change when made printable again") {
  std::string every;
  for (int c = 0; c < 256; ++c) every += static_cast<char>(c);
  const auto once = hv::printable(every);
  CHECK_EQ(hv::printable(once), once);
  CHECK_EQ(once.find('\x1b'), std::string::npos);
}

TEST_CASE("arguments are quoted for a shell only where they need it") {
  struct Row {
    std::string_view argument;
    std::string_view expected;
  };
  constexpr Row rows[] = {
      {"plain", "plain"},
      {"/a/b-c_d.e:f,g=h@i%j+k", "/a/b-c_d.e:f,g=h@i%j+k"},
      {"", "''"},
      {"two words", "'two words'"},
      {"it's", "'it'\\''s'"},
      {"$(reboot)", "'$(reboot)'"},
      {"`reboot`", "'`reboot`'"},
      {"a;b|c&d", "'a;b|c&d'"},
      {"~", "'~'"},
      {"*", "'*'"},
      {"{\"a\":1}", "'{\"a\":1}'"},
      {"line\nend", "'line\nend'"},
      {"\\", "'\\'"},
      {"!", "'!'"},
      {"#no", "'#no'"},
  };
  for (const auto& [argument, expected] : rows) {
    CAPTURE(std::string(argument));
    CHECK_EQ(hv::shell_quote(argument), expected);
  }
}

TEST_CASE("a misspelt word has a neighbour, another word has none") {
  constexpr std::array<std::string_view, 6> known = {"start", "stop",   "status",
                                                     "list",  "delete", "vm"};
  struct Row {
    std::string_view word;
    std::string_view expected;
  };
  constexpr Row rows[] = {
      {"strat", "start"},  {"sotp", "stop"},   {"statsu", "status"}, {"lsit", "list"},
      {"delte", "delete"}, {"start", "start"}, {"rm", "vm"},         {"xy", ""},
      {"x", ""},           {"", ""},           {"migrate", ""},
  };
  for (const auto& [word, expected] : rows) {
    CAPTURE(word);
    CHECK_EQ(hv::nearest(word, known), expected);
  }
  CHECK_EQ(hv::nearest(std::string(1U << 20U, 'a'), known), "");
  CHECK_EQ(hv::nearest("start", {}), "");
}

TEST_CASE("split keeps empty parts, and join takes it back") {
  using Parts = std::vector<std::string_view>;
  CHECK_EQ(hv::split("", ','), Parts{""});
  CHECK_EQ(hv::split("a", ','), Parts{"a"});
  CHECK_EQ(hv::split("a,b", ','), Parts{"a", "b"});
  CHECK_EQ(hv::split(",a,,b,", ','), Parts{"", "a", "", "b", ""});
  const std::vector<std::string> parts = {"", "a", "b"};
  CHECK_EQ(hv::join(parts, ", "), ", a, b");
  CHECK_EQ(hv::join({}, ", "), "");
}

TEST_CASE("an error reads like a compiler's") {
  hv::Error error{
      .fault = hv::Fault::profile,
      .id = "bad-value",
      .message = "'65:00.9' is not a PCI address",
      .origin = {.source = "web.json", .pointer = "/devices/1", .line = 6, .column = 15},
      .hint = "like 0000:65:00.0"};
  error = in_context(in_context(std::move(error), "binding it"), "starting 'web'");
  CHECK_EQ(describe(error),
           "web.json:6:15: error: /devices/1: '65:00.9' is not a PCI address [bad-value]\n"
           "  while binding it\n"
           "  while starting 'web'\n"
           "  hint: like 0000:65:00.0");
  CHECK_EQ(hv::describe({.id = "", .message = "m"}), "error: m");
  CHECK_EQ(hv::describe({.id = "x", .message = "m", .origin = {.source = "f"}}), "f: error: m [x]");
  CHECK_EQ(hv::describe({.id = "x", .message = "\x1b[31mred\nline", .hint = "a\nb\x1b"}),
           "error: \\x1b[31mred\nline [x]\n  hint: a\\x0ab\\x1b");
}

TEST_CASE("a failed system call says which, and who may not is told apart") {
  const auto missing = hv::errno_error(ENOENT, "open /x");
  CHECK_EQ(missing.message, "open /x: No such file or directory");
  CHECK_EQ(missing.os_error, ENOENT);
  CHECK_EQ(missing.fault, hv::Fault::failed);
  CHECK_EQ(hv::errno_error(EACCES, "x").fault, hv::Fault::permission);
  CHECK_EQ(hv::errno_error(EPERM, "x").fault, hv::Fault::permission);
  CHECK_EQ(hv::with_hint({.id = "", .message = "", .hint = "first"}, "second").hint, "first");
}
