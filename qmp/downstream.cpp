// SPDX-License-Identifier: MIT
#include "qmp/downstream.h"

#include <boost/json/serialize.hpp>

#include <algorithm>

namespace qmp {
namespace {

// A client that has more than this outstanding is not read until it has less.
constexpr std::size_t max_expected = 16;

}  // namespace

void Downstream::expect(std::uint64_t upstream_id, std::optional<std::string_view> id,
                        bool in_band) {
  expected_.push_back({.upstream_id = upstream_id,
                       .id = id ? std::optional<std::string>(*id) : std::nullopt,
                       .in_band = in_band});
  limit();
}

void Downstream::limit() {
  if (expected_.size() >= max_expected) stream_->pause();
}

void Downstream::answer(std::string_view members, std::optional<std::string_view> id) {
  auto line = "{" + std::string(members);
  if (id) line.append(", \"id\": ").append(*id);
  line += "}\r\n";
  if (std::ranges::none_of(expected_, &Expected::in_band)) return stream_->send(line);
  expected_.push_back({.id = std::nullopt, .ready = std::move(line)});
  limit();
}

void Downstream::refuse(std::string_view error_class, std::string_view description,
                        std::optional<std::string_view> id) {
  answer(R"("error": {"class": ")" + std::string(error_class) + R"(", "desc": )" +
             boost::json::serialize(description) + "}",
         id);
}

std::optional<Downstream::Expected> Downstream::take(std::uint64_t upstream_id) {
  const auto found = std::ranges::find(expected_, upstream_id, &Expected::upstream_id);
  if (found == expected_.end()) return std::nullopt;
  auto expected = std::move(*found);
  expected_.erase(found);
  return expected;
}

void Downstream::advance() {
  for (;;) {
    const auto first = std::ranges::find_if(expected_, &Expected::in_band);
    if (first == expected_.end() || first->ready.empty()) break;
    stream_->send(first->ready);
    expected_.erase(first);
  }
  if (expected_.size() < max_expected) stream_->resume();
}

}  // namespace qmp
