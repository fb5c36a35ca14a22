// SPDX-License-Identifier: MIT
//
// UEFI firmware by QEMU's firmware descriptors (docs/interop/firmware.json in
// QEMU): small JSON files that say which image fits which machine, with which
// features, and from which template a guest's variable store starts.
#pragma once

#include "launcher/base/error.h"
#include "launcher/base/root.h"

#include <string>
#include <string_view>
#include <vector>

namespace hv::qemu {

struct FirmwareTarget {
  std::string architecture;           ///< "x86_64".
  std::vector<std::string> machines;  ///< Globs: "pc-q35-*".
};

struct FirmwareDescriptor {
  std::string file;  ///< The descriptor's own path.
  std::string description;
  bool uefi = false;
  bool flash = false;         ///< Mapped as flash; else loaded as -bios.
  std::string code;           ///< The executable image.
  std::string code_format;    ///< "raw", "qcow2".
  std::string vars_template;  ///< Empty: stateless.
  std::string vars_format;
  std::vector<FirmwareTarget> targets;
  std::vector<std::string> features;  ///< "secure-boot", "requires-smm", …
  bool present = false;               ///< All images that it names are readable.

  [[nodiscard]] bool has_feature(std::string_view feature) const;
};

/// A descriptor that could not be used, with the reason, for `doctor` and
/// errors: broken JSON, or an image that is missing.
struct FirmwareSet {
  std::vector<FirmwareDescriptor> descriptors;  ///< By precedence, highest first.
  Errors problems;
};

/// The directories to search, lowest precedence first: /usr/share/qemu/firmware,
/// beside the binary (../share/qemu/firmware, for NixOS), `share/qemu/firmware`
/// below each of XDG_DATA_DIRS, /etc/qemu/firmware, and the user's own.
[[nodiscard]] std::vector<std::string> firmware_directories(std::string_view qemu_binary,
                                                            std::string_view xdg_data_dirs,
                                                            std::string_view xdg_config_home);

/// Reads all descriptors. A file in a higher directory replaces one of the same
/// name in a lower; an empty file masks it. Sorted by file name.
[[nodiscard]] FirmwareSet read_firmware(const Root& root,
                                        const std::vector<std::string>& directories);

struct FirmwareWish {
  std::string_view architecture;
  std::string_view machine;  ///< Versioned name; descriptors do not match aliases.
  bool secure_boot = false;
  std::string_view confidential{};  ///< A feature, "amd-sev-snp"; empty: an ordinary guest.
  bool as_memory = false;           ///< Loaded with -bios; else it is flash.
};

/// The first descriptor that fits; pure. The error says what was looked for,
/// which came nearest and why it did not fit, and the package to install.
[[nodiscard]] Result<FirmwareDescriptor> choose_firmware(const FirmwareSet& set,
                                                         const FirmwareWish& wish);

}  // namespace hv::qemu
