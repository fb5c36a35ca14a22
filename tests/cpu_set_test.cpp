// SPDX-License-Identifier: MIT
#include "launcher/base/cpu_set.h"

#include <doctest/doctest.h>

using hv::CpuSet;

TEST_CASE("sets of CPUs as people write them") {
  struct Row {
    const char* text;
    const char* expected;  // As the kernel writes it; nullptr: refused.
  };
  constexpr Row rows[] = {
      {"4", "4"},         {"4-5", "4-5"},     {"0-3,8", "0-3,8"}, {"8,0-3", "0-3,8"},
      {"1,2,3", "1-3"},   {"2-4,3-6", "2-6"}, {"5,5", "5"},       {"0,2,4", "0,2,4"},
      {"8191", "8191"},   {"", nullptr},      {"8192", nullptr},  {"3-1", nullptr},
      {"1-", nullptr},    {"-1", nullptr},    {"1,,2", nullptr},  {"a", nullptr},
      {"1 - 2", nullptr}, {"0x1", nullptr},   {"1-2-3", nullptr}, {"0-99999999999", nullptr},
      {"+1", nullptr},
  };
  for (const auto& [text, expected] : rows) {
    CAPTURE(text);
    const auto set = hv::parse_cpu_set(text);
    REQUIRE_EQ(set.has_value(), expected != nullptr);
    if (set)
      CHECK_EQ(to_string(*set), expected);
    else
      CHECK_EQ(set.error().id, "bad-value");
  }
}

TEST_CASE("sets of CPUs are sets") {
  const CpuSet a = {1, 2, 3, 8};
  const CpuSet b = {3, 8, 9};
  CHECK_EQ(to_string(a | b), "1-3,8-9");
  CHECK_EQ(to_string(a & b), "3,8");
  CHECK_EQ(to_string(a - b), "1-2");
  CHECK_EQ(to_string(CpuSet{}), "");
  CHECK(a.intersects(b));
  CHECK_FALSE(a.intersects({0, 9}));
  CHECK(a.contains({1, 8}));
  CHECK_FALSE(a.contains({1, 9}));
  CHECK(a.contains(CpuSet{}));
  CpuSet c = {5};
  c.insert(2);
  c.insert(5);
  CHECK_EQ(c, CpuSet{2, 5});
}
