// SPDX-License-Identifier: MIT
#include "launcher/commands/output.h"

#include "launcher/base/text.h"

#include <fmt/format.h>
#include <boost/json.hpp>

#include <cstdio>
#include <ctime>

namespace hv::commands {

namespace json = boost::json;

void print(std::string_view text) {
  (void)std::fwrite(text.data(), 1, text.size(), stdout);
}

void tell(std::string_view line) {
  (void)std::fputs(fmt::format("{}\n", line).c_str(), stderr);
}

void print_json(const json::value& value) {
  print(json::serialize(value) + "\n");
}

void say(const Context& context, std::string_view line) {
  if (!context.json) tell(line);
}

void warn(std::string_view message) {
  tell(fmt::format("warning: {}", printable(message)));
}

std::string table(const std::vector<std::vector<std::string>>& rows) {
  std::vector<std::size_t> widths;
  for (const auto& row : rows)
    for (std::size_t i = 0; i < row.size(); ++i) {
      if (widths.size() <= i) widths.push_back(0);
      widths[i] = std::max(widths[i], row[i].size());
    }
  std::string text;
  for (const auto& row : rows) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) line += fmt::format("{:<{}}  ", row[i], widths[i]);
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + '\n';
  }
  return text;
}

std::string duration(std::chrono::seconds time) {
  const auto total = time.count();
  if (total < 60) return fmt::format("{} s", total);
  if (total < 3600) return fmt::format("{} min {} s", total / 60, total % 60);
  if (total < 86400) return fmt::format("{} h {} min", total / 3600, total / 60 % 60);
  return fmt::format("{} d {} h", total / 86400, total / 3600 % 24);
}

std::string size_of_kib(std::uint64_t kib) {
  const auto mib = kib / 1024;
  if (mib < 1024) return fmt::format("{} MiB", mib);
  return fmt::format("{:.1f} GiB", static_cast<double>(mib) / 1024);
}

std::string local_time(std::int64_t seconds_since_1970) {
  const std::time_t time = seconds_since_1970;
  std::tm parts{};
  ::localtime_r(&time, &parts);
  return fmt::format("{:04}-{:02}-{:02} {:02}:{:02}:{:02}", parts.tm_year + 1900, parts.tm_mon + 1,
                     parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec);
}

json::value errors_as_json(const Errors& errors) {
  json::array list;
  for (const auto& error : errors) {
    json::object object = {{"id", error.id}, {"message", error.message}};
    const auto& [source, pointer, line, column] = error.origin;
    if (!source.empty()) object["file"] = source;
    if (line != 0) {
      object["line"] = line;
      object["column"] = column;
    }
    if (!pointer.empty()) object["pointer"] = pointer;
    if (!error.hint.empty()) object["hint"] = error.hint;
    if (!error.while_doing.empty()) object["while"] = json::value_from(error.while_doing);
    list.push_back(std::move(object));
  }
  return json::object{{"errors", std::move(list)}};
}

}  // namespace hv::commands
