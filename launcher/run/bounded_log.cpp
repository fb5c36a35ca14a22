// SPDX-License-Identifier: MIT
#include "launcher/run/bounded_log.h"

#include <fcntl.h>
#include <sys/inotify.h>
#include <boost/asio/buffer.hpp>

namespace hv::run {

BoundedLog::BoundedLog(boost::asio::io_context& context, const Place& place)
    : place_(place), changes_(context) {
  UniqueFd fd(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  // Without inotify (a user has 128 by default) the log is as long as it gets.
  if (!fd || ::inotify_add_watch(fd.get(), place.file("qemu.log").c_str(), IN_MODIFY) < 0) return;
  boost::system::error_code error;
  (void)changes_.assign(fd.get(), error);
  if (error) return;
  (void)fd.release();         // Asio owns it now.
  (void)shorten_log(place_);  // What was written before we watched.
  await_change();
}

void BoundedLog::await_change() {
  changes_.async_read_some(boost::asio::buffer(events_),
                           [this](const boost::system::error_code& error, std::size_t) {
                             if (error) return;
                             (void)shorten_log(place_);  // Tried again at the next change.
                             await_change();
                           });
}

Result<> shorten_log(const Place& place) {
  const auto path = place.file("qemu.log");
  const auto log = TRY(place.root.open_file(path, O_WRONLY | O_APPEND, 0, Links::refuse));
  struct stat status {};
  if (::fstat(log.get(), &status) < 0) return fail_errno("stat {}", path);
  if (static_cast<std::size_t>(status.st_size) <= BoundedLog::longest) return {};
  const auto tail = TRY(place.root.read_end(path, BoundedLog::kept));
  // QEMU appends: it goes on at the new end.
  if (::ftruncate(log.get(), 0) < 0) return fail_errno("cut {}", path);
  if (::write(log.get(), tail.data(), tail.size()) < 0) return fail_errno("write {}", path);
  return {};
}

}  // namespace hv::run
