// SPDX-License-Identifier: MIT
#include "launcher/qemu/firmware.h"

#include "launcher/base/text.h"
#include "qmp/read.h"

#include <boost/json.hpp>

#include <fcntl.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <optional>
#include <ranges>

namespace hv::qemu {
namespace {

namespace json = boost::json;

constexpr std::size_t largest_descriptor = std::size_t{1} << 20U;

std::unexpected<Error> broken(std::string_view file, std::string_view why) {
  return fail(Fault::missing, "bad-firmware-descriptor", "firmware descriptor {}: {}, ignoring",
              file, why);
}

Result<std::vector<FirmwareTarget>> read_targets(const std::string& file,
                                                 const json::value& document) {
  const auto* const array = qmp::array_at(document, "targets");
  if (array == nullptr) return broken(file, "no 'targets'");
  std::vector<FirmwareTarget> targets;
  for (const auto& entry : *array) {
    auto architecture = qmp::string_at(entry, "architecture");
    auto machines = qmp::strings_at(entry, "machines");
    if (!architecture || !machines)
      return broken(file, "a target without 'architecture' and 'machines'");
    targets.push_back({.architecture = *std::move(architecture), .machines = *std::move(machines)});
  }
  return targets;
}

struct Image {
  std::string file;
  std::string format;
};

std::optional<Image> image_of(const json::value* value) {
  auto file = value != nullptr ? qmp::string_at(*value, "filename") : std::nullopt;
  if (!file) return std::nullopt;
  return Image{*std::move(file), qmp::string_at(*value, "format").value_or("raw")};
}

/// Fills in which images there are, and how QEMU is to map them.
Result<> read_mapping(const json::value& document, FirmwareDescriptor& descriptor) {
  const auto* const mapping = qmp::member_at(document, "mapping");
  const auto device = mapping != nullptr ? qmp::string_at(*mapping, "device") : std::nullopt;
  if (!device) return broken(descriptor.file, "no 'mapping' with a 'device'");
  descriptor.flash = *device == "flash";
  auto code = image_of(descriptor.flash ? qmp::member_at(*mapping, "executable") : mapping);
  if (!code) return broken(descriptor.file, "no 'filename' of an executable");
  descriptor.code = std::move(code->file);
  descriptor.code_format = std::move(code->format);
  if (!descriptor.flash) return {};

  const auto mode = qmp::string_at(*mapping, "mode").value_or("split");
  if (mode == "stateless") return {};
  if (mode != "split")
    return broken(descriptor.file, fmt::format("flash mode '{}' is not supported", mode));
  auto vars = image_of(qmp::member_at(*mapping, "nvram-template"));
  if (!vars) return broken(descriptor.file, "no 'nvram-template' with a 'filename'");
  descriptor.vars_template = std::move(vars->file);
  descriptor.vars_format = std::move(vars->format);
  return {};
}

Result<FirmwareDescriptor> parse_descriptor(const std::string& file, std::string_view text) {
  json::error_code error;
  const json::value document = json::parse(text, error);
  if (error) return broken(file, fmt::format("not JSON ({})", error.message()));
  const auto interfaces = qmp::strings_at(document, "interface-types");
  if (!interfaces) return broken(file, "no 'interface-types'");

  FirmwareDescriptor descriptor;
  descriptor.file = file;
  descriptor.description = qmp::string_at(document, "description").value_or("");
  descriptor.uefi = std::ranges::find(*interfaces, "uefi") != interfaces->end();
  descriptor.targets = TRY(read_targets(file, document));
  descriptor.features = qmp::strings_at(document, "features").value_or(std::vector<std::string>{});
  TRY(read_mapping(document, descriptor));
  return descriptor;
}

/// Notes each image that cannot be read; true: all can.
bool images_present(const Root& root, const FirmwareDescriptor& descriptor, Errors& problems) {
  bool present = true;
  for (const auto& image : {descriptor.code, descriptor.vars_template}) {
    if (image.empty()) continue;
    const auto fd = root.open_file(image, O_RDONLY | O_NONBLOCK);
    if (fd) continue;
    present = false;
    auto error = fd.error();
    error.fault = Fault::missing;
    error.id = "firmware-image-missing";
    error.message = fmt::format("firmware descriptor {}: {}", descriptor.file, error.message);
    problems.push_back(std::move(error));
  }
  return present;
}

/// Which file holds the descriptor of each name; empty: masked.
std::map<std::string, std::string> find_descriptors(const Root& root,
                                                    const std::vector<std::string>& directories,
                                                    Errors& problems) {
  std::map<std::string, std::string> files;
  for (const auto& directory : directories) {
    auto names = root.list(directory);
    if (!names && names.error().os_error != ENOENT) problems.push_back(names.error());
    if (!names) continue;
    for (const auto& name : *names) {
      if (!name.ends_with(".json")) continue;
      const auto path = fmt::format("{}/{}", directory, name);
      // Size 0 is also what /dev/null has, and a pipe that we would hang on.
      const auto status = root.status(path);
      files[name] = status && status->st_size == 0 ? "" : path;
    }
  }
  return files;
}

}  // namespace

bool FirmwareDescriptor::has_feature(std::string_view feature) const {
  return std::ranges::find(features, feature) != features.end();
}

std::vector<std::string> firmware_directories(std::string_view qemu_binary,
                                              std::string_view xdg_data_dirs,
                                              std::string_view xdg_config_home) {
  constexpr std::string_view below = "qemu/firmware";
  std::vector<std::string> directories;
  const auto add = [&](std::string directory) {
    directory = std::filesystem::path(directory).lexically_normal().string();
    if (directory.starts_with('/') &&
        std::ranges::find(directories, directory) == directories.end())
      directories.push_back(std::move(directory));
  };
  add(fmt::format("/usr/share/{}", below));
  if (const auto slash = qemu_binary.find_last_of('/'); slash != std::string_view::npos)
    add(fmt::format("{}/../share/{}", qemu_binary.substr(0, slash), below));
  // The first of XDG_DATA_DIRS is the most important.
  for (const auto base : split(xdg_data_dirs, ':') | std::views::reverse)
    if (!base.empty()) add(fmt::format("{}/{}", base, below));
  add(fmt::format("/etc/{}", below));
  if (!xdg_config_home.empty()) add(fmt::format("{}/{}", xdg_config_home, below));
  return directories;
}

FirmwareSet read_firmware(const Root& root, const std::vector<std::string>& directories) {
  FirmwareSet set;
  for (const auto& [name, file] : find_descriptors(root, directories, set.problems)) {
    if (file.empty()) continue;
    auto text = root.read(file, largest_descriptor);
    if (!text) {
      set.problems.push_back(std::move(text).error());
      continue;
    }
    auto descriptor = parse_descriptor(file, *text);
    if (!descriptor) {
      set.problems.push_back(std::move(descriptor).error());
      continue;
    }
    descriptor->present = images_present(root, *descriptor, set.problems);
    set.descriptors.push_back(*std::move(descriptor));
  }
  return set;
}

}  // namespace hv::qemu
