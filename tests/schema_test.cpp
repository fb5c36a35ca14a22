// SPDX-License-Identifier: MIT
#include "profiles/schema.h"

#include "profiles/description.h"
#include "profiles/fields.h"
#include "profiles/profile.h"

#include <doctest/doctest.h>
#include <fmt/core.h>

#include <boost/json.hpp>

#include <set>

namespace json = boost::json;
using namespace hv::profiles;

namespace {

/// A profile that has `value` where `pointer` says; what must be there besides is.
std::string profile_with(std::string_view pointer, std::string_view value) {
  json::value inner = json::parse(value);
  auto rest = pointer;
  for (auto slash = rest.rfind('/'); slash != std::string_view::npos; slash = rest.rfind('/')) {
    const auto key = rest.substr(slash + 1);
    rest = rest.substr(0, slash);
    if (key == "*") {
      inner = json::array{inner};
      continue;
    }
    json::object holder{{key, inner}};
    if (rest == "/qemu/extra_args/*") holder.emplace("reason", "a test");
    if (rest == "/network/forward/*") {
      holder.emplace("host", 2222);
      holder.emplace("guest", 22);
    }
    if (rest.empty()) holder.insert({{"name", "a"}, {"cpus", 4}, {"memory_mb", 512}});
    inner = std::move(holder);
  }
  return json::serialize(inner);
}

/// The schema of the field at `pointer`, through lists and short forms.
const json::value* schema_at(const json::value& schema, std::string_view pointer) {
  const auto* here = &schema;
  while (!pointer.empty() && here != nullptr) {
    pointer.remove_prefix(1);
    const auto step = pointer.substr(0, pointer.find('/'));
    pointer.remove_prefix(step.size());
    if (const auto* const either = here->as_object().if_contains("oneOf")) here = &either->at(1);
    here = step == "*" ? here->as_object().if_contains("items")
                       : here->at("properties").as_object().if_contains(step);
  }
  return here;
}

}  // namespace

TEST_CASE("each field is described once, with an example that decodes") {
  std::set<std::string> seen;
  for (const auto& field : field_descriptions()) {
    CAPTURE(field.pointer);
    CHECK(seen.insert(field.pointer).second);
    CHECK_FALSE(field.doc.text.empty());
    CHECK_FALSE(field.doc.text.ends_with('.'));

    const auto text = profile_with(field.pointer, field.doc.example);
    const auto profile = parse_profile({"p", text});
    if (profile) continue;
    for (const auto& error : profile.error()) {
      CAPTURE(hv::describe(error));
      CHECK_EQ(error.id, "conflict");  // An initrd alone, and the like.
    }
  }
  CHECK_GT(seen.size(), 120);
}

TEST_CASE("defaults decode too") {
  for (const auto& field : field_descriptions()) {
    if (field.fallback.empty()) continue;
    CAPTURE(field.pointer);
    auto text = profile_with(field.pointer, field.fallback);
    if (field.pointer.starts_with("/hostdevs/*/"))  // Something must tell the device.
      text.insert(text.find("[{") + 2, "\"id\": \"10de:2684\", ");
    if (field.pointer == "/numa/nodes/*/policy")  // It is about these.
      text.insert(text.find("[{") + 2, "\"host_nodes\": \"0\", ");
    CHECK(parse_profile({"p", text}).has_value());
  }
}

TEST_CASE("the JSON Schema lists every field") {
  const auto schema = json::parse(json_schema());
  CHECK_EQ(schema.at("$schema"), "https://json-schema.org/draft/2020-12/schema");
  CHECK_EQ(schema.at("required"), json::array({"name", "cpus", "memory_mb"}));
  CHECK_EQ(schema.at("additionalProperties"), false);
  std::size_t listed = 0;
  for (const auto& field : field_descriptions()) {
    CAPTURE(field.pointer);
    const auto* const found = schema_at(schema, field.pointer);
    REQUIRE(found != nullptr);
    CHECK_EQ(found->at("description"), json::value(field.doc.text));
    CHECK_EQ(found->at("examples"), json::array({json::parse(field.doc.example)}));
    ++listed;
  }
  std::size_t descriptions = 0;
  const auto text = json_schema();
  for (auto at = text.find("\"description\": \""); at != std::string::npos;
       at = text.find("\"description\": \"", at + 1))
    ++descriptions;
  // One more for the whole, and the thirteen with a short form have their own twice.
  CHECK_EQ(descriptions, listed + 14);
}

TEST_CASE("the reference has a line for every field") {
  const auto reference = profile_reference();
  CHECK(reference.contains("| `name` | a name: at most 64 letters"));
  CHECK(reference.contains("| `qemu.extra_args[].args[]` | text |"));
  CHECK(reference.contains("| `network.mode` | `user`, `nat`, `bridge`, `none` | `\"user\"` |"));
  std::size_t rows = 0;
  for (auto at = reference.find("\n| `"); at != std::string::npos;
       at = reference.find("\n| `", at + 1))
    ++rows;
  CHECK_EQ(rows, field_descriptions().size());
}

TEST_CASE("every word of every table is read as its value") {
  for (const auto& field : field_descriptions())
    for (const auto word : field.words) {
      CAPTURE(field.pointer);
      CAPTURE(word);
      const auto profile =
          parse_profile({"p", profile_with(field.pointer, fmt::format("\"{}\"", word))});
      if (profile) continue;
      for (const auto& error : profile.error()) CHECK_EQ(error.id, "conflict");
    }
  for (const auto& [word, value] : arch_words) CHECK_EQ(to_string(value), word);
  CHECK_EQ(to_string(DiskFormat::qcow2), "qcow2");
  CHECK_EQ(to_string(DiskIo::io_uring), "io_uring");
}
