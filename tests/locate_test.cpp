// SPDX-License-Identifier: MIT
#include "profiles/source.h"

#include <doctest/doctest.h>

using hv::profiles::Source;

TEST_CASE("where a JSON pointer points") {
  const Source source{"p", R"(// "a": {
{
  "a": [1, {"b/c": "]}\"", /* { "x" */ "d": {},},],
  "e~": null, // "f": 1
  "\u0066\"": true,
  "": [[], [0]], "g": -1.5e3/**/,
})"};
  struct Row {
    const char* pointer;
    unsigned line, column;
  };
  constexpr Row rows[] = {
      {"", 2, 1},
      {"/a", 3, 8},
      {"/a/0", 3, 9},
      {"/a/1", 3, 12},
      {"/a/1/b~1c", 3, 20},
      {"/a/1/d", 3, 45},
      {"/e~0", 4, 9},
      {"/f\"", 5, 15},
      {"/", 6, 7},
      {"//1/0", 6, 13},
      {"/g", 6, 23},
      {"/a/1/missing", 3, 12},  // What is not there is reported where it should be.
      {"/a/7", 3, 8},
      {"/a/0/x/y", 3, 9},
      {"/x", 2, 1},
  };
  hv::Errors errors;
  for (const auto& [pointer, line, column] : rows) {
    CAPTURE(pointer);
    const auto origin = locate(source, pointer);
    CHECK_EQ(origin.line, line);
    CHECK_EQ(origin.column, column);
    errors.push_back({.id = "", .message = "", .origin = {.pointer = pointer}});
  }
  locate(source, errors);  // All in one walk: the same.
  for (std::size_t i = 0; i < errors.size(); ++i) {
    CAPTURE(rows[i].pointer);
    CHECK_EQ(errors[i].origin, locate(source, rows[i].pointer));
  }
}

TEST_CASE("an unknown member is placed at its name, other problems at the value") {
  const Source source{"p", "{\n  \"a\": 1}"};
  hv::Errors errors = {
      {.id = "unknown-member", .message = "", .origin = {.pointer = "/a"}},
      {.id = "bad-value", .message = "", .origin = {.pointer = "/a"}},
      {.id = "", .message = "", .origin = {.pointer = "/a", .line = 7, .column = 9}},
  };
  locate(source, errors);
  CHECK_EQ(errors[0].origin.column, 3);
  CHECK_EQ(errors[1].origin.column, 8);
  CHECK_EQ(errors[2].origin.line, 7);  // Known already.
}

TEST_CASE("members that occur twice") {
  struct Row {
    const char* text;
    const char* pointer;  // nullptr: none does.
    unsigned column;
  };
  constexpr Row rows[] = {
      {R"({"a": 1, "a": 2})", "/a", 10},
      {R"({"a": 1, "\u0061": 2})", "/a", 10},
      {R"({"b": [0, {"a/": 1, "a/": 2}]})", "/b/1/a~1", 21},
      {R"({"a": 1, /* "a": 3, */ "b": {"a": 2},})", nullptr, 0},
      {R"({"_": 1, "_": 2, "_c": {"a": 1, "a": 2}})", nullptr, 0},
  };
  for (const auto& [text, pointer, column] : rows) {
    CAPTURE(text);
    const auto errors = hv::profiles::duplicate_members({"p", text});
    REQUIRE_EQ(errors.size(), pointer == nullptr ? 0 : 1);
    if (pointer == nullptr) continue;
    CHECK_EQ(errors[0].origin.pointer, pointer);
    CHECK_EQ(errors[0].origin.column, column);
  }
}

TEST_CASE("walking text that no parser would accept ends") {
  constexpr const char* texts[] = {
      "",      "{", "[", "\"", "{\"a", "{\"a\\", "{\"a\":", "[[[",        "{\"a\"", "//", "/*",
      "[1,/*", "}", "]", "{]", "[}",   "{:}",    "[,,",     "{\"\\u12\"", "/",      "[/"};
  for (const auto* const text : texts) {
    CAPTURE(text);
    CHECK_EQ(locate(Source{"p", text}, "/a/0").line, 1);
    CHECK(hv::profiles::duplicate_members({"p", text}).empty());
  }
}
