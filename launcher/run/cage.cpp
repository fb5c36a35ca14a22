// SPDX-License-Identifier: MIT
#include "launcher/run/cage.h"

#include "launcher/run/system_calls.h"

#include <elf.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/stat.h>
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

/// The device of a PCI function's IOMMU group, or the function's own.
Result<> grant_function(const Root& root, Landlock& rules, const std::string& sysfs) {
  TRY(rules.grant(root, sysfs, Access::read));
  if (const auto group = root.read_link(sysfs + "/iommu_group"))
    TRY(rules.grant(root, "/dev/vfio/" + group->substr(group->rfind('/') + 1), Access::device));
  const auto devices = root.list(sysfs + "/vfio-dev");
  if (!devices) return {};
  for (const auto& name : *devices)
    TRY(rules.grant(root, "/dev/vfio/devices/" + name, Access::device));
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

/// Whether somebody without capabilities may open the file as the cage wants.
bool is_open_to(const Root& root, const plan::Grant& grant, uid_t user) {
  const auto status = root.status(grant.path);
  if (!status || status->st_uid == user) return true;
  const unsigned wanted = grant.access == Access::write || grant.access == Access::device ? 6 : 4;
  return (status->st_mode & wanted) == wanted;
}

/// An image that belongs to a user is root's to open only by this capability;
/// Landlock keeps it to what is granted.
bool needs_override(const Root& root, const plan::Cage& cage) {
  return std::ranges::any_of(
      cage.grants, [&](const plan::Grant& grant) { return !is_open_to(root, grant, ::geteuid()); });
}

Result<> drop_capabilities(bool keep_override) {
  for (int capability = 0; ::prctl(PR_CAPBSET_READ, capability, 0, 0, 0) >= 0; ++capability) {
    if (keep_override && capability == CAP_DAC_OVERRIDE) continue;
    if (::prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) < 0 && errno != EPERM)
      return fail_errno("drop capability {}", capability);
  }
  (void)::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
  return {};
}

}  // namespace

Result<ReadyCage> ReadyCage::make(const Root& root, const plan::Cage& cage,
                                  const std::string& binary) {
  ReadyCage ready(cage);
  if (cage.confinement == profiles::Confinement::off) return ready;
  ready.files_ = TRY(rules_for(root, cage, binary), "making QEMU's cage");
  ready.keeps_override_ = needs_override(root, cage);
  return ready;
}

Result<> ReadyCage::enter() && {
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) return fail_errno("give up new privileges");
  if (cage_->confinement == profiles::Confinement::off) return {};
  if (::geteuid() == 0) TRY(drop_capabilities(keeps_override_));
  if (files_) TRY(std::move(*files_).restrict_self());
  return limit_system_calls(*cage_);
}

}  // namespace hv::run
