// SPDX-License-Identifier: MIT
//
// The undo journal of one VM. Whatever hvlaunch changes on the host for a
// guest is recorded here, synced, before it is made, so that after a crash at
// any instant `hvlaunch recover`, or the next start, takes it back.
//
//   auto journal = TRY(Journal::open(root, path, undo));
//   TRY(journal.record({.kind = Undo::Kind::remove_file, .path = half_made}));
//   ... make the change ...
//   journal.keep();  // The guest runs: cleanup undoes it when it has ended.
#pragma once

#include "launcher/base/error.h"
#include "launcher/base/root.h"

#include <functional>
#include <string>
#include <vector>

namespace hv {

/// What takes one change back. Safe to do twice, and if the change never came.
struct Undo {
  enum class Kind : std::uint8_t {
    remove_file,       ///< Remove `path`.
    end_helper,        ///< Ask the swtpm that listens on `path` to end.
    write_value,       ///< Write `value` to the kernel's attribute at `path`.
    return_function,   ///< Bind the PCI function `path` as `value` says: a vfio::Binding.
    set_pool,          ///< Set the pool of huge pages `path` to `value` pages.
    remove_vfs,        ///< Destroy the virtual functions of the PCI function `path`.
    start_unit,        ///< Start the unit `path` of systemd.
    bind_framebuffer,  ///< Bind the platform device `value` to the driver whose directory is
                       ///< `path`.
    load_module,       ///< Load the kernel's module `path`.
    set_vf,            ///< Give a virtual function of the interface `path` what `value` says.
    release_cpus,      ///< The guest of the directory `path` isolates no CPUs any more.
  };
  Kind kind = Kind::remove_file;
  std::string path;     ///< Without line ends.
  std::string value{};  ///< Without line ends and tabs.

  friend bool operator==(const Undo&, const Undo&) = default;
};

/// What a journal's text says.
struct JournalText {
  std::string boot;           ///< The boot that it was begun in; empty: unknown.
  std::vector<Undo> entries;  ///< Oldest first.
};

/// Carries out one undo.
using UndoFunction = std::function<Result<>(const Root&, const Undo&)>;

class Journal {
 public:
  /// Opens or makes the file at `path`; entries of an earlier run stay in it.
  [[nodiscard]] static Result<Journal> open(const Root& root, std::string path, UndoFunction undo);

  Journal(Journal&&) = default;
  Journal& operator=(Journal&&) = delete;
  Journal(const Journal&) = delete;
  Journal& operator=(const Journal&) = delete;
  /// Rolls back, unless kept.
  ~Journal();

  /// On disk when this returns.
  [[nodiscard]] Result<> record(const Undo& undo);

  /// The change has been taken back already: rollback() leaves the entry out.
  [[nodiscard]] Result<> settle(const Undo& undo);

  /// What is to be undone now.
  [[nodiscard]] Result<JournalText> text() const;

  /// Undoes every entry, newest first, and removes the file if all could be
  /// undone. Goes on past failures; what could not be undone stays in the file.
  /// What a boot before this one changed in the kernel is gone with it.
  [[nodiscard]] Errors rollback();

  /// The changes are no longer to be undone, ever: forgets the entries.
  [[nodiscard]] Result<> forget();

  /// The changes stay for now: the file outlives this object.
  void keep() noexcept { active_ = false; }

 private:
  Journal(const Root& root, std::string path, UndoFunction undo, UniqueFd file)
      : root_(&root),
        path_(std::move(path)),
        undo_(std::move(undo)),
        file_(std::move(file)),
        active_(true) {}

  [[nodiscard]] Result<> write_line(const std::string& line);

  struct Flag {  // False once moved from.
    bool on = false;
    explicit(false) Flag(bool value) : on(value) {}
    Flag(Flag&& other) noexcept : on(std::exchange(other.on, false)) {}
    Flag(const Flag&) = delete;
    Flag& operator=(const Flag&) = delete;
    Flag& operator=(Flag&&) = delete;
    ~Flag() = default;
    Flag& operator=(bool value) noexcept { return on = value, *this; }
  };

  const Root* root_;
  std::string path_;
  UndoFunction undo_;
  UniqueFd file_;
  Flag active_;
};

/// A last line that was cut short is left out: its change was never begun.
/// Other damage is an error.
[[nodiscard]] Result<JournalText> parse_journal(std::string_view text);

}  // namespace hv
