// SPDX-License-Identifier: MIT
#include "launcher/run/disk_image.h"

#include "launcher/run/prepare.h"
#include "launcher/run/program.h"
#include "tests/run_place.h"

#include <doctest/doctest.h>

using namespace hv::run;
using hv::profiles::DiskFormat;
namespace fs = std::filesystem;

namespace {

/// The first 32 bytes of an image.
std::string header(char version, bool backing, std::uint64_t size) {
  std::string bytes = "QFI\xfb";
  bytes += std::string(3, '\0') + version;
  bytes += std::string(7, '\0') + (backing ? '\x68' : '\0');
  bytes += std::string(8, '\0');
  for (int shift = 56; shift >= 0; shift -= 8) bytes += static_cast<char>(size >> shift);
  return bytes;
}

constexpr std::uint64_t gib = std::uint64_t{1} << 30U;

}  // namespace

TEST_CASE("headers of images") {
  struct Row {
    std::string bytes;
    bool qcow2;
    bool has_backing;
    std::uint64_t size;
  };
  const Row rows[] = {
      {header(3, false, 5 * gib), true, false, 5 * gib},
      {header(2, true, 7), true, true, 7},
      {header(1, false, 5), false, false, 32},                // qcow, not qcow2.
      {header(3, false, 5).substr(0, 31), false, false, 31},  // Short.
      {"", false, false, 0},
      {std::string(100, 'x'), false, false, 100},
  };
  const TempTree tree;
  const auto root = tree.root();
  for (const auto& [bytes, qcow2, has_backing, size] : rows) {
    CAPTURE(bytes.size());
    tree.write("/image", bytes);
    const auto read = read_image_header(root, "/image").value();
    CHECK_EQ(read.qcow2, qcow2);
    CHECK_EQ(read.has_backing, has_backing);
    CHECK_EQ(read.virtual_size, size);
  }
  CHECK_EQ(read_image_header(root, "/none").error().os_error, ENOENT);
}

TEST_CASE("an image that is there is used only if it is what the profile says") {
  struct Row {
    std::string bytes;
    DiskFormat format;
    std::string base;
    std::string_view error;  // Empty: fits.
  };
  const Row rows[] = {
      {header(3, false, gib), DiskFormat::qcow2, "", ""},
      {header(3, true, gib), DiskFormat::qcow2, "/base", ""},
      {"raw bytes", DiskFormat::raw, "", ""},
      {header(3, false, gib), DiskFormat::raw, "", "a qcow2"},
      {"raw bytes", DiskFormat::qcow2, "", "no qcow2"},
      {header(3, true, gib), DiskFormat::qcow2, "", "an overlay"},
      {header(3, false, gib), DiskFormat::qcow2, "/base", "no overlay"},
  };
  const TempTree tree;
  const auto root = tree.root();
  auto journal = hv::Journal::open(root, "/journal", undo).value();
  for (const auto& [bytes, format, base, error] : rows) {
    CAPTURE(std::string(error));
    tree.write("/image", bytes);
    const auto made =
        make_disk(root, {.path = "/image", .format = format, .size_gib = 1, .base = base}, journal);
    REQUIRE_EQ(made.has_value(), error.empty());
    if (!made) {
      CHECK_EQ(made.error().id, "disk-mismatch");
      CHECK(made.error().message.contains(error));
    }
    CHECK_EQ(tree.read("/image"), bytes);
  }
  CHECK_EQ(tree.read("/journal"), "");
}

TEST_CASE("a disk on something that is not mounted is not made anew") {
  const TempTree tree;
  const auto root = tree.root();
  auto journal = hv::Journal::open(root, "/journal", undo).value();
  fs::create_symlink("/mnt/not-mounted", tree.path("/image"));
  CHECK_EQ(make_disk(root, {.path = "/image", .size_gib = 1}, journal).error().id, "dangling-link");
  CHECK(fs::is_symlink(tree.path("/image")));
}

TEST_CASE("a base that is larger than the disk, or missing, makes no image") {
  const TempTree tree;
  const auto root = tree.root();
  auto journal = hv::Journal::open(root, "/journal", undo).value();
  tree.write("/base", header(3, false, 2 * gib));
  const auto small = make_disk(
      root, {.path = "/d/image", .size_gib = 1, .base = "/base", .base_format = "qcow2"}, journal);
  REQUIRE_FALSE(small.has_value());
  CHECK_EQ(small.error().id, "disk-too-small");
  CHECK_EQ(small.error().origin.pointer, "/disk_gb");
  CHECK_FALSE(
      make_disk(root, {.path = "/d/image", .size_gib = 1, .base = "/none"}, journal).has_value());
  CHECK_FALSE(fs::exists(tree.path("/d")));
}

TEST_CASE("a disk is made whole or not at all") {
  if (!find_program("qemu-img")) return;
  const RunPlace here;
  const auto path = here.tree.path("/state/disks/web.qcow2");
  here.tree.write("/journal", "");
  auto journal = hv::Journal::open(here.root, here.tree.path("/journal"), undo).value();
  // More than a qcow2 can hold: qemu-img fails when it has opened the file.
  const auto failed =
      make_disk(here.root, {.path = path, .size_gib = std::uint64_t{1} << 40U}, journal);
  REQUIRE_FALSE(failed.has_value());
  CHECK(failed.error().message.contains("qemu-img ended with status 1: "));
  CHECK(fs::is_empty(here.tree.path("/state/disks")));
  REQUIRE(make_disk(here.root, {.path = path, .size_gib = 3}, journal).has_value());
  CHECK_EQ(read_image_header(here.root, path)->virtual_size, 3 * gib);
  CHECK(journal.rollback().empty());
  CHECK(fs::exists(path));  // A disk is kept, whatever becomes of the start.
  CHECK_FALSE(fs::exists(path + ".partial"));
}
