// SPDX-License-Identifier: MIT
#include "launcher/qemu/firmware.h"

#include <fnmatch.h>

#include <algorithm>
#include <array>
#include <optional>

namespace hv::qemu {
namespace {

struct Package {
  std::string_view architecture;
  std::string_view name;
};

constexpr std::array packages = {
    Package{"x86_64", "ovmf"},
    Package{"aarch64", "qemu-efi-aarch64"},
    Package{"riscv64", "qemu-efi-riscv64"},
    Package{"loongarch64", "qemu-efi-loongarch64"},
};

bool matches_machine(const FirmwareTarget& target, const std::string& machine) {
  return std::ranges::any_of(target.machines, [&](const std::string& glob) {
    return ::fnmatch(glob.c_str(), machine.c_str(), 0) == 0;
  });
}

/// Made for confidential guests: it keeps no variables and refuses to boot
/// what was not measured. Plain builds list such features too, but keep variables.
bool is_confidential_only(const FirmwareDescriptor& descriptor) {
  constexpr std::array<std::string_view, 4> features = {"amd-sev", "amd-sev-es", "amd-sev-snp",
                                                        "intel-tdx"};
  return descriptor.vars_template.empty() &&
         std::ranges::any_of(features, [&](auto name) { return descriptor.has_feature(name); });
}

/// Why a descriptor is not taken, and how many demands it met before that.
struct Misfit {
  int met;
  std::string why;
};

std::optional<Misfit> ordinary_misfit(const FirmwareDescriptor& descriptor) {
  if (!descriptor.flash) return Misfit{3, "is not mapped as flash"};
  if (is_confidential_only(descriptor)) return Misfit{4, "is for confidential guests only"};
  return std::nullopt;
}

/// An image that is one file can be either, whatever its descriptor says: QEMU
/// encrypts SEV's from flash, and takes SEV-SNP's and TDX's from memory.
std::optional<Misfit> confidential_misfit(const FirmwareDescriptor& descriptor,
                                          const FirmwareWish& wish) {
  if (!descriptor.has_feature(wish.confidential))
    return Misfit{3, fmt::format("lacks the feature '{}'", wish.confidential)};
  if (wish.as_memory && !descriptor.vars_template.empty())
    return Misfit{4, "keeps variables, in flash"};
  return std::nullopt;
}

std::optional<Misfit> misfit(const FirmwareDescriptor& descriptor, const FirmwareWish& wish) {
  const std::string machine(wish.machine);
  const auto same_architecture = [&](const FirmwareTarget& target) {
    return target.architecture == wish.architecture;
  };
  const auto fits = [&](const FirmwareTarget& target) {
    return same_architecture(target) && matches_machine(target, machine);
  };
  const auto& targets = descriptor.targets;
  if (!std::ranges::any_of(targets, same_architecture))
    return Misfit{0, "is for another architecture"};
  if (!descriptor.uefi) return Misfit{1, "is not UEFI"};
  if (!std::ranges::any_of(targets, fits))
    return Misfit{2, fmt::format("is not for machine '{}'", wish.machine)};
  if (auto reason = wish.confidential.empty() ? ordinary_misfit(descriptor)
                                              : confidential_misfit(descriptor, wish))
    return reason;
  if (wish.secure_boot && !descriptor.has_feature("secure-boot"))
    return Misfit{5, "has no Secure Boot"};
  if (wish.secure_boot && !descriptor.has_feature("enrolled-keys"))
    return Misfit{6, "has no keys enrolled for Secure Boot"};
  if (!descriptor.present)
    return Misfit{
        7, fmt::format("names images that are not there: {}{}{}", descriptor.code,
                       descriptor.vars_template.empty() ? "" : ", ", descriptor.vars_template)};
  return std::nullopt;
}

/// How much a firmware asks that was not wished for. Enrolled keys refuse to
/// boot unsigned systems; SMM is slow and not to be had everywhere.
int demands(const FirmwareDescriptor& descriptor, const FirmwareWish& wish) {
  // Would forget its boot entries; the host could change those of a confidential guest.
  const bool keeps = !descriptor.vars_template.empty();
  int sum = keeps == wish.confidential.empty() ? 0 : 8;
  if (!wish.secure_boot) {
    if (descriptor.has_feature("enrolled-keys")) sum += 4;
    if (descriptor.has_feature("requires-smm")) sum += 2;
    if (descriptor.has_feature("secure-boot")) sum += 1;
  }
  return sum;
}

/// "no UEFI firmware with …".
std::string what_for(const FirmwareWish& wish) {
  std::string text;
  if (!wish.confidential.empty()) text = fmt::format(" with '{}'", wish.confidential);
  if (wish.secure_boot) text += " with Secure Boot and enrolled keys";
  return text;
}

Error nothing_fits(const FirmwareWish& wish, const FirmwareDescriptor* nearest,
                   const std::optional<Misfit>& why) {
  Error error{.fault = Fault::missing,
              .id = "no-firmware",
              .message = fmt::format("no UEFI firmware{} for {} machine '{}'", what_for(wish),
                                     wish.architecture, wish.machine)};
  // Firmware for another architecture is not near.
  if (nearest != nullptr && why && why->met > 0)
    error.message += fmt::format("; the nearest, {}, {}", nearest->file, why->why);
  const auto* const package =
      std::ranges::find(packages, wish.architecture, &Package::architecture);
  if (!wish.confidential.empty())
    error.hint =
        "the packages of Debian 13 and before have none; take one of a newer 'ovmf' "
        "(OVMF.amdsev.fd, OVMF.inteltdx.fd), and name it as 'firmware.code'";
  else if (package != packages.end())
    error.hint = fmt::format(
        "run `apt-get install {}`, or on NixOS add pkgs.qemu to environment.systemPackages: "
        "it brings its firmware; or name the images in the profile",
        package->name);
  return error;
}

}  // namespace

Result<FirmwareDescriptor> choose_firmware(const FirmwareSet& set, const FirmwareWish& wish) {
  const FirmwareDescriptor* best = nullptr;
  const FirmwareDescriptor* nearest = nullptr;
  std::optional<Misfit> why;
  for (const auto& descriptor : set.descriptors) {
    if (auto reason = misfit(descriptor, wish)) {
      const auto nearness = std::pair(reason->met, -demands(descriptor, wish));
      if (why && std::pair(why->met, -demands(*nearest, wish)) >= nearness) continue;
      nearest = &descriptor;
      why = std::move(reason);
    } else if (best == nullptr || demands(descriptor, wish) < demands(*best, wish)) {
      best = &descriptor;
    }
  }
  if (best != nullptr) return *best;
  return std::unexpected(nothing_fits(wish, nearest, why));
}

}  // namespace hv::qemu
