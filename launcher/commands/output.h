// SPDX-License-Identifier: MIT
//
// What commands print. Results go to standard output; talk goes to standard
// error.
#pragma once

#include "launcher/commands/cli.h"

#include <boost/json/fwd.hpp>

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

namespace hv::commands {

void print(std::string_view text);
void print_json(const boost::json::value& value);

/// A line on standard error. That it cannot be written changes nothing of what was done.
void tell(std::string_view line);

/// One line of what was done, on standard error; nothing with --json.
void say(const Context& context, std::string_view line);

/// Warnings, on standard error.
void warn(std::string_view message);

/// A table with aligned columns; the first row is its head.
[[nodiscard]] std::string table(const std::vector<std::vector<std::string>>& rows);

/// "2 h 5 min", "12 s".
[[nodiscard]] std::string duration(std::chrono::seconds time);

/// "512 MiB", "1.5 GiB".
[[nodiscard]] std::string size_of_kib(std::uint64_t kib);

/// Local time, "2026-11-21 22:15:03".
[[nodiscard]] std::string local_time(std::int64_t seconds_since_1970);

/// Errors for --json: a list of objects with id, message, file, line, …
[[nodiscard]] boost::json::value errors_as_json(const Errors& errors);

}  // namespace hv::commands
