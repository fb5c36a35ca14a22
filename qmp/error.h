// SPDX-License-Identifier: MIT
//
// Errors of the QMP library, as values.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <utility>

namespace qmp {

struct Error {
  enum class Kind : std::uint8_t {
    refused,      ///< QEMU answered with an error; `message` is its text.
    timed_out,    ///< Not done before the deadline; the connection stays usable.
    closed,       ///< The connection is gone.
    malformed,    ///< The peer does not keep to the protocol.
    unsupported,  ///< This QEMU or this connection does not offer what was asked for.
    system,       ///< A system call failed; `os_error` is its errno.
  };
  Kind kind = Kind::closed;
  std::string message{};
  std::string hint{};         ///< What to do next; may be empty.
  std::string error_class{};  ///< QEMU's class of a refusal: "GenericError", "CommandNotFound", ...
  int os_error = 0;
};

template <class T = void>
using Result = std::expected<T, Error>;

[[nodiscard]] inline std::unexpected<Error> fail(Error::Kind kind, std::string message,
                                                 std::string hint = {}) {
  return std::unexpected(
      Error{.kind = kind, .message = std::move(message), .hint = std::move(hint)});
}

}  // namespace qmp
