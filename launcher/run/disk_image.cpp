// SPDX-License-Identifier: MIT
#include "launcher/run/disk_image.h"

#include "launcher/run/program.h"

namespace hv::run {
namespace {

constexpr std::uint64_t gib = std::uint64_t{1} << 30U;

std::uint64_t big_endian(std::string_view bytes) {
  std::uint64_t value = 0;
  for (const char byte : bytes) value = (value << 8U) | static_cast<unsigned char>(byte);
  return value;
}

std::unexpected<Error> mismatch(std::string message) {
  return std::unexpected(
      with_hint({.fault = Fault::missing, .id = "disk-mismatch", .message = std::move(message)},
                "mend the profile, or move the image away for a new one"));
}

/// An image that does not fit what the profile says would lose data: a header
/// read as raw is overwritten, and clusters of another base are nonsense.
Result<> check_existing(const plan::MakeDisk& disk, const ImageHeader& header) {
  const bool expected_qcow2 = disk.format == profiles::DiskFormat::qcow2;
  if (header.qcow2 != expected_qcow2)
    return mismatch(fmt::format("{} is {} image, but the profile says {}", disk.path,
                                header.qcow2 ? "a qcow2" : "no qcow2",
                                profiles::to_string(disk.format)));
  if (header.has_backing && disk.base.empty())
    return mismatch(
        fmt::format("{} is an overlay, but the profile names no disk_image_path", disk.path));
  if (header.qcow2 && !header.has_backing && !disk.base.empty())
    return mismatch(fmt::format("{} is no overlay, but the profile names the base image {}",
                                disk.path, disk.base));
  return {};
}

Result<> check_base(const Root& root, const plan::MakeDisk& disk) {
  const auto base = TRY(read_image_header(root, disk.base), "reading the base image");
  if (base.virtual_size > disk.size_gib * gib)
    return std::unexpected(with_hint(
        {.fault = Fault::profile,
         .id = "disk-too-small",
         .message = fmt::format("the base image {} holds {} GiB, more than disk_gb {}", disk.base,
                                (base.virtual_size + gib - 1) / gib, disk.size_gib),
         .origin = {.pointer = "/disk_gb"}},
        "an overlay must not be smaller than its base"));
  return {};
}

std::vector<std::string> create_command(const plan::MakeDisk& disk, const std::string& path) {
  std::vector<std::string> argv = {"qemu-img", "create", "-q", "-f",
                                   std::string(profiles::to_string(disk.format))};
  if (!disk.base.empty()) {
    const std::vector<std::string> base = {"-b", disk.base, "-F", disk.base_format};
    argv.insert(argv.end(), base.begin(), base.end());
  }
  argv.push_back(path);
  argv.push_back(fmt::format("{}G", disk.size_gib));
  return argv;
}

}  // namespace

Result<ImageHeader> read_image_header(const Root& root, const std::string& path) {
  const auto text = TRY(root.read_start(path, 32));
  const std::string_view bytes = text;
  // Version 1, the older format qcow, begins with the same four bytes.
  const bool is_qcow2 =
      bytes.size() == 32 && bytes.starts_with("QFI\xfb") && big_endian(bytes.substr(4, 4)) >= 2;
  if (!is_qcow2) {
    const auto status = TRY(root.status(path));
    return ImageHeader{.virtual_size = static_cast<std::uint64_t>(status.st_size)};
  }
  return ImageHeader{.qcow2 = true,
                     .has_backing = big_endian(bytes.substr(8, 8)) != 0,
                     .virtual_size = big_endian(bytes.substr(24, 8))};
}

Result<> make_disk(const Root& root, const plan::MakeDisk& disk, Journal& journal) {
  if (root.exists(disk.path)) {
    const auto header = TRY(read_image_header(root, disk.path));
    return check_existing(disk, header);
  }
  if (root.status(disk.path, Links::refuse))
    return std::unexpected(with_hint(
        {.fault = Fault::missing,
         .id = "dangling-link",
         .message = fmt::format("{} is a symlink to a file that is not there", disk.path)},
        "mount what it is on, or remove the link for a new disk"));
  if (!disk.base.empty()) TRY(check_base(root, disk));
  const auto directory = disk.path.substr(0, disk.path.rfind('/'));
  TRY(root.make_directories(directory, 0750));
  const auto partial = disk.path + ".partial";
  TRY(journal.record({.kind = Undo::Kind::remove_file, .path = partial}));
  auto created = root.create(partial, "", 0600);  // Nobody else's to read; qemu-img keeps the mode.
  if (created) created = run_program(create_command(disk, partial), "qemu-utils");
  // Else a crash of the host could leave the name without the content.
  if (created) created = root.sync(partial);
  if (created) created = root.rename(partial, disk.path);
  if (!created) {
    (void)root.remove(partial);  // The journal has it, should this fail too.
    return std::unexpected(in_context(std::move(created).error(), "making the disk " + disk.path));
  }
  return {};
}

}  // namespace hv::run
