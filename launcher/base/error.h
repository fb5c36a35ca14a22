// SPDX-License-Identifier: MIT
//
// Errors as values. A function that can fail returns Result<T>; TRY unwraps it
// or returns the error to the caller, adding what the caller was doing.
#pragma once

#include <fmt/core.h>

#include <cerrno>
#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace hv {

/// Who has to act on an error. Also the process's exit status.
enum class Fault : std::uint8_t {
  failed = 1,      ///< The operation failed: QEMU, the guest, or the kernel said no.
  usage = 2,       ///< The command line is wrong.
  profile = 3,     ///< The profile is wrong; `origin` says where.
  no_such_vm = 4,  ///< No profile or guest of that name.
  state = 5,       ///< The guest is not in a state for this: running, stopped, busy.
  missing = 6,     ///< This host or this QEMU lacks what the profile needs.
  permission = 7,  ///< The caller may not.
  timed_out = 8,   ///< It did not happen in the time allowed.
};

/// A place in a profile: where a value came from, or where it is wrong.
struct Origin {
  std::string source{};      ///< The file, as the user gave it.
  std::string pointer{};     ///< JSON pointer (RFC 6901), "/devices/0/host"; empty: the whole file.
  std::uint32_t line = 0;    ///< 1-based; 0: unknown.
  std::uint32_t column = 0;  ///< 1-based, in bytes.

  friend bool operator==(const Origin&, const Origin&) = default;
};

struct Error {
  Fault fault = Fault::failed;
  std::string id;                          ///< Stable name of the kind of error: docs/errors.md.
  std::string message;                     ///< What is wrong, with the value that is wrong.
  Origin origin{};                         ///< Where in the profile, if there.
  std::string hint{};                      ///< What the user can do next.
  std::vector<std::string> while_doing{};  ///< Innermost first.
  int os_error = 0;                        ///< `errno` of the system call that failed; 0: none.
};

using Errors = std::vector<Error>;

template <class T = void>
using Result = std::expected<T, Error>;

template <class... Args>
[[nodiscard]] std::unexpected<Error> fail(Fault fault, std::string_view id,
                                          fmt::format_string<Args...> format, Args&&... args) {
  return std::unexpected(Error{.fault = fault,
                               .id = std::string(id),
                               .message = fmt::format(format, std::forward<Args>(args)...)});
}

/// The error of a system call that set `error_number`: what was tried, and the
/// text for the number. EPERM and EACCES are faults of permission.
[[nodiscard]] Error errno_error(int error_number, std::string doing);

/// A failed system call: the message ends with the text for `errno`.
template <class... Args>
[[nodiscard]] std::unexpected<Error> fail_errno(fmt::format_string<Args...> format,
                                                Args&&... args) {
  const int error_number = errno;
  return std::unexpected(
      errno_error(error_number, fmt::format(format, std::forward<Args>(args)...)));
}

[[nodiscard]] inline Error in_context(Error error) {
  return error;
}

[[nodiscard]] inline Error in_context(Error error, std::string doing) {
  error.while_doing.push_back(std::move(doing));
  return error;
}

/// The same error with advice, unless it has some already.
[[nodiscard]] Error with_hint(Error error, std::string hint);

/// As people read it, over one or more lines: "web.json:6:15: error: …". No
/// line end; control characters in values are made harmless.
[[nodiscard]] std::string describe(const Error& error);

}  // namespace hv

/// Unwraps a Result, or returns its error from the enclosing function:
///
///     auto text = TRY(root.read(path));
///     TRY(journal.apply(step), "binding {} to vfio-pci", device);
///
/// The optional format and arguments say what was being done; they are only
/// formatted on failure. Do not nest: name the intermediate value instead.
#define TRY(expression, ...)                                                                       \
  __extension__({                                                                                  \
    auto&& try_result = (expression);                                                              \
    if (!try_result) [[unlikely]]                                                                  \
      return std::unexpected(                                                                      \
          ::hv::in_context(std::move(try_result).error() __VA_OPT__(, fmt::format(__VA_ARGS__)))); \
    *std::move(try_result);                                                                        \
  })
