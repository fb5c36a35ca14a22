// SPDX-License-Identifier: MIT
#include "launcher/base/root.h"

#include "tests/temp_tree.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

namespace fs = std::filesystem;

TEST_CASE("paths and symlinks stay inside the root") {
  const TempTree tree;
  tree.write("/etc/name", "inside\n");
  fs::create_symlink("/etc/name", tree.path("/absolute"));
  fs::create_symlink("../../../../../../etc/name", tree.path("/upwards"));
  fs::create_symlink("/etc", tree.path("/directory"));
  const auto root = tree.root();
  for (const auto* const path :
       {"/etc/name", "/absolute", "/upwards", "/directory/name", "/../../etc/name"}) {
    CAPTURE(path);
    CHECK_EQ(root.read(path).value(), "inside");
  }
  const auto refused = root.open_file("/absolute", O_RDONLY, 0, hv::Links::refuse);
  REQUIRE_FALSE(refused.has_value());
  CHECK_EQ(refused.error().os_error, ELOOP);
}

TEST_CASE("magic links are not followed") {
  const auto root = hv::Root::open().value();
  CHECK_FALSE(root.read("/proc/self/fd/0").has_value());
}

TEST_CASE("a read has a limit, and gives the start and the end of a file") {
  const TempTree tree;
  tree.write("/file", "0123456789\n");
  const auto root = tree.root();
  CHECK_EQ(root.read("/file").value(), "0123456789");
  CHECK_EQ(root.read_raw("/file").value(), "0123456789\n");
  CHECK_EQ(root.read("/file", 11).value(), "0123456789");
  CHECK_EQ(root.read("/file", 10).error().id, "file-too-large");
  CHECK_EQ(root.read_start("/file", 4).value(), "0123");
  CHECK_EQ(root.read_start("/file", 100).value(), "0123456789\n");
  CHECK_EQ(root.read_end("/file", 4).value(), "789\n");
  CHECK_EQ(root.read_end("/file", 100).value(), "0123456789\n");
  CHECK_EQ(root.read("/missing").error().os_error, ENOENT);
}

TEST_CASE("a file is replaced as a whole, and nothing else stays") {
  const TempTree tree;
  const auto root = tree.root();
  fs::create_directory(tree.path("/d"));
  // Left by a process of our number that was killed.
  const auto stale = fmt::format("/d/.file.{}", ::getpid());
  SUBCASE("nothing stale") {}
  SUBCASE("a stale file") {
    tree.write(stale, "half", 0400);
  }
  SUBCASE("a planted symlink") {
    fs::create_symlink(tree.path("/victim"), tree.path(stale));
  }
  tree.write("/victim", "untouched");
  REQUIRE(root.replace("/d/file", "one").has_value());
  REQUIRE(root.replace("/d/file", "two", 0640).has_value());
  CHECK_EQ(tree.read("/d/file"), "two");
  CHECK_EQ(tree.read("/victim"), "untouched");
  CHECK_EQ(root.list("/d").value(), std::vector<std::string>{"file"});
  CHECK_EQ(root.status("/d/file")->st_mode & 0777U, 0640U);
}

TEST_CASE("a replacement that cannot be renamed leaves nothing") {
  const TempTree tree;
  const auto root = tree.root();
  tree.write("/d/file/inside", "");  // A directory is in the way.
  CHECK_FALSE(root.replace("/d/file", "text").has_value());
  CHECK_EQ(root.list("/d").value(), std::vector<std::string>{"file"});
}

TEST_CASE("no space leaves no half-made file") {
  const auto root = hv::Root::open().value();
  const auto full = root.create("/dev/full", "text");
  REQUIRE_FALSE(full.has_value());
  CHECK_EQ(full.error().os_error, ENOSPC);
}

TEST_CASE("removing a directory never follows a symlink") {
  const TempTree tree;
  const auto root = tree.root();
  tree.write("/kept/file", "kept");
  SUBCASE("of its entries") {
    tree.write("/ours/file", "");
    fs::create_directory_symlink(tree.path("/kept"), tree.path("/ours/link"));
    REQUIRE(root.remove_directory("/ours").has_value());
    CHECK_FALSE(fs::exists(tree.path("/ours")));
  }
  SUBCASE("of itself") {
    fs::create_directory_symlink("/kept", tree.path("/ours"));
    REQUIRE(root.remove_directory("/ours").has_value());
    CHECK_FALSE(fs::is_symlink(tree.path("/ours")));
  }
  SUBCASE("of nothing") {
    CHECK(root.remove_directory("/missing/ours").has_value());
  }
  SUBCASE("with another directory in it") {
    tree.write("/ours/inner/file", "");
    CHECK_FALSE(root.remove_directory("/ours").has_value());
  }
  CHECK_EQ(tree.read("/kept/file"), "kept");
}

TEST_CASE("directories and files are made, renamed and removed") {
  const TempTree tree;
  const auto root = tree.root();
  CHECK(root.make_directories("/a/b/c", 0700).has_value());
  CHECK(root.make_directories("/a/b/c", 0700).has_value());
  CHECK_EQ(root.status("/a/b/c")->st_mode & 0777U, 0700U);
  tree.write("/a/file", "x");
  CHECK_FALSE(root.make_directories("/a/file/d", 0700).has_value());
  CHECK(root.write("/a/file", "y").has_value());
  CHECK_EQ(root.write("/a/none", "y").error().os_error, ENOENT);
  CHECK(root.rename("/a/file", "/a/b/file").has_value());
  CHECK_EQ(tree.read("/a/b/file"), "y");
  CHECK_FALSE(root.remove("/a/b").has_value());
  CHECK(root.remove("/a/b/c").has_value());
  CHECK(root.remove("/a/b/c").has_value());
  CHECK(root.remove("/none/c").has_value());
  for (const auto* const path : {"", "relative", "/", "/a/", "/a/.", "/a/.."}) {
    CAPTURE(path);
    CHECK_EQ(root.remove(path).error().id, "bad-path");
  }
  CHECK_FALSE(hv::Root::open(tree.path("/none")).has_value());
}
