// SPDX-License-Identifier: MIT
#include "launcher/run/huge_pages.h"

#include "launcher/run/lock.h"
#include "tests/run_place.h"

#include <doctest/doctest.h>

#include <filesystem>

using namespace hv::run;
using hv::Journal;
using hv::Undo;
using hv::plan::HugePages;
namespace fs = std::filesystem;

namespace {

hv::Result<> no_undo(const hv::Root&, const Undo&) {
  return {};
}

std::string pool_directory(std::uint32_t node, std::uint64_t page_kib) {
  return fmt::format("/sys/devices/system/node/node{}/hugepages/hugepages-{}kB/", node, page_kib);
}

struct Pool {
  std::uint32_t node = 0;
  std::uint64_t page_kib = 2048;
  int pages = 0;
  int free = 0;
  int surplus = 0;
  int reserved = 0;
};

void put(const TempTree& tree, const Pool& pool) {
  const auto directory = pool_directory(pool.node, pool.page_kib);
  tree.write(directory + "nr_hugepages", fmt::format("{}\n", pool.pages));
  tree.write(directory + "free_hugepages", fmt::format("{}\n", pool.free));
  tree.write(directory + "surplus_hugepages", fmt::format("{}\n", pool.surplus));
  tree.write(fmt::format("/sys/kernel/mm/hugepages/hugepages-{}kB/resv_hugepages", pool.page_kib),
             fmt::format("{}\n", pool.reserved));
  tree.write(fmt::format("/sys/devices/system/node/node{}/compact", pool.node), "");
}

/// As if the kernel made whatever is asked for, and nobody used any.
void make_elastic(const TempTree& tree, const Pool& pool) {
  put(tree, pool);
  const auto free = tree.path(pool_directory(pool.node, pool.page_kib) + "free_hugepages");
  fs::remove(free);
  fs::create_symlink("nr_hugepages", free);
}

std::string pages_on(const TempTree& tree, std::uint32_t node, std::uint64_t page_kib = 2048) {
  return tree.read(pool_directory(node, page_kib) + "nr_hugepages");
}

}  // namespace

TEST_CASE("where enough huge pages are free, nothing is written") {
  const TempTree tree;
  const auto root = tree.root();
  put(tree, {.node = 1, .pages = 600, .free = 550, .reserved = 38});
  auto journal = Journal::open(root, "/journal", no_undo).value();
  CHECK(make_huge_pages(root, {.node = 1, .page_kib = 2048, .pages = 512}, journal).has_value());
  CHECK_EQ(pages_on(tree, 1), "600\n");
  CHECK(journal.text().value().entries.empty());
}

TEST_CASE("a pool grows by what is missing, and is set back to what its owner gave it") {
  const TempTree tree;
  const auto root = tree.root();
  make_elastic(tree, {.pages = 100, .surplus = 20});
  auto journal = Journal::open(root, "/journal", no_undo).value();
  REQUIRE(make_huge_pages(root, {.page_kib = 2048, .pages = 512}, journal).has_value());
  CHECK_EQ(pages_on(tree, 0), "512");
  const auto entries = journal.text().value().entries;
  REQUIRE_EQ(entries.size(), 1);
  CHECK_EQ(entries[0], Undo{.kind = Undo::Kind::set_pool,
                            .path = pool_directory(0, 2048) + "nr_hugepages",
                            .value = "80"});
  CHECK(set_pools_back(root, journal).has_value());
  CHECK_EQ(pages_on(tree, 0), "80");
  CHECK(journal.text().value().entries.empty());
}

TEST_CASE("pages that are promised to others do not count as free") {
  const TempTree tree;
  const auto root = tree.root();
  make_elastic(tree, {.pages = 512, .reserved = 12});
  auto journal = Journal::open(root, "/journal", no_undo).value();
  REQUIRE(make_huge_pages(root, {.page_kib = 2048, .pages = 512}, journal).has_value());
  CHECK_EQ(pages_on(tree, 0), "524");
}

TEST_CASE("surplus pages of another node are not made on this one") {
  const TempTree tree;
  const auto root = tree.root();
  const std::string whole = "/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages_mempolicy";
  put(tree, {.node = 0, .pages = 48});
  put(tree, {.node = 1, .pages = 80, .surplus = 72});
  tree.write(whole, "128\n");
  const auto set = set_pool(root, pool_directory(0, 2048) + "nr_hugepages", "5");
  if (!set && set.error().fault == hv::Fault::permission) return;  // A container without mbind(2).
  REQUIRE(set.has_value());
  CHECK_EQ(tree.read(whole), "13");
  CHECK_EQ(pages_on(tree, 0), "48\n");
  // Without any, the node's own file will do.
  put(tree, {.node = 1, .pages = 80});
  REQUIRE(set_pool(root, pool_directory(0, 2048) + "nr_hugepages", "5").has_value());
  CHECK_EQ(pages_on(tree, 0), "5");
}

