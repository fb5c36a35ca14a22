// SPDX-License-Identifier: MIT
#include "profiles/rewrite.h"

#include "profiles/source.h"

#include <doctest/doctest.h>
#include <boost/json.hpp>

namespace json = boost::json;

namespace {

json::value parsed(const std::string& text) {
  boost::system::error_code error;
  auto value =
      json::parse(text, error, {}, {.allow_comments = true, .allow_trailing_commas = true});
  REQUIRE_MESSAGE(!error, text);
  return value;
}

}  // namespace

TEST_CASE("one value is changed, and every other byte stays") {
  struct Row {
    std::string_view text;
    std::string_view pointer;
    std::string_view value;
    std::string_view expected;
  };
  constexpr Row rows[] = {
      // Replacing.
      {R"({"a": 1, "b": 2})", "/a", "7", R"({"a": 7, "b": 2})"},
      {R"({"a": {"x": [1, 2]}, "b": 2})", "/a", "\"t\"", R"({"a": "t", "b": 2})"},
      {R"({"a": {"b": {"c": 1}}})", "/a/b/c", "2", R"({"a": {"b": {"c": 2}}})"},
      {R"({"a" : "x,}]\"" /* c */ , "b": 2})", "/a", "1", R"({"a" : 1 /* c */ , "b": 2})"},
      {R"({"a": [{"b": 1}, {"b": 2}]})", "/a/1/b", "3", R"({"a": [{"b": 1}, {"b": 3}]})"},
      {"{\"a\": 1// one\n}", "/a", "2", "{\"a\": 2// one\n}"},
      {"// \"a\": 0\n{\"a\": 1}", "/a", "2", "// \"a\": 0\n{\"a\": 2}"},
      // Adding.
      {"{}", "/a", "1", R"({"a": 1})"},
      {"{ }", "/a", "1", R"({"a": 1 })"},
      {"{ /* none yet */ }", "/a", "1", R"({"a": 1 /* none yet */ })"},
      {R"({"a": 1})", "/b", "2", R"({"a": 1, "b": 2})"},
      {R"({"a": 1,})", "/b", "2", R"({"a": 1, "b": 2})"},
      {R"({"a": 1 , })", "/b", "2", R"({"a": 1 , "b": 2 })"},
      {"{\n  \"a\": 1\n}", "/b", "2", "{\n  \"a\": 1,\n  \"b\": 2\n}"},
      {"{\n  \"a\": 1,\n}", "/b", "2", "{\n  \"a\": 1,\n  \"b\": 2\n}"},
      {"{\n\t\"a\": 1, // one\n\t\"z\": 2 // two\n}", "/b", "3",
       "{\n\t\"a\": 1, // one\n\t\"z\": 2, // two\n\t\"b\": 3\n}"},
      {"{\n  \"a\": 1, // one\n}", "/b", "2", "{\n  \"a\": 1, // one\n  \"b\": 2\n}"},
      {"{\n  \"a\": 1 /* x */\n}", "/b", "2", "{\n  \"a\": 1, /* x */\n  \"b\": 2\n}"},
      {"{\n  \"a\": 1\n  ,\n}", "/b", "2", "{\n  \"a\": 1,\n  \"b\": 2\n  ,\n}"},
      {"{\"a\": 1 // one\n}", "/b", "2", "{\"a\": 1, // one\n\"b\": 2\n}"},
      // Adding where objects are missing.
      {R"({"a": 1})", "/b/c/d", "2", R"({"a": 1, "b": {"c": {"d": 2}}})"},
      {R"({"a": {}})", "/a/b", "2", R"({"a": {"b": 2}})"},
      {R"({"a": {"b": 1}, "z": 0})", "/a/c", "2", R"({"a": {"b": 1, "c": 2}, "z": 0})"},
      // Names that need quoting.
      {"{}", "/a\"b", "1", R"({"a\"b": 1})"},
      {R"({"\u0061": 1})", "/a", "2", R"({"\u0061": 2})"},
  };
  for (const auto& [text, pointer, value, expected] : rows) {
    CAPTURE(std::string(text));
    CAPTURE(std::string(pointer));
    const hv::profiles::Source source{.name = "web.json", .text = std::string(text)};
    const auto result = hv::profiles::with_value(source, pointer, value);
    REQUIRE(result.has_value());
    CHECK_EQ(*result, expected);
    const auto whole = parsed(*result);
    boost::system::error_code error;
    const auto* const found = whole.find_pointer(pointer, error);
    REQUIRE(found != nullptr);
    CHECK_EQ(*found, parsed(std::string(value)));
  }
}

TEST_CASE("a value cannot be put where there is no object") {
  for (const auto* const pointer : {"/a/b", "/list/5", "/list/x", "/list/-", "/text/x/y"}) {
    CAPTURE(pointer);
    const auto result = hv::profiles::with_value(
        {.name = "f", .text = R"({"a": 1, "list": [0], "text": "x"})"}, pointer, "1");
    REQUIRE_FALSE(result.has_value());
    CHECK_EQ(result.error().fault, hv::Fault::usage);
  }
}
