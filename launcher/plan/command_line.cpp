// SPDX-License-Identifier: MIT
#include "launcher/plan/command_line.h"

namespace hv::plan {

std::string Props::escape(std::string_view value) {
  std::string escaped;
  for (const char c : value) {
    escaped += c;
    if (c == ',') escaped += ',';
  }
  return escaped;
}

void CommandLine::add(std::string_view option, std::string_view value, Cause cause) {
  arguments_.push_back(
      {.option = std::string(option), .value = std::string(value), .cause = std::move(cause)});
}

void CommandLine::add(std::string_view option, const Props& value, Cause cause) {
  add(option, value.text(), std::move(cause));
}

void CommandLine::add(std::string_view option, const boost::json::object& value, Cause cause) {
  add(option, boost::json::serialize(value), std::move(cause));
}

int CommandLine::pass(Handle handle, std::string path, Cause cause) {
  constexpr int first = 3;  // After the standard streams.
  const int number = first + static_cast<int>(descriptors_.size());
  descriptors_.push_back(
      {.number = number, .handle = handle, .path = std::move(path), .cause = std::move(cause)});
  return number;
}

std::string CommandLine::pass_file(Handle handle, const std::string& path, const Cause& cause) {
  const int number = pass(handle, path, cause);
  add("-add-fd", Props().set("fd", number).set("set", number).set("opaque", path), cause);
  return fmt::format("/dev/fdset/{}", number);
}

}  // namespace hv::plan