TEST_CASE("a kernel without NUMA has one pool") {
  const TempTree tree;
  const auto root = tree.root();
  const std::string whole = "/sys/kernel/mm/hugepages/hugepages-2048kB/";
  for (const auto* const file : {"nr_hugepages", "surplus_hugepages", "resv_hugepages"})
    tree.write(whole + file, "0\n");
  fs::create_symlink("nr_hugepages", tree.path(whole + "free_hugepages"));
  auto journal = Journal::open(root, "/journal", no_undo).value();
  REQUIRE(make_huge_pages(root, {.page_kib = 2048, .pages = 8}, journal).has_value());
  CHECK_EQ(tree.read(whole + "nr_hugepages"), "8");
}

TEST_CASE("too few huge pages are an error with numbers, and the pool is as it was") {
  struct Row {
    HugePages wanted;
    Pool pool;
    const char* message;
    const char* hint;
  };
  const Row rows[] = {
      {{.node = 1, .page_kib = 2048, .pages = 512},
       {.node = 1, .pages = 400, .free = 300, .surplus = 10, .reserved = 50},
       "got 250 of 512 huge pages of 2 MiB on node 1: its memory is in use or in pieces too small",
       "stop a guest, drop the page cache"},
      {{.node = 2, .page_kib = 1048576, .pages = 16},
       {.node = 2, .page_kib = 1048576, .pages = 4, .free = 3},
       "got 3 of 16 huge pages of 1 GiB on node 2: its memory is in use or in pieces too small",
       "keep them at boot: hugepagesz=1G hugepages=2:16 "},
  };
  for (const auto& [wanted, pool, message, hint] : rows) {
    CAPTURE(message);
    const TempTree tree;
    const auto root = tree.root();
    put(tree, pool);
    auto journal = Journal::open(root, "/journal", no_undo).value();
    const auto made = make_huge_pages(root, wanted, journal);
    REQUIRE_FALSE(made.has_value());
    CHECK_EQ(made.error().id, "no-hugepages");
    CHECK_EQ(made.error().fault, hv::Fault::missing);
    CHECK_EQ(made.error().message, message);
    CHECK(made.error().hint.starts_with(hint));
    CHECK_EQ(pages_on(tree, wanted.node, wanted.page_kib),
             std::to_string(pool.pages - pool.surplus));
    CHECK(journal.text().value().entries.empty());
    CHECK_EQ(tree.read(fmt::format("/sys/devices/system/node/node{}/compact", wanted.node)), "1");
  }
}

TEST_CASE("a pool that cannot be read is an error, and nothing is written") {
  const TempTree tree;
  const auto root = tree.root();
  put(tree, {.pages = 4});
  tree.write(pool_directory(0, 2048) + "free_hugepages", "many\n");
  auto journal = Journal::open(root, "/journal", no_undo).value();
  const auto made = make_huge_pages(root, {.page_kib = 2048, .pages = 512}, journal);
  REQUIRE_FALSE(made.has_value());
  CHECK_EQ(made.error().id, "bad-value");
  CHECK(journal.text().value().entries.empty());
  CHECK_EQ(pages_on(tree, 0), "4\n");
}

TEST_CASE("a write that is refused leaves nothing to undo") {
  const TempTree tree;
  const auto root = tree.root();
  put(tree, {.pages = 4});
  // Readable, and no file that could be written.
  const auto file = tree.path(pool_directory(0, 2048) + "nr_hugepages");
  fs::remove(file);
  fs::create_symlink("/proc/version-of-nothing", file);
  tree.write("/proc/version-of-nothing", "4\n", 0444);
  if (::access(tree.path("/proc/version-of-nothing").c_str(), W_OK) == 0) return;  // Root may.
  auto journal = Journal::open(root, "/journal", no_undo).value();
  const auto made = make_huge_pages(root, {.page_kib = 2048, .pages = 512}, journal);
  REQUIRE_FALSE(made.has_value());
  CHECK(made.error().hint.contains("only root may make huge pages"));
  CHECK(journal.text().value().entries.empty());
}

TEST_CASE("whoever locks the pools sets those of a start that died back") {
  const TempTree tree;
  const auto root = tree.root();
  hv::Paths paths = {};
  paths.runtime = "/run";
  put(tree, {.pages = 512, .free = 512});
  const auto file = pool_directory(0, 2048) + "nr_hugepages";
  tree.write("/run/dead/journal", "boot\t\nset-pool\t80\t" + file + "\nremove-file\t/disk\n");
  tree.write("/run/damaged/journal", "set-pool\n");
  tree.write("/run/other/journal", "boot\t\nremove-file\t/other\n");
  const Place place{root, paths, "web"};
  {
    const auto lock = lock_pools(place);
    REQUIRE(lock.has_value());
    CHECK_EQ(pages_on(tree, 0), "80");
    CHECK_EQ(tree.read("/run/dead/journal"), "boot\t\nset-pool\t80\t" + file +
                                                 "\nremove-file\t/disk\ndone\tset-pool\t80\t" +
                                                 file + "\n");
    CHECK_EQ(tree.read("/run/damaged/journal"), "set-pool\n");
    CHECK_EQ(tree.read("/run/other/journal"), "boot\t\nremove-file\t/other\n");
    CHECK(is_locked(root, "/run/.hugepages.lock"));
  }
  CHECK_FALSE(is_locked(root, "/run/.hugepages.lock"));
  tree.write(file, "96");
  CHECK(lock_pools(place).has_value());
  CHECK_EQ(pages_on(tree, 0), "96");  // Settled: never again.
}
