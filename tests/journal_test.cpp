// SPDX-License-Identifier: MIT
#include "launcher/base/journal.h"

#include "tests/temp_tree.h"

#include <doctest/doctest.h>

#include <filesystem>

using hv::Journal;
using hv::Undo;
namespace fs = std::filesystem;

namespace {

/// Appends the path to a file, and fails for those that are called "stuck".
hv::Result<> note(const hv::Root& root, const Undo& undo) {
  const auto before = root.read_raw("/undone").value_or("");
  TRY(root.replace("/undone", before + undo.path + "\n"));
  if (undo.path.ends_with("stuck")) return hv::fail(hv::Fault::failed, "stuck", "{}", undo.path);
  return {};
}

Undo removal(std::string path) {
  return {.kind = Undo::Kind::remove_file, .path = std::move(path)};
}

}  // namespace

TEST_CASE("what is recorded is undone in reverse, once") {
  const TempTree tree;
  const auto root = tree.root();
  {
    auto journal = Journal::open(root, "/journal", note).value();
    for (const auto* const path : {"/one", "/two", "/three"})
      REQUIRE(journal.record(removal(path)).has_value());
    REQUIRE(journal.record({.kind = Undo::Kind::end_helper, .path = "/tpm\t1"}).has_value());
    CHECK_EQ(
        tree.read("/journal"),
        "boot\t\nremove-file\t/one\nremove-file\t/two\nremove-file\t/three\nend-helper\t/tpm\t1\n");
    CHECK_FALSE(fs::exists(tree.path("/undone")));
    const auto moved = std::move(journal);
  }
  CHECK_EQ(tree.read("/undone"), "/tpm\t1\n/three\n/two\n/one\n");
  CHECK_FALSE(fs::exists(tree.path("/journal")));
}

TEST_CASE("what is kept is undone by whoever opens the journal again") {
  const TempTree tree;
  const auto root = tree.root();
  {
    auto journal = Journal::open(root, "/journal", note).value();
    REQUIRE(journal.record(removal("/one")).has_value());
    journal.keep();
  }
  CHECK_FALSE(fs::exists(tree.path("/undone")));
  auto again = Journal::open(root, "/journal", note).value();
  CHECK(again.rollback().empty());
  CHECK_EQ(tree.read("/undone"), "/one\n");
  CHECK_FALSE(fs::exists(tree.path("/journal")));
}

TEST_CASE("what is forgotten is never undone") {
  const TempTree tree;
  const auto root = tree.root();
  {
    auto journal = Journal::open(root, "/journal", note).value();
    REQUIRE(journal.record(removal("/one")).has_value());
    REQUIRE(journal.forget().has_value());
  }
  CHECK_FALSE(fs::exists(tree.path("/undone")));
  CHECK_FALSE(fs::exists(tree.path("/journal")));
}

TEST_CASE("a failed undo does not stop the others, and is tried again") {
  const TempTree tree;
  const auto root = tree.root();
  auto journal = Journal::open(root, "/journal", note).value();
  for (const auto* const path : {"/one", "/stuck", "/three"})
    REQUIRE(journal.record(removal(path)).has_value());
  const auto errors = journal.rollback();
  REQUIRE_EQ(errors.size(), 1);
  CHECK_EQ(errors.front().id, "stuck");
  CHECK_EQ(tree.read("/undone"), "/three\n/stuck\n/one\n");
  CHECK_EQ(journal.rollback().size(), 1);
  CHECK(fs::exists(tree.path("/journal")));
}

TEST_CASE("a crash at any byte of a line undoes what was whole before it") {
  const TempTree tree;
  const auto root = tree.root();
  const std::string whole = "remove-file\t/one\nremove-file\t/two\n";
  for (std::size_t length = 0; length <= whole.size(); ++length) {
    CAPTURE(length);
    const auto entries = hv::parse_journal(whole.substr(0, length));
    REQUIRE(entries.has_value());
    const std::size_t expected = length == whole.size() ? 2 : length >= 17 ? 1 : 0;
    REQUIRE_EQ(entries->entries.size(), expected);

    // And the next entry does not run into the torn one.
    tree.write("/journal", whole.substr(0, length));
    auto journal = Journal::open(root, "/journal", note).value();
    REQUIRE(journal.record(removal("/next")).has_value());
    const auto after = hv::parse_journal(tree.read("/journal"));
    REQUIRE(after.has_value());
    REQUIRE_EQ(after->entries.size(), expected + 1);
    CHECK_EQ(after->entries.back(), removal("/next"));
    journal.keep();
  }
}

