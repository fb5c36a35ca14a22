// SPDX-License-Identifier: MIT
#include "launcher/run/own_devices.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

namespace hv::run {
namespace {

constexpr const char* devices = "/dev";

struct Node {
  std::string path;
  struct stat status {};
  UniqueFd file{};  ///< Of what is no device.
};

bool is_device(const struct stat& status) {
  return S_ISCHR(status.st_mode) || S_ISBLK(status.st_mode);
}

Result<std::vector<Node>> look_up(const Root& root, const std::vector<std::string>& paths) {
  std::vector<Node> nodes;
  for (const auto& path : paths) {
    const auto status = root.status(path);
    if (!status) continue;
    Node node{.path = path, .status = *status};
    if (!is_device(*status)) node.file = TRY(root.open_file(path, O_PATH));
    nodes.push_back(std::move(node));
  }
  return nodes;
}

Result<> make_parents(const std::string& path) {
  for (auto slash = path.find('/', 5); slash != std::string::npos;
       slash = path.find('/', slash + 1)) {
    const auto directory = path.substr(0, slash);
    if (::mkdir(directory.c_str(), 0755) < 0 && errno != EEXIST)
      return fail_errno("make {}", directory);
  }
  return {};
}

Result<> make_node(const Node& node, uid_t user) {
  TRY(make_parents(node.path));
  const auto* const path = node.path.c_str();
  if (is_device(node.status)) {
    const auto mode = (node.status.st_mode & S_IFMT) | 0600U;
    if (::mknod(path, mode, node.status.st_rdev) < 0 || ::chown(path, user, user) < 0)
      return fail_errno("make the device {}", node.path);
    return {};
  }
  const auto source = fmt::format("/proc/self/fd/{}", node.file.get());
  const bool made = S_ISDIR(node.status.st_mode) ? ::mkdir(path, 0755) == 0
                                                 : ::mknod(path, S_IFREG | 0600U, 0) == 0;
  if (!made || ::mount(source.c_str(), path, nullptr, MS_BIND | MS_REC, nullptr) < 0)
    return fail_errno("bind {}", node.path);
  return {};
}

Result<> fill(const std::vector<Node>& nodes, uid_t user) {
  const auto former = ::umask(0);
  Result<> made;
  for (const auto& node : nodes)
    if (made) made = make_node(node, user);
  ::umask(former);
  TRY(made);
  if (::mount(nullptr, devices, nullptr, MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NOEXEC, nullptr) <
      0)
    return fail_errno("make {} read-only", devices);
  return {};
}

}  // namespace

Result<bool> take_own_devices(const Root& root, const std::vector<std::string>& paths, uid_t user) {
  const auto nodes = TRY(look_up(root, paths));
  if (::unshare(CLONE_NEWNS) < 0) {
    if (errno == EPERM) return false;
    return fail_errno("make a mount namespace");
  }
  // Nothing gets out; but what the host unmounts is not kept busy here.
  if (::mount(nullptr, "/", nullptr, MS_REC | MS_SLAVE, nullptr) < 0)
    return fail_errno("part mounts from the host's");
  if (::mount("hvlaunch", devices, "tmpfs", MS_NOSUID | MS_NOEXEC, "mode=0755,size=64k") < 0) {
    if (errno == EPERM) return false;
    return fail_errno("mount {}", devices);
  }
  const auto filled = fill(nodes, user);
  if (filled) return true;
  if (filled.error().os_error != EPERM || ::umount2(devices, MNT_DETACH) < 0)
    return std::unexpected(filled.error());
  return false;
}

}  // namespace hv::run
