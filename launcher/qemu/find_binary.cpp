// SPDX-License-Identifier: MIT
#include "launcher/base/text.h"
#include "launcher/qemu/capabilities.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>

namespace hv::qemu {
namespace {

struct Provider {
  std::string_view binary;
  std::string_view package;
};

constexpr std::array providers = {
    Provider{"qemu-system-x86_64", "qemu-system-x86"},
    Provider{"qemu-system-aarch64", "qemu-system-arm"},
    Provider{"qemu-system-riscv64", "qemu-system-misc"},
    Provider{"qemu-system-loongarch64", "qemu-system-misc"},
};

std::string install_hint(std::string_view name) {
  const auto file = name.substr(name.find_last_of('/') + 1);
  const auto* const found = std::ranges::find(providers, file, &Provider::binary);
  if (found == providers.end()) return "give the path of a qemu-system-<architecture> program";
  return fmt::format(
      "run `apt-get install {}`, or on NixOS add pkgs.qemu to environment.systemPackages",
      found->package);
}

bool is_program(const std::string& path) {
  struct stat status {};
  return ::stat(path.c_str(), &status) == 0 && S_ISREG(status.st_mode) &&
         ::access(path.c_str(), X_OK) == 0;
}

Result<std::string> checked(std::string_view name) {
  std::error_code error;
  auto path = std::filesystem::absolute(name, error).string();
  if (!error && is_program(path)) return path;
  if (!error && std::filesystem::exists(path, error))
    return std::unexpected(
        Error{.fault = Fault::permission,
              .id = "qemu-not-executable",
              .message = fmt::format("'{}' is not a program that you may execute", path),
              .hint = "give another path, or make it executable: `chmod +x`"});
  return std::unexpected(Error{.fault = Fault::missing,
                               .id = "qemu-missing",
                               .message = fmt::format("there is no '{}'", name),
                               .hint = install_hint(name)});
}

}  // namespace

Result<std::string> find_binary(std::string_view name, std::string_view search_path) {
  if (name.contains('/')) return checked(name);
  for (const auto directory : split(search_path, ':')) {
    // An empty or relative entry would run what lies in the current directory.
    if (!directory.starts_with('/')) continue;
    auto path = fmt::format("{}/{}", directory, name);
    if (is_program(path)) return path;
  }
  return std::unexpected(
      Error{.fault = Fault::missing,
            .id = "qemu-missing",
            .message = fmt::format("there is no '{}' in {}", name,
                                   search_path.empty() ? "an empty PATH" : search_path),
            .hint = install_hint(name)});
}

}  // namespace hv::qemu