TEST_CASE("a value is recorded as it is, an empty one too") {
  const TempTree tree;
  const auto root = tree.root();
  const Undo full{.kind = Undo::Kind::write_value, .path = "/sys/a\tb", .value = "512 0"};
  const Undo empty{.kind = Undo::Kind::write_value, .path = "/sys/c", .value = ""};
  {
    auto journal = Journal::open(root, "/journal", note).value();
    REQUIRE(journal.record(full).has_value());
    REQUIRE(journal.record(empty).has_value());
    const Undo forged{.kind = Undo::Kind::write_value, .path = "/sys/a", .value = "1\t/etc/shadow"};
    CHECK_EQ(journal.record(forged).error().id, "bad-path");
    journal.keep();
  }
  const auto text = hv::parse_journal(tree.read("/journal"));
  REQUIRE(text.has_value());
  CHECK_EQ(text->entries, std::vector{full, empty});
}

TEST_CASE("what an earlier boot changed in the kernel is not undone in this one, files are") {
  const TempTree tree;
  const auto root = tree.root();
  tree.write("/proc/sys/kernel/random/boot_id", "first\n");
  {
    auto journal = Journal::open(root, "/journal", note).value();
    REQUIRE(journal.record(removal("/file")).has_value());
    REQUIRE(journal.record({.kind = Undo::Kind::write_value, .path = "/sys/pool", .value = "0"})
                .has_value());
    journal.keep();
  }
  SUBCASE("the same boot") {
    CHECK(Journal::open(root, "/journal", note).value().rollback().empty());
    CHECK_EQ(tree.read("/undone"), "/sys/pool\n/file\n");
  }
  SUBCASE("another boot") {
    tree.write("/proc/sys/kernel/random/boot_id", "second\n");
    CHECK(Journal::open(root, "/journal", note).value().rollback().empty());
    CHECK_EQ(tree.read("/undone"), "/file\n");
  }
}

TEST_CASE("a function's binding is recorded with its address, and ends with the boot") {
  const TempTree tree;
  const auto root = tree.root();
  tree.write("/proc/sys/kernel/random/boot_id", "first\n");
  const Undo undo{.kind = Undo::Kind::return_function,
                  .path = "0000:01:00.0",
                  .value = "driver=e1000e override= power=on"};
  {
    auto journal = Journal::open(root, "/journal", note).value();
    REQUIRE(journal.record(undo).has_value());
    journal.keep();
  }
  CHECK_EQ(tree.read("/journal"),
           "boot\tfirst\nreturn-function\tdriver=e1000e override= power=on\t0000:01:00.0\n");
  CHECK_EQ(hv::parse_journal(tree.read("/journal")).value().entries, std::vector{undo});
  SUBCASE("the same boot") {
    CHECK(Journal::open(root, "/journal", note).value().rollback().empty());
    CHECK_EQ(tree.read("/undone"), "0000:01:00.0\n");
  }
  SUBCASE("another boot") {
    tree.write("/proc/sys/kernel/random/boot_id", "second\n");
    CHECK(Journal::open(root, "/journal", note).value().rollback().empty());
    CHECK_FALSE(fs::exists(tree.path("/undone")));
  }
  CHECK_FALSE(fs::exists(tree.path("/journal")));
}

