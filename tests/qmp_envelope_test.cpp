// SPDX-License-Identifier: MIT
#include "qmp/envelope.h"

#include <doctest/doctest.h>

#include <string>

namespace {

using qmp::Envelope;

TEST_CASE("qmp envelope: an id is replaced, added or taken out, and nothing else changes") {
  struct Row {
    const char* text;
    const char* with_7;
    const char* without;
  };
  const Row rows[] = {
      {R"({})", R"({"id":7})", R"({})"},
      {R"({"id": "x"})", R"({"id": 7})", R"({})"},
      {R"({"a":1})", R"({"id":7,"a":1})", R"({"a":1})"},
      {R"({"return": {}, "id": 12})", R"({"return": {}, "id": 7})", R"({"return": {}})"},
      {R"({"id": [1, "}"], "error": {"id": 3}})", R"({"id": 7, "error": {"id": 3}})",
       R"({"error": {"id": 3}})"},
      {R"({ "a" : "\"id\":" , "id" : {"id":1} , "b" : [ ] })",
       R"({ "a" : "\"id\":" , "id" : 7 , "b" : [ ] })", R"({ "a" : "\"id\":" , "b" : [ ] })"},
      {"{\n  \"a\": {\n  },\n  \"id\": null\n}", "{\n  \"a\": {\n  },\n  \"id\": 7\n}",
       "{\n  \"a\": {\n  }\n}"},
      {R"({"a\\\"b":1,"id":true})", nullptr, nullptr},  // An escape could hide an "id".
      {R"({"\u0069d":1})", nullptr, nullptr},           // As it does here.
      {R"({"id":1,"id":2})", nullptr, nullptr},         // QEMU refuses it without an id,
      {R"({"a":1} {"b":2})", nullptr, nullptr},         // takes this for two,
      {R"({"a":nope})", nullptr, nullptr},              // and this for nothing.
      {R"({"a":'b'})", nullptr, nullptr},
      {R"({"a":1,})", nullptr, nullptr},
      {R"({"a":[[[[1]]]]})", nullptr, nullptr},  // Too deep for the limit below.
      {R"([1])", nullptr, nullptr},
      {R"(7)", nullptr, nullptr},
      {R"()", nullptr, nullptr},
      {R"({)", nullptr, nullptr},
      {R"({"1":1,"2":1,"3":1,"4":1,"5":1,"6":1,"7":1,"8":1,"9":1})", nullptr, nullptr},
  };
  for (const auto& [text, with_7, without] : rows) {
    CAPTURE(text);
    const auto envelope = Envelope::read(text, 4);
    REQUIRE_EQ(envelope.has_value(), with_7 != nullptr);
    if (!envelope) continue;
    CHECK_EQ(envelope->with_id("7"), with_7);
    CHECK_EQ(envelope->with_id(std::nullopt), without);
    CHECK_EQ(Envelope::read(envelope->with_id("7"), 4)->find("id"), "7");
    CHECK_FALSE(Envelope::read(envelope->with_id(std::nullopt), 4)->find("id").has_value());
  }
}

TEST_CASE("qmp envelope: a text of more tokens than QEMU takes is refused") {
  std::string text = R"({"a":[)";
  for (int i = 0; i < 500'001; ++i) text += "1,";
  CHECK_FALSE(Envelope::read(text + "1]}", 64).has_value());
}

}  // namespace
