// SPDX-License-Identifier: MIT
#include "launcher/run/prepare.h"

#include "launcher/base/overloaded.h"
#include "launcher/base/unix_socket.h"
#include "launcher/run/cleanup.h"
#include "launcher/run/disk_image.h"
#include "launcher/run/hand_bound.h"
#include "launcher/run/hand_over.h"
#include "launcher/run/huge_pages.h"
#include "launcher/run/isolation.h"
#include "launcher/run/limits.h"
#include "launcher/run/lock.h"
#include "launcher/run/pins.h"
#include "launcher/run/program.h"
#include "launcher/run/quarantine.h"
#include "launcher/run/records.h"
#include "launcher/run/slices.h"
#include "vfio/bind.h"
#include "vfio/blocking.h"
#include "vfio/quarantine.h"
#include "vfio/sriov.h"

#include <fcntl.h>
#include <sys/socket.h>

#include <array>

namespace hv::run {
namespace {

std::string directory_of(const std::string& path) {
  return path.substr(0, path.rfind('/'));
}

Result<> copy_file(const Root& root, const plan::CopyFile& copy, Journal& journal) {
  if (root.exists(copy.to)) return {};
  TRY(root.make_directories(directory_of(copy.to), 0750));
  const auto partial = copy.to + ".partial";
  TRY(journal.record({.kind = Undo::Kind::remove_file, .path = partial}));
  constexpr std::size_t largest_firmware = std::size_t{256} << 20U;
  const auto image = TRY(root.read_raw(copy.from, largest_firmware));
  TRY(root.create(partial, image));
  return root.rename(partial, copy.to);
}

/// A path as mkisofs's -graft-points wants it.
std::string graft(std::string_view name, std::string_view path) {
  std::string text = fmt::format("{}=", name);
  for (const char c : path) {
    if (c == '=' || c == '\\') text += '\\';
    text += c;
  }
  return text;
}

Result<> make_seed(const Place& place, const plan::MakeSeed& seed, Journal& journal) {
  TRY(place.root.make_directories(directory_of(seed.path), 0750));
  auto meta_data = seed.meta_data;
  if (meta_data.empty()) {
    meta_data = place.file("meta-data");
    TRY(place.root.replace(meta_data, fmt::format("instance-id: {}\nlocal-hostname: {}\n",
                                                  seed.instance, seed.instance)));
  }
  const auto partial = seed.path + ".partial";
  TRY(journal.record({.kind = Undo::Kind::remove_file, .path = partial}));
  std::vector<std::string> argv = {"xorriso",
                                   "-as",
                                   "mkisofs",
                                   "-quiet",
                                   "-o",
                                   partial,
                                   "-V",
                                   "cidata",
                                   "-J",
                                   "-R",
                                   "-graft-points",
                                   graft("user-data", seed.user_data),
                                   graft("meta-data", meta_data)};
  if (!seed.network_config.empty()) argv.push_back(graft("network-config", seed.network_config));
  auto made = run_program(argv, "xorriso");
  if (made) made = place.root.rename(partial, seed.path);
  if (!made) (void)place.root.remove(partial);  // The journal has it, should this fail too.
  return made;
}

Result<> start_tpm(const Place& place, const plan::StartTpm& tpm, Journal& journal) {
  // swtpm splits its options at commas, and has no way to quote one.
  for (const auto* const path : {&tpm.state_directory, &tpm.socket})
    if (path->contains(','))
      return fail(Fault::missing, "bad-path", "swtpm takes no path with a comma: {}", *path);
  TRY(place.root.make_directories(tpm.state_directory, 0700));
  TRY(journal.record({.kind = Undo::Kind::end_helper, .path = tpm.socket}));
  return run_program(
      {"swtpm", "socket", "--tpm2", "--tpmstate",
       fmt::format("dir={},mode=0600", tpm.state_directory), "--ctrl",
       fmt::format("type=unixio,path={},mode=0600", tpm.socket), "--terminate", "--daemon"},
      "swtpm");
}

/// For what hvlaunch made: images and devices of others are never given away.
Result<> give_to(const UniqueFd& fd, std::uint32_t owner, const std::string& path) {
  if (owner == 0 || ::fchown(fd.get(), owner, owner) == 0) return {};
  return fail_errno("give {} to QEMU's user {}", path, owner);
}

Result<> make_shared_memory(const Root& root, const plan::MakeSharedMemory& memory,
                            Journal& journal) {
  TRY(journal.record({.kind = Undo::Kind::remove_file, .path = memory.path}));
  const auto fd = TRY(root.open_file(memory.path, O_RDWR | O_CREAT, 0600, Links::refuse));
  if (::ftruncate(fd.get(), static_cast<off_t>(memory.size_mib << 20U)) < 0)
    return fail_errno("give {} its size", memory.path);
  return give_to(fd, memory.owner, memory.path);
}

Result<> make_directory(const Root& root, const plan::MakeDirectory& directory) {
  TRY(root.make_directories(directory.path, 0700));
  const auto fd = TRY(root.open_file(directory.path, O_RDONLY | O_DIRECTORY, 0, Links::refuse));
  return give_to(fd, directory.owner, directory.path);
}

/// Tells a swtpm that QEMU never connected to, or left, to end.
Result<> end_helper(const std::string& path) {
  constexpr std::chrono::seconds patience{2};  // For one that hangs.
  const auto fd = connect_unix(path, patience);
  if (!fd) {
    const auto& error = fd.error();
    if (error.id == "path-too-long") return {};  // Then it never listened there.
    if (error.os_error == ENOENT || error.os_error == ECONNREFUSED) return {};  // It has ended.
    return std::unexpected(error);
  }
  constexpr std::array<unsigned char, 4> shut_down = {0, 0, 0, 3};  // CMD_SHUTDOWN of swtpm.
  if (::send(fd->get(), shut_down.data(), shut_down.size(), MSG_NOSIGNAL) < 0)
    return fail_errno("write to {}", path);
  std::array<unsigned char, 4> reply{};
  // It may end before it answers.
  if (::recv(fd->get(), reply.data(), reply.size(), 0) < 0 && errno == EAGAIN)
    return fail(Fault::timed_out, "helper-hangs", "the helper at {} does not answer", path);
  return {};
}

/// What has left the host with its attributes needs nothing back.
Result<> unless_gone(Result<> written) {
  if (!written && written.error().os_error == ENOENT) return {};
  return written;
}

Result<> write_back(const Root& root, const Undo& entry) {
  // A device's driver may hang: those of /sys/bus, and a console's screen.
  return unless_gone(entry.path.starts_with("/sys/bus/") || entry.path.starts_with("/sys/class/")
                         ? vfio::write_within(root, entry.path, entry.value, vfio::bind_patience)
                         : root.write(entry.path, entry.value));
}

Result<> return_function(const Root& root, const Undo& entry) {
  const auto address = TRY(vfio::parse_pci_address(entry.path));
  return vfio::return_function(root, address, entry.value);
}

Result<> remove_vfs(const Root& root, const Undo& entry) {
  return vfio::remove_vfs(root, TRY(vfio::parse_pci_address(entry.path)));
}

Result<> bind_function(const Root& root, const plan::BindFunction& function, Journal& journal) {
  TRY(vfio::require_answers(root, function.address));
  const auto& address = function.address;
  const auto before = TRY(vfio::read_binding(root, address));
  if (!function.driver.empty()) TRY(load_driver(root, function.driver));
  TRY(journal.record({.kind = Undo::Kind::return_function,
                      .path = to_string(address),
                      .value = to_string(before)}));
  return function.driver.empty() ? vfio::unbind(root, address)
                                 : vfio::bind(root, address, function.driver);
}

Result<> apply(const Place& place, const plan::Action& action, Journal& journal) {
  return std::visit(
      Overloaded{
          [&](const plan::MakeDisk& disk) { return make_disk(place.root, disk, journal); },
          [&](const plan::CopyFile& copy) { return copy_file(place.root, copy, journal); },
          [&](const plan::MakeSeed& seed) { return make_seed(place, seed, journal); },
          [&](const plan::StartTpm& tpm) { return start_tpm(place, tpm, journal); },
          [&](const plan::MakeSharedMemory& memory) {
            return make_shared_memory(place.root, memory, journal);
          },
          [&](const plan::MakeDirectory& directory) {
            return make_directory(place.root, directory);
          },
          [&](const plan::BindFunction& function) {
            return or_quarantine(place.root, place.paths, function.address,
                                 bind_function(place.root, function, journal));
          },
          [&](const plan::MakeVirtualFunctions& make) {
            return or_quarantine(place.root, place.paths, make.physical,
                                 make_virtual_functions(place, make, journal));
          },
          [&](const plan::SetVirtualFunction& set) { return set_virtual_function(set, journal); },
          [&](const vfio::Release& step) { return release(place.root, step, journal); },
          [&](const plan::MakeMdev& mdev) { return make_mdev(place.root, mdev, journal); },
          [&](const plan::HugePages& pages) { return make_huge_pages(place.root, pages, journal); },
          [&](const plan::IsolateCpus& isolate) {
            return isolate_cpus(place, isolate.cpus, journal);
          },
          [&](const plan::LimitGuest& guest) { return prepare_limits(place, guest); },
      },
      action);
}

/// Makes the VM's directory, unless somebody else has put one there.
Result<> own_directory(const Place& place) {
  if (auto made = place.root.make_directories(place.directory(), 0700); !made)
    return std::unexpected(with_hint(
        std::move(made).error(), "XDG_RUNTIME_DIR must name a directory that you may write to"));
  for (const auto& directory : {place.paths.runtime, place.directory()}) {
    const auto status = TRY(place.root.status(directory, Links::refuse));
    if (!S_ISDIR(status.st_mode) || status.st_uid != ::geteuid())
      return std::unexpected(with_hint(
          {.fault = Fault::permission,
           .id = "foreign-directory",
           .message =
               fmt::format("{} is not a directory of user {}'s own", directory, ::geteuid())},
          "remove it, or set XDG_RUNTIME_DIR to a directory that only you may write to"));
  }
  return {};
}

/// The VM's lock; nothing if somebody holds it. ENOENT: a cleanup has removed
/// the directory under our hands.
Result<std::optional<UniqueFd>> take_once(const Place& place) {
  const bool is_there = place.root.exists(place.lock());
  if (!is_there && find_holder(place.root, place.lock(), lock_number, 0)) return std::nullopt;
  TRY(own_directory(place));
  auto lock = TRY(try_lock(place.root, place.lock()));
  if (lock) return lock;
  // Held by the guest, by another start, or for a moment by a cleanup.
  const auto state = load_state(place);
  const auto pid = static_cast<pid_t>(state ? state->pid : 0);
  if (find_holder(place.root, place.lock(), lock_number, pid)) return std::nullopt;
  constexpr std::chrono::milliseconds a_moment{300};
  auto later = lock_within(place.root, place.lock(), a_moment);
  if (later) return *std::move(later);
  if (later.error().fault == Fault::timed_out) return std::nullopt;
  return std::unexpected(std::move(later).error());
}

Result<std::optional<UniqueFd>> take(const Place& place) {
  constexpr int tries = 100;
  auto lock = take_once(place);
  for (int i = 1; i < tries && !lock && lock.error().os_error == ENOENT; ++i)
    lock = take_once(place);
  return lock;
}

/// Disks that this plan would write and that running guests have.
void check_disks(const Place& place, const plan::Plan& plan, Errors& errors) {
  const auto names = place.root.list(place.paths.runtime);
  if (!names) return;
  for (const auto& name : *names) {
    const Place other{place.root, place.paths, name};
    if (name == plan.vm || !is_locked(place.root, other.lock())) continue;
    const auto state = load_state(other);
    if (!state) continue;
    for (const auto& theirs : state->disks)
      for (const auto& ours : plan.disks) {
        const auto a = place.root.status(theirs.path);
        const auto b = place.root.status(ours.path);
        const bool same = a && b && a->st_ino == b->st_ino && a->st_dev == b->st_dev;
        if (same && (ours.writable || theirs.writable))
          errors.push_back(
              {.fault = Fault::state,
               .id = "disk-in-use",
               .message = fmt::format("the running guest '{}' has the disk {}", name, ours.path),
               .hint = fmt::format("stop it first: `hvlaunch stop {}`", name)});
      }
  }
}

}  // namespace

Errors check_files(const Place& place, const plan::Plan& plan) {
  Errors errors;
  for (const auto& [path, cause] : plan.files) {
    auto opened = place.root.open_file(path, O_RDONLY | O_NONBLOCK);
    if (opened) continue;
    auto error = std::move(opened).error();
    if (error.os_error == ENOENT) {
      error.fault = Fault::missing;
      error.id = "no-file";
      error.hint = fmt::format("put it there; a relative path is one below {}", place.paths.state);
    } else if (error.fault == Fault::permission) {
      error.hint = fmt::format(
          "user {} must be able to read it, and to enter the directories above it", ::geteuid());
    }
    error.message = fmt::format("{}: {}", cause.why, error.message);
    error.origin.pointer = cause.pointer;
    errors.push_back(std::move(error));
  }
  check_disks(place, plan, errors);
  return errors;
}

Result<> prepare(const Place& place, const plan::Plan& plan, Journal& journal) {
  TRY(enter_helper_cpus(plan.pins));  // What is started from here on stays there.
  for (const auto& [action, cause] : plan.steps) TRY(apply(place, action, journal));
  return {};
}

Result<> undo(const Root& root, const Undo& entry) {
  switch (entry.kind) {
    case Undo::Kind::remove_file: return root.remove(entry.path);
    case Undo::Kind::end_helper: return end_helper(entry.path);
    case Undo::Kind::write_value: return write_back(root, entry);
    case Undo::Kind::set_pool: return unless_gone(set_pool(root, entry.path, entry.value));
    case Undo::Kind::return_function: return return_function(root, entry);
    case Undo::Kind::remove_vfs: return remove_vfs(root, entry);
    case Undo::Kind::start_unit: return start_unit(entry.path);
    case Undo::Kind::bind_framebuffer: return bind_framebuffer(root, entry);
    case Undo::Kind::load_module: return load_module(root, entry.path);
    case Undo::Kind::set_vf: return set_vf_back(root, entry);
    case Undo::Kind::release_cpus: return release_cpus(root, entry);
  }
  std::unreachable();
}

Result<UniqueFd> claim(const Place& place) {
  auto lock = TRY(take(place));
  if (!lock)
    return std::unexpected(with_hint({.fault = Fault::state,
                                      .id = "already-running",
                                      .message = fmt::format("'{}' is running already", place.vm)},
                                     fmt::format("`hvlaunch status {}` shows it", place.vm)));
  // What an earlier run left that nobody has undone yet.
  TRY(clear_leftovers(place));
  return *std::move(lock);
}

}  // namespace hv::run