TEST_CASE("a damaged line is an error, undoes nothing and is kept") {
  const TempTree tree;
  const auto root = tree.root();
  for (const auto* const line : {"remove-file\t/one\nrm -rf\t/\n", "\n", "remove-file /one\n",
                                 "\x1b[2J\t/x\n", "remove-file\n", "remove-file\t\n",
                                 "write-value\t/sys/x\n", "return-function\t0000:01:00.0\n"}) {
    CAPTURE(line);
    tree.write("/journal", line);
    auto journal = Journal::open(root, "/journal", note).value();
    const auto errors = journal.rollback();
    REQUIRE_EQ(errors.size(), 1);
    CHECK_EQ(errors.front().id, "damaged-journal");
    CHECK(errors.front().hint.contains("/journal"));
    CHECK_FALSE(errors.front().message.contains('\x1b'));
    CHECK_EQ(tree.read("/journal"), line);
  }
  CHECK_FALSE(fs::exists(tree.path("/undone")));
}

TEST_CASE("a path with a line end cannot forge an entry, nor a symlink be the journal") {
  const TempTree tree;
  const auto root = tree.root();
  auto journal = Journal::open(root, "/journal", note).value();
  CHECK_EQ(journal.record(removal("/a\nremove-file\t/etc")).error().id, "bad-path");
  CHECK_EQ(tree.read("/journal"), "");
  fs::create_symlink("/victim", tree.path("/planted"));
  CHECK_FALSE(Journal::open(root, "/planted", note).has_value());
}

TEST_CASE("what is settled is not undone, the rest is") {
  const TempTree tree;
  const auto root = tree.root();
  {
    auto journal = Journal::open(root, "/journal", note).value();
    const Undo pool{.kind = Undo::Kind::set_pool, .path = "/pool", .value = "80"};
    REQUIRE(journal.record(removal("/one")).has_value());
    REQUIRE(journal.record(pool).has_value());
    REQUIRE(journal.record(removal("/two")).has_value());
    REQUIRE(journal.settle(pool).has_value());
    CHECK_EQ(tree.read("/journal"),
             "boot\t\nremove-file\t/one\nset-pool\t80\t/pool\nremove-file\t/two\n"
             "done\tset-pool\t80\t/pool\n");
    CHECK_EQ(journal.text().value().entries, std::vector{removal("/one"), removal("/two")});
  }
  CHECK_EQ(tree.read("/undone"), "/two\n/one\n");
}

TEST_CASE("settling takes out all equal entries before it, and none after it") {
  const TempTree tree;
  const auto root = tree.root();
  auto journal = Journal::open(root, "/journal", note).value();
  const auto set = [](const char* value) {
    return Undo{.kind = Undo::Kind::set_pool, .path = "/pool", .value = value};
  };
  REQUIRE(journal.record(set("80")).has_value());
  REQUIRE(journal.record(set("80")).has_value());
  REQUIRE(journal.record(set("96")).has_value());
  REQUIRE(journal.settle(set("80")).has_value());
  CHECK_EQ(journal.text().value().entries, std::vector{set("96")});
  REQUIRE(journal.record(set("80")).has_value());
  CHECK_EQ(journal.text().value().entries, std::vector{set("96"), set("80")});
  REQUIRE(journal.settle(removal("/never-recorded")).has_value());
  CHECK_EQ(journal.text().value().entries, std::vector{set("96"), set("80")});
  CHECK(journal.rollback().empty());
  CHECK_EQ(tree.read("/undone"), "/pool\n/pool\n");
}

TEST_CASE("a settling that was cut short is as if it were not there") {
  const std::string before = "boot\t\nremove-file\t/one\n";
  const std::string settled = "done\tremove-file\t/one\n";
  for (std::size_t length = 0; length <= settled.size(); ++length) {
    CAPTURE(length);
    const TempTree tree;
    tree.write("/journal", before + settled.substr(0, length));
    const auto root = tree.root();
    auto journal = Journal::open(root, "/journal", note).value();
    CHECK(journal.rollback().empty());
    CHECK_EQ(tree.read("/undone"), length == settled.size() ? "" : "/one\n");
  }
}

TEST_CASE("a damaged settling is an error") {
  for (const auto* const line : {"done\n", "done\t\n", "done\trm\t/one\n", "done\tset-pool\t/x\n",
                                 "done\tdone\tremove-file\t/one\n"}) {
    CAPTURE(line);
    const auto parsed = hv::parse_journal(std::string("remove-file\t/one\n") + line);
    REQUIRE_FALSE(parsed.has_value());
    CHECK_EQ(parsed.error().id, "damaged-journal");
  }
}
