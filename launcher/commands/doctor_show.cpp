// SPDX-License-Identifier: MIT
#include "launcher/base/text.h"
#include "launcher/commands/doctor.h"
#include "launcher/commands/vfio.h"

#include <fmt/format.h>
#include <boost/json.hpp>

#include <algorithm>

namespace hv::commands {
namespace {

namespace json = boost::json;
using host::Status;

struct Mark {
  std::string_view glyph;
  std::string_view word;
  std::string_view colour;
};

Mark mark_of(Status status) {
  switch (status) {
    case Status::ok: return {"✓", "ok  ", "\033[32m"};
    case Status::unknown: return {"?", "?   ", "\033[2m"};
    case Status::warn: return {"!", "warn", "\033[33m"};
    case Status::fail: return {"✗", "FAIL", "\033[31m"};
  }
  std::unreachable();
}

/// As wrapped(), but what stands between backticks stays on one line, so that
/// it can be pasted.
std::string wrapped_around_commands(std::string text, std::size_t indent, std::size_t width) {
  constexpr char kept_space = '\x01';
  bool command = false;
  for (auto& c : text) {
    if (c == '`') command = !command;
    if (command && c == ' ') c = kept_space;
  }
  auto lines = wrapped(text, indent, width);
  std::ranges::replace(lines, kept_space, ' ');
  return lines;
}

class Page {
 public:
  Page(const Report& report, host::Charset charset, Colours colours, std::size_t width)
      : report_(report), utf8_(charset == host::Charset::utf8), colours_(colours), width_(width) {
    for (const auto& remark : report.remarks) title_ = std::max(title_, remark.title.size());
  }

  std::string text() {
    std::string area;
    for (const auto& remark : report_.remarks) {
      if (remark.area != area) {
        text_ += fmt::format("{}{}\n", text_.empty() ? "" : "\n",
                             painted(printable(remark.area), "\033[1m"));
        area = remark.area;
      }
      add(remark);
    }
    return text_ + '\n' + summary() + '\n';
  }

 private:
  std::string painted(std::string_view text, std::string_view colour) const {
    if (colours_ == Colours::none) return std::string(text);
    return fmt::format("{}{}\033[0m", colour, text);
  }

  void add(const Remark& remark) {
    const auto [glyph, word, colour] = mark_of(remark.finding.status);
    const auto mark = utf8_ ? glyph : word;
    const auto indent = 2 + (utf8_ ? 1 : word.size()) + 1 + title_ + 2;
    auto found = remark.finding.found;
    if (const auto& [source, pointer, line, column] = remark.origin; line != 0)
      found = fmt::format("{}:{}:{}: {}", source, line, column, found);
    const auto lines = wrapped_around_commands(printable(found), indent, width_);
    text_ += fmt::format("  {} {:<{}}  {}", painted(mark, colour), printable(remark.title), title_,
                         lines.empty() ? "\n" : lines.substr(indent));
    if (remark.finding.remedy.empty()) return;
    const std::string_view arrow = utf8_ ? "→ " : "> ";
    constexpr std::size_t columns = 2;  // Of the arrow.
    const auto remedy =
        wrapped_around_commands(printable(remark.finding.remedy), indent + columns, width_);
    text_ += std::string(indent, ' ').append(arrow) + remedy.substr(indent + columns);
  }

  std::string summary() const {
    std::string text = report_.vm.empty() ? "" : printable(report_.vm) + ": ";
    const auto failed = report_.count(Status::fail);
    const auto warned = report_.count(Status::warn);
    const auto unknown = report_.count(Status::unknown);
    if (failed == 0 && warned == 0) text += "nothing is wrong";
    if (failed != 0) text += fmt::format("{} failed", failed);
    if (warned != 0)
      text += fmt::format("{}{} {}", failed != 0 ? ", " : "", warned,
                          warned == 1 ? "warning" : "warnings");
    text += fmt::format(", {} right", report_.count(Status::ok));
    if (unknown != 0) text += fmt::format(", {} cannot be known from here", unknown);
    return text;
  }

  const Report& report_;
  bool utf8_;
  Colours colours_;
  std::size_t width_;
  std::size_t title_ = 0;
  std::string text_;
};

json::object as_json(const Remark& remark) {
  json::object object = {{"id", remark.id},
                         {"area", remark.area},
                         {"title", remark.title},
                         {"status", host::to_string(remark.finding.status)},
                         {"found", remark.finding.found}};
  if (!remark.finding.remedy.empty()) object["remedy"] = remark.finding.remedy;
  const auto& [source, pointer, line, column] = remark.origin;
  if (!source.empty()) object["file"] = source;
  if (line != 0) {
    object["line"] = line;
    object["column"] = column;
  }
  if (!pointer.empty()) object["pointer"] = pointer;
  return object;
}

}  // namespace

std::size_t Report::count(Status status) const {
  return static_cast<std::size_t>(std::ranges::count_if(
      remarks, [&](const Remark& remark) { return remark.finding.status == status; }));
}

std::string report_text(const Report& report, host::Charset charset, Colours colours,
                        std::size_t width) {
  return Page(report, charset, colours, width).text();
}

json::object report_as_json(const Report& report) {
  json::object object;
  if (!report.vm.empty()) object["vm"] = report.vm;
  object["fail"] = report.count(Status::fail);
  object["warn"] = report.count(Status::warn);
  object["unknown"] = report.count(Status::unknown);
  json::array checks;
  for (const auto& remark : report.remarks) checks.push_back(as_json(remark));
  object["checks"] = std::move(checks);
  return object;
}

}  // namespace hv::commands
