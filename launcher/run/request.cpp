// SPDX-License-Identifier: MIT
#include "launcher/run/request.h"

#include "launcher/base/text.h"
#include "launcher/run/lock.h"

#include <fcntl.h>
#include <boost/describe.hpp>
#include <boost/json.hpp>

namespace hv {
BOOST_DESCRIBE_STRUCT(Origin, (), (source, pointer, line, column))
}  // namespace hv

namespace hv::run {
namespace {

namespace json = boost::json;

constexpr std::size_t largest_file = std::size_t{1} << 20U;

/// An error as a line of the file.
struct Told {
  int fault = 1;
  std::string id;
  std::string message;
  Origin origin;
  std::string hint;
  std::vector<std::string> while_doing;
};
BOOST_DESCRIBE_STRUCT(Told, (), (fault, id, message, origin, hint, while_doing))

std::string path_of(const Place& place, Request::Verb verb) {
  return fmt::format("{}/.{}.{}", place.paths.runtime, place.vm,
                     verb == Request::Verb::start ? "start" : "stop");
}

std::string as_line(const Error& error) {
  const auto& [fault, id, message, origin, hint, while_doing, os_error] = error;
  const Told told{.fault = static_cast<int>(fault),
                  .id = id,
                  .message = message,
                  .origin = origin,
                  .hint = hint,
                  .while_doing = while_doing};
  return json::serialize(json::value_from(told));
}

std::optional<Error> error_in(std::string_view line) {
  boost::system::error_code error;
  auto told = json::try_value_to<Told>(json::parse(line, error));
  if (error || !told || told->fault < 1 || told->fault > static_cast<int>(Fault::timed_out))
    return std::nullopt;
  return Error{.fault = static_cast<Fault>(told->fault),
               .id = std::move(told->id),
               .message = std::move(told->message),
               .origin = std::move(told->origin),
               .hint = std::move(told->hint),
               .while_doing = std::move(told->while_doing)};
}

}  // namespace

Result<Request> Request::make(const Place& place, Verb verb, std::string_view wish) {
  auto path = path_of(place, verb);
  TRY(place.root.make_directories(place.paths.runtime, 0700));
  auto file = TRY(run::try_lock(place.root, path));
  if (!file)
    return std::unexpected(
        with_hint({.fault = Fault::state,
                   .id = "already-requested",
                   .message = fmt::format("another command is about to {} '{}'",
                                          verb == Verb::start ? "start" : "stop", place.vm)},
                  fmt::format("`hvlaunch status {}` shows how far it is", place.vm)));
  Request request(place.root, std::move(path), *std::move(file));
  const auto line = fmt::format("{}\n", wish);
  if (::ftruncate(request.file_.get(), 0) < 0 ||
      ::pwrite(request.file_.get(), line.data(), line.size(), 0) < 0)
    return fail_errno("write {}", request.path_);
  return request;
}

Request::~Request() {
  if (file_) (void)root_->remove(path_);
}

Errors Request::errors() const {
  Errors errors;
  const auto text = root_->read_raw(path_, largest_file).value_or("");
  for (const auto line : split(text, '\n'))
    if (auto error = error_in(line)) errors.push_back(*std::move(error));
  return errors;
}

std::string requested(const Place& place, Request::Verb verb) {
  const auto path = path_of(place, verb);
  if (!is_locked(place.root, path)) return "";
  const auto text = place.root.read(path, largest_file).value_or("");
  return text.substr(0, text.find('\n'));
}

Result<> await_requester(const Place& place, Request::Verb verb, std::chrono::seconds patience) {
  const auto path = path_of(place, verb);
  auto lock = lock_within(place.root, path, patience);
  if (lock) return place.root.remove(path);  // It died.
  if (lock.error().os_error == ENOENT) return {};
  return std::unexpected(std::move(lock).error());
}

void answer(const Place& place, Request::Verb verb, const Errors& errors) {
  const auto path = path_of(place, verb);
  if (!is_locked(place.root, path)) return;
  // The first one to fail knows best; what comes after follows from it.
  const auto so_far = place.root.read_raw(path, largest_file);
  if (so_far && so_far->contains("\n{")) return;
  std::string text;
  for (const auto& error : errors) text += as_line(error) + "\n";
  const auto file = place.root.open_file(path, O_WRONLY | O_APPEND, 0, Links::refuse);
  // Who waits learns the outcome from the service manager, too.
  if (file) (void)!::write(file->get(), text.data(), text.size());
}

}  // namespace hv::run
