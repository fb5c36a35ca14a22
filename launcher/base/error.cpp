// SPDX-License-Identifier: MIT
#include "launcher/base/error.h"

#include "launcher/base/text.h"

#include <system_error>

namespace hv {

Error errno_error(int error_number, std::string doing) {
  const bool forbidden = error_number == EPERM || error_number == EACCES;
  Error error{
      .fault = forbidden ? Fault::permission : Fault::failed,
      .id = forbidden ? "permission" : "system-call",
      .message = fmt::format("{}: {}", doing, std::generic_category().message(error_number)),
      .os_error = error_number};
  if (error_number == ENOSPC || error_number == EDQUOT) {
    error.id = "no-space";
    error.hint = "make room on its file system, or move it to another";
  }
  return error;
}

Error with_hint(Error error, std::string hint) {
  if (error.hint.empty()) error.hint = std::move(hint);
  return error;
}

std::string describe(const Error& error) {
  std::string text;
  const auto& [source, pointer, line, column] = error.origin;
  if (!source.empty()) text += printable(source) + ":";
  if (line != 0) text += fmt::format("{}:{}:", line, column);
  if (!text.empty()) text += ' ';
  text += "error: ";
  if (!pointer.empty()) text += printable(pointer) + ": ";
  text += printable(error.message, Lines::keep);
  if (!error.id.empty()) text += fmt::format(" [{}]", error.id);
  for (const auto& doing : error.while_doing) text += "\n  while " + printable(doing);
  if (!error.hint.empty()) text += "\n  hint: " + printable(error.hint);
  return text;
}

}  // namespace hv
