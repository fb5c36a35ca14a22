// SPDX-License-Identifier: MIT
//
// What a command wants of the stages that a service manager runs for it, and
// what they tell it. It is a file beside the VM's directory, and counts for as
// long as the command lives, which holds a lock on it.
//
//   auto request = TRY(Request::make(place, Request::Verb::start, "paused"));
//   ... systemctl start hvlaunch@web.service ...
//   if (auto errors = request.errors(); !errors.empty()) ...
#pragma once

#include "launcher/base/error.h"
#include "launcher/base/unique_fd.h"
#include "launcher/run/place.h"

#include <chrono>
#include <string>
#include <string_view>

namespace hv::run {

class Request {
 public:
  enum class Verb : std::uint8_t { start, stop };

  /// Fault::state, "already-requested", if another command is at it.
  [[nodiscard]] static Result<Request> make(const Place& place, Verb verb, std::string_view wish);
  Request(Request&&) = default;
  Request& operator=(Request&&) = delete;
  Request(const Request&) = delete;
  Request& operator=(const Request&) = delete;
  ~Request();

  /// What the stages have told so far.
  [[nodiscard]] Errors errors() const;

 private:
  Request(const Root& root, std::string path, UniqueFd file)
      : root_(&root), path_(std::move(path)), file_(std::move(file)) {}

  const Root* root_;
  std::string path_;
  UniqueFd file_;
};

/// For a stage: what the command wishes; empty if no command waits.
[[nodiscard]] std::string requested(const Place& place, Request::Verb verb);

/// Returns when no command waits, or waits any more; Fault::timed_out after `patience`.
[[nodiscard]] Result<> await_requester(const Place& place, Request::Verb verb,
                                       std::chrono::seconds patience);

/// Tells the command that waits, if one does, and none of these stages has told it before.
void answer(const Place& place, Request::Verb verb, const Errors& errors);

}  // namespace hv::run
