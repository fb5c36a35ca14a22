// SPDX-License-Identifier: MIT
#include "qmp/listen.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

namespace qmp {
namespace {

/// Whether `path` is free to be taken: absent, or a socket without a server.
Result<> check_stale(const std::string& path) {
  struct stat status {};
  if (::lstat(path.c_str(), &status) < 0) {
    if (errno == ENOENT) return {};
    return wire::fail_system("look at " + path, errno);
  }
  if (!S_ISSOCK(status.st_mode))
    return fail(Error::Kind::system, "'" + path + "' exists and is not a socket");
  const auto address = wire::address_of(path);
  if (!address) return std::unexpected(address.error());
  const auto probe = wire::stream_socket();
  if (!probe) return std::unexpected(probe.error());
  // Without O_NONBLOCK a full queue of a live server would block.
  const timeval limit{.tv_sec = 0, .tv_usec = 1};
  (void)::setsockopt(probe->get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);  // Only slower.
  const auto* const target = reinterpret_cast<const sockaddr*>(&*address);
  if (::connect(probe->get(), target, sizeof *address) < 0 && errno == ECONNREFUSED) return {};
  return fail(Error::Kind::system, "'" + path + "' is served by another process");
}

Result<> bind_and_listen(int fd, const std::string& path, mode_t mode) {
  const auto address = wire::address_of(path);
  if (!address) return std::unexpected(address.error());
  // Linux gives the file the socket's own mode, less the umask: there is no moment when others
  // can connect.
  if (::fchmod(fd, mode) < 0) return wire::fail_system("set the mode of a socket", errno);
  if (::unlink(path.c_str()) < 0 && errno != ENOENT)
    return wire::fail_system("remove " + path, errno);
  if (::bind(fd, reinterpret_cast<const sockaddr*>(&*address), sizeof *address) < 0)
    return wire::fail_system("bind " + path, errno);
  if (::listen(fd, SOMAXCONN) < 0 || ::fcntl(fd, F_SETFL, O_NONBLOCK) < 0)
    return wire::fail_system("listen on " + path, errno);
  return {};
}

}  // namespace

Result<Listener> Listener::open(const std::string& path, mode_t mode) {
  if (auto free = check_stale(path); !free) return std::unexpected(free.error());
  auto fd = wire::stream_socket();
  if (!fd) return std::unexpected(fd.error());
  const auto fresh = path + "~";
  if (auto bound = bind_and_listen(fd->get(), fresh, mode); !bound)
    return std::unexpected(bound.error());
  struct stat status {};
  if (::lstat(fresh.c_str(), &status) < 0 || ::chmod(fresh.c_str(), mode) < 0 ||
      std::rename(fresh.c_str(), path.c_str()) < 0) {
    auto error = wire::fail_system("put a socket at " + path, errno);
    ::unlink(fresh.c_str());
    return error;
  }
  return Listener(*std::move(fd), path, status.st_dev, status.st_ino);
}

Listener::~Listener() {
  if (!fd_) return;
  struct stat status {};  // A successor may have taken the place.
  if (::lstat(path_.c_str(), &status) == 0 && status.st_dev == device_ && status.st_ino == inode_)
    ::unlink(path_.c_str());
}

}  // namespace qmp
