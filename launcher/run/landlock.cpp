// SPDX-License-Identifier: MIT
#include "launcher/run/landlock.h"

#include <fcntl.h>
#include <linux/landlock.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <algorithm>

namespace hv::run {
namespace {

// Newer than the headers of Debian 12 (linux/landlock.h of Linux 6.12).
constexpr std::uint64_t truncate = 1U << 14U;
constexpr std::uint64_t control_devices = 1U << 15U;
constexpr std::uint64_t all_network = 3;  // To bind and to connect TCP ports.
constexpr std::uint64_t all_scopes = 3;   // Abstract UNIX sockets and signals.

struct Attributes {
  std::uint64_t files = 0;
  std::uint64_t network = 0;
  std::uint64_t scopes = 0;
};

/// What each ABI can deny of files.
std::uint64_t files_of(int abi) {
  constexpr std::uint64_t first = LANDLOCK_ACCESS_FS_REFER - 1;  // All that came before it.
  std::uint64_t rights = first;
  if (abi >= 2) rights |= LANDLOCK_ACCESS_FS_REFER;
  if (abi >= 3) rights |= truncate;
  if (abi >= 5) rights |= control_devices;
  return rights;
}

constexpr std::uint64_t read_file = LANDLOCK_ACCESS_FS_READ_FILE;
constexpr std::uint64_t write_file = read_file | LANDLOCK_ACCESS_FS_WRITE_FILE | truncate;

std::uint64_t rights_of(plan::Access access) {
  switch (access) {
    case plan::Access::read: return read_file | LANDLOCK_ACCESS_FS_READ_DIR;
    case plan::Access::write: return write_file;
    case plan::Access::device:
    case plan::Access::function: return write_file | control_devices;
    case plan::Access::make_sockets: return LANDLOCK_ACCESS_FS_MAKE_SOCK;
  }
  std::unreachable();
}

/// A rule for a file may hold only what can be done with a file.
constexpr std::uint64_t rights_on_files = LANDLOCK_ACCESS_FS_EXECUTE | write_file | control_devices;

}  // namespace

int Landlock::abi() {
  const auto abi =
      ::syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION);
  return static_cast<int>(std::max(abi, 0L));
}

Result<Landlock> Landlock::deny_all(bool internet) {
  const int known = abi();
  Attributes attributes{.files = files_of(known)};
  if (known >= 4 && !internet) attributes.network = all_network;
  if (known >= 6) attributes.scopes = all_scopes;
  const auto size = known >= 6 ? sizeof attributes : known >= 4 ? std::size_t{16} : std::size_t{8};
  const UniqueFd low(
      static_cast<int>(::syscall(SYS_landlock_create_ruleset, &attributes, size, 0)));
  if (!low) return fail_errno("make a Landlock rule set");
  constexpr int out_of_the_way = 200;  // Of the numbers that QEMU's descriptors get.
  UniqueFd rules(::fcntl(low.get(), F_DUPFD_CLOEXEC, out_of_the_way));
  if (!rules) return fail_errno("make a Landlock rule set");
  return Landlock(std::move(rules), known);
}

Result<> Landlock::add(const Root& root, const std::string& path, std::uint64_t rights) {
  auto opened = root.open_file(path, O_PATH);
  if (!opened && (opened.error().os_error == ENOENT || opened.error().os_error == ENOTDIR))
    return {};
  const auto fd = TRY(std::move(opened));
  struct stat status {};
  if (::fstat(fd.get(), &status) < 0) return fail_errno("look at {}", path);
  landlock_path_beneath_attr rule{};
  rule.parent_fd = fd.get();
  rule.allowed_access = rights & files_of(abi_);
  if (!S_ISDIR(status.st_mode)) rule.allowed_access &= rights_on_files;
  if (::syscall(SYS_landlock_add_rule, rules_.get(), LANDLOCK_RULE_PATH_BENEATH, &rule, 0) < 0)
    return fail_errno("grant {}", path);
  return {};
}

Result<> Landlock::grant(const Root& root, const std::string& path, plan::Access access) {
  return add(root, path, rights_of(access));
}

Result<> Landlock::grant_execution(const Root& root, const std::string& path) {
  return add(root, path, read_file | LANDLOCK_ACCESS_FS_READ_DIR | LANDLOCK_ACCESS_FS_EXECUTE);
}

Result<> Landlock::restrict_self() && {
  if (::syscall(SYS_landlock_restrict_self, rules_.get(), 0) < 0)
    return fail_errno("enter the Landlock rule set");
  return {};
}

}  // namespace hv::run
