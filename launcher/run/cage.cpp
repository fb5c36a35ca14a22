// SPDX-License-Identifier: MIT
#include "launcher/run/cage.h"

#include "launcher/run/identity.h"
#include "launcher/run/own_devices.h"
#include "launcher/run/system_calls.h"

#include <elf.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>

namespace hv::run {
namespace {

using plan::Access;

std::string directory_of(const std::string& path) {
  return path.substr(0, std::max<std::size_t>(path.rfind('/'), 1));
}

/// The program that loads the binary (PT_INTERP of elf(5)); empty: it is none of ours to find.
std::string loader_of(const Root& root, const std::string& binary) {
  const auto file = root.open_file(binary, O_RDONLY);
  Elf64_Ehdr header{};
  if (!file || ::pread(file->get(), &header, sizeof header, 0) != sizeof header ||
      !std::equal(ELFMAG, ELFMAG + SELFMAG, header.e_ident))
    return {};
  for (unsigned i = 0; i < header.e_phnum; ++i) {
    Elf64_Phdr part{};
    const auto offset = header.e_phoff + std::uint64_t{i} * sizeof part;
    if (::pread(file->get(), &part, sizeof part, static_cast<off_t>(offset)) != sizeof part)
      return {};
    std::array<char, 4096> path{};
    if (part.p_type != PT_INTERP || part.p_filesz >= path.size()) continue;
    if (::pread(file->get(), path.data(), part.p_filesz, static_cast<off_t>(part.p_offset)) < 0)
      return {};
    return path.data();
  }
  return {};
}

/// QEMU, and what it comes with.
Result<> grant_program(const Root& root, Landlock& rules, const std::string& binary) {
  const auto prefix = directory_of(directory_of(binary));
  const std::array libraries = {std::string("/usr"), std::string("/lib"), std::string("/lib64"),
                                std::string("/nix/store"), prefix};
  const auto loader = loader_of(root, binary);
  for (const auto& directory : libraries) {
    // A script may start anything that it was installed with.
    if (loader.empty())
      TRY(rules.grant_execution(root, directory));
    else
      TRY(rules.grant(root, directory, Access::read));
  }
  TRY(rules.grant_execution(root, binary));
  if (!loader.empty()) TRY(rules.grant_execution(root, loader));
  return {};
}

/// What every program reads, and nothing that belongs to anybody.
Result<> grant_basics(const Root& root, Landlock& rules) {
  for (const auto* const path :
       {"/etc/ld.so.cache", "/etc/localtime", "/etc/gnutls", "/dev/urandom",
        "/proc/sys/vm/overcommit_memory", "/sys/devices/system/cpu", "/sys/devices/system/node",
        "/sys/kernel/mm"})
    TRY(rules.grant(root, path, Access::read));
  return rules.grant(root, "/dev/null", Access::write);
}

/// The device of a PCI function's IOMMU group, and the function's own.
std::vector<std::string> nodes_of(const Root& root, const std::string& sysfs) {
  std::vector<std::string> nodes;
  if (const auto group = root.read_link(sysfs + "/iommu_group"))
    nodes.push_back("/dev/vfio/" + group->substr(group->rfind('/') + 1));
  for (const auto& name : root.list(sysfs + "/vfio-dev").value_or(std::vector<std::string>()))
    nodes.push_back("/dev/vfio/devices/" + name);
  return nodes;
}

Result<> grant_function(const Root& root, Landlock& rules, const std::string& sysfs) {
  TRY(rules.grant(root, sysfs, Access::read));
  for (const auto& node : nodes_of(root, sysfs)) TRY(rules.grant(root, node, Access::device));
  return {};
}

Result<std::optional<Landlock>> rules_for(const Root& root, const plan::Cage& cage,
                                          const std::string& binary) {
  if (Landlock::abi() == 0) {
    if (cage.confinement != profiles::Confinement::strict) return std::nullopt;
    return std::unexpected(with_hint(
        {.fault = Fault::missing,
         .id = "no-landlock",
         .message = "this kernel has no Landlock, which \"confine\": \"strict\" needs"},
        "boot with `lsm=landlock,...` on the kernel's command line, or take \"default\""));
  }
  auto rules = TRY(Landlock::deny_all(cage.internet));
  TRY(grant_program(root, rules, binary));
  TRY(grant_basics(root, rules));
  for (const auto& [path, access, cause] : cage.grants)
    if (access == Access::function)
      TRY(grant_function(root, rules, path));
    else
      TRY(rules.grant(root, path, access));
  return rules;
}

/// What of /dev QEMU uses.
std::vector<std::string> devices_of(const Root& root, const plan::Cage& cage) {
  std::vector<std::string> paths = {"/dev/null", "/dev/urandom"};
  for (const auto& [path, access, cause] : cage.grants)
    if (access == Access::function) {
      const auto nodes = nodes_of(root, path);
      paths.insert(paths.end(), nodes.begin(), nodes.end());
    } else if (path.starts_with("/dev/")) {
      paths.push_back(path);
    }
  // Functions of one IOMMU group share a node.
  std::ranges::sort(paths);
  const auto twice = std::ranges::unique(paths);
  paths.erase(twice.begin(), twice.end());
  return paths;
}

/// How QEMU's user must be able to open what is granted; 0: it is a way by descriptor.
int mode_of(Access access) {
  switch (access) {
    case Access::read: return R_OK;
    case Access::write:
    case Access::device:
    case Access::function: return R_OK | W_OK;
    case Access::make_sockets: return 0;
  }
  std::unreachable();
}

/// The one capability without which QEMU could not open what is granted: a
/// kernel below somebody's home, a disk of `qemu.extra_args`. Landlock keeps it
/// to that. -1: none.
int needed_capability(const Root& root, const plan::Cage& cage, const std::string& binary,
                      uid_t user) {
  int needed = can_open(root, binary, R_OK, user) ? -1 : CAP_DAC_READ_SEARCH;
  for (const auto& [path, access, cause] : cage.grants) {
    const auto paths = access == Access::function ? nodes_of(root, path) : std::vector{path};
    for (const auto& opened : paths) {
      const int mode = mode_of(access);
      if (mode == 0 || !root.exists(opened) || can_open(root, opened, mode, user)) continue;
      if (mode != R_OK) return CAP_DAC_OVERRIDE;
      needed = CAP_DAC_READ_SEARCH;
    }
  }
  return needed;
}

/// What is left of them after the mount namespace. A container may forbid it.
Result<> leave_namespaces(const plan::Cage& cage) {
  const int network = cage.internet ? 0 : CLONE_NEWNET;
  if (::unshare(CLONE_NEWIPC | CLONE_NEWUTS | network) == 0 || errno == EPERM) return {};
  return fail_errno("leave the host's namespaces");
}

Error no_namespaces() {
  return with_hint({.fault = Fault::missing,
                    .id = "no-namespaces",
                    .message = "this host lets nobody make a mount namespace, which \"confine\": "
                               "\"strict\" needs"},
                   "let the container have CAP_SYS_ADMIN, or take \"default\"");
}

}  // namespace

Result<ReadyCage> ReadyCage::make(const Root& root, const plan::Cage& cage,
                                  const std::string& binary) {
  ReadyCage ready(cage);
  if (cage.confinement == profiles::Confinement::off) return ready;
  if (cage.user == 0 || ::geteuid() != 0) {
    TRY(ready.look_at_files(root, binary, ::geteuid()), "making QEMU's cage");
    return ready;
  }
  const bool own =
      TRY(take_own_devices(root, devices_of(root, cage), cage.user), "making a /dev for QEMU");
  if (!own && cage.confinement == profiles::Confinement::strict)
    return std::unexpected(no_namespaces());
  std::optional<Root> inside;
  if (own) inside.emplace(TRY(Root::open()));
  TRY(ready.look_at_files(inside ? *inside : root, binary, cage.user), "making QEMU's cage");
  return ready;
}

Result<> ReadyCage::look_at_files(const Root& root, const std::string& binary, uid_t user) {
  files_ = TRY(rules_for(root, *cage_, binary));
  kept_capability_ = needed_capability(root, *cage_, binary, user);
  return {};
}

Result<> ReadyCage::enter() && {
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) return fail_errno("give up new privileges");
  if (cage_->confinement == profiles::Confinement::off) return {};
  if (::geteuid() == 0) {
    if (cage_->user != 0) TRY(leave_namespaces(*cage_));
    TRY(limit_capabilities(kept_capability_));
    if (cage_->user != 0) TRY(become_user(cage_->user, kept_capability_));
  }
  if (files_) TRY(std::move(*files_).restrict_self());
  return limit_system_calls(*cage_);
}

}  // namespace hv::run
