// SPDX-License-Identifier: MIT
//
// Names of PCI devices, from the pci.ids that distributions have.
#pragma once

#include "launcher/base/root.h"
#include "vfio/function.h"

#include <string>
#include <string_view>
#include <vector>

namespace hv::vfio {

class Names {
 public:
  /// `text` is that of a pci.ids file; empty: numbers take the place of names.
  explicit Names(std::string text = {});

  /// "NVIDIA Corporation"; empty: not known.
  [[nodiscard]] std::string vendor(std::uint16_t vendor) const;
  /// "AD102 [GeForce RTX 4090]".
  [[nodiscard]] std::string device(std::uint16_t vendor, std::uint16_t device) const;
  /// "VGA compatible controller", or "Display controller" if only that is known.
  [[nodiscard]] std::string device_class(std::uint32_t class_code) const;

 private:
  struct Section {
    std::uint32_t key = 0;  ///< A vendor, or a class with `class_bit`.
    std::size_t begin = 0;  ///< Of its line,
    std::size_t end = 0;    ///< and the next section's.
  };
  static constexpr std::uint32_t class_bit = 0x10000;
  [[nodiscard]] std::string_view section(std::uint32_t key) const;

  std::string text_;
  std::vector<Section> sections_;  ///< By key.
};

/// Reads the first file that is there of those distributions have. It has more
/// than a megabyte: only for what people look at.
[[nodiscard]] Names read_names(const Root& root);

/// "NVIDIA Corporation AD102 [GeForce RTX 4090]"; of what has no name, numbers.
[[nodiscard]] std::string name_of(const Names& names, const Function& function);

}  // namespace hv::vfio
