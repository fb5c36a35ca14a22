// SPDX-License-Identifier: MIT
#pragma once

#include "launcher/base/journal.h"
#include "launcher/plan/plan.h"

namespace hv::run {

/// What the first bytes of an image say (QEMU, docs/interop/qcow2.txt).
struct ImageHeader {
  bool qcow2 = false;
  bool has_backing = false;
  std::uint64_t virtual_size = 0;  ///< Bytes; of a raw image, the file's size.
};

[[nodiscard]] Result<ImageHeader> read_image_header(const Root& root, const std::string& path);

/// Makes the image under another name and renames it when it is whole; checks
/// an image that is there already against what the profile says of it.
[[nodiscard]] Result<> make_disk(const Root& root, const plan::MakeDisk& disk, Journal& journal);

}  // namespace hv::run
