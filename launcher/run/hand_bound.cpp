// SPDX-License-Identifier: MIT
#include "launcher/run/hand_bound.h"

#include "launcher/base/journal.h"
#include "launcher/run/lock.h"
#include "launcher/run/observe.h"
#include "launcher/run/prepare.h"
#include "launcher/run/program.h"
#include "launcher/run/quarantine.h"
#include "vfio/bind.h"
#include "vfio/quarantine.h"

#include <algorithm>

namespace hv::run {
namespace {

std::string directory_in(const Paths& paths) {
  return paths.runtime + "/.vfio";
}

std::string journal_of(const Paths& paths, const vfio::PciAddress& address) {
  return fmt::format("{}/{}", directory_in(paths), to_string(address));
}

/// The journals' directory, for one at a time; it goes with the last journal.
class Journals {
 public:
  [[nodiscard]] static Result<Journals> open(const Root& root, const Paths& paths) {
    TRY(root.make_directories(paths.runtime, 0700));
    constexpr auto patience = 2 * vfio::bind_patience;  // A driver may hang for those before us.
    auto turn = TRY(Turn::take(root, paths.runtime + "/.vfio.lock", patience));
    TRY(root.make_directories(directory_in(paths), 0700));
    return Journals(root, directory_in(paths), std::move(turn));
  }
  Journals(Journals&&) = default;
  Journals& operator=(Journals&&) = delete;
  Journals(const Journals&) = delete;
  Journals& operator=(const Journals&) = delete;
  ~Journals() {
    if (!directory_.empty()) (void)root_->remove(directory_);  // Unless some are left.
  }

 private:
  Journals(const Root& root, std::string directory, Turn turn)
      : root_(&root), turn_(std::move(turn)), directory_(std::move(directory)) {}

  const Root* root_;
  Turn turn_;
  std::string directory_;
};

Result<> remember(const Root& root, const vfio::PciAddress& address, Journal& journal) {
  const auto before = TRY(vfio::read_binding(root, address));
  return journal.record({.kind = Undo::Kind::return_function,
                         .path = to_string(address),
                         .value = to_string(before)});
}

Result<> take(const Root& root, const Paths& paths, const HandBinding& binding, Journal& journal) {
  TRY(or_quarantine(root, paths, binding.address, vfio::require_answers(root, binding.address)));
  TRY(remember(root, binding.address, journal));
  for (const auto& sibling : binding.siblings) {
    // One without a driver may be another's sibling, too, who is to return it.
    const auto now = TRY(vfio::read_binding(root, sibling));
    if (now.driver.empty()) continue;
    TRY(remember(root, sibling, journal));
    TRY(or_quarantine(root, paths, sibling, vfio::unbind(root, sibling)));
  }
  return or_quarantine(root, paths, binding.address,
                       vfio::bind(root, binding.address, binding.driver));
}

}  // namespace

Result<> load_driver(const Root& root, const std::string& driver) {
  constexpr auto* letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
  // Whatever else is named is bind()'s to refuse.
  const bool is_module = driver.contains("vfio") && !driver.starts_with('-') &&
                         driver.find_first_not_of(letters) == std::string::npos;
  if (!is_module || vfio::has_driver(root, driver)) return {};
  auto loaded = run_program({"modprobe", driver}, "kmod");
  if (loaded || loaded.error().id != "program") return loaded;
  return std::unexpected(with_hint(
      {.fault = Fault::missing,
       .id = "no-vfio-driver",
       .message =
           fmt::format("this kernel has no PCI driver '{}': {}", driver, loaded.error().message)},
      "vfio-pci takes any function; is it installed for the kernel that runs?"));
}

Result<> bind_by_hand(const Root& root, const Paths& paths,
                      const std::vector<HandBinding>& bindings) {
  const auto open = TRY(Journals::open(root, paths));
  std::vector<Journal> journals;  // Rolled back when this returns early.
  for (const auto& binding : bindings) {
    const auto path = journal_of(paths, binding.address);
    if (root.exists(path)) {
      TRY(vfio::bind(root, binding.address, binding.driver));
      continue;
    }
    journals.push_back(TRY(Journal::open(root, path, undo_for(paths))));
    TRY(take(root, paths, binding, journals.back()));
  }
  for (auto& journal : journals) journal.keep();
  return {};
}

Errors return_by_hand(const Root& root, const Paths& paths, const vfio::PciAddress& address) {
  const auto path = journal_of(paths, address);
  if (!root.exists(path))
    return {{.fault = Fault::state,
             .id = "not-bound-by-hand",
             .message =
                 fmt::format("nobody has bound {} with `hvlaunch vfio bind`", to_string(address)),
             .hint = "a guest gives its devices back by itself when it ends"}};
  if (const auto guest = guest_with(root, paths, address))
    return {{.fault = Fault::state,
             .id = "function-in-use",
             .message = fmt::format("the running guest '{}' has {}", *guest, to_string(address)),
             .hint = fmt::format("stop it first: `hvlaunch stop {}`", *guest)}};
  const auto open = Journals::open(root, paths);
  if (!open) return {open.error()};
  auto journal = Journal::open(root, path, undo_for(paths));
  if (!journal) return {std::move(journal).error()};
  return journal->rollback();
}

std::vector<vfio::PciAddress> bound_by_hand(const Root& root, const Paths& paths) {
  std::vector<vfio::PciAddress> addresses;
  for (const auto& name : root.list(directory_in(paths)).value_or(std::vector<std::string>{}))
    if (const auto address = vfio::parse_pci_address(name)) addresses.push_back(*address);
  return addresses;
}

std::optional<std::string> guest_with(const Root& root, const Paths& paths,
                                      const vfio::PciAddress& address) {
  const auto is_it = [name = to_string(address)](const Undo& entry) {
    return entry.kind == Undo::Kind::return_function && entry.path == name;
  };
  for (const auto& vm : active_vms(root, paths)) {
    const Place place{root, paths, vm};
    const auto text = root.read_raw(place.file("journal"));
    const auto journal = text ? parse_journal(*text) : std::unexpected(text.error());
    if (journal && std::ranges::any_of(journal->entries, is_it) && is_locked(root, place.lock()))
      return vm;
  }
  return std::nullopt;
}

}  // namespace hv::run
