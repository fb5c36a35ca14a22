// SPDX-License-Identifier: MIT
#include "vfio/mdev.h"

#include "launcher/base/text.h"
#include "vfio/attribute.h"
#include "vfio/blocking.h"

#include <algorithm>
#include <charconv>

namespace hv::vfio {
namespace {

bool is_name(std::string_view text) {
  return !text.empty() && !text.contains('/') && text != "." && text != "..";
}

std::string types_path(const std::string& parent) {
  return fmt::format("/sys/class/mdev_bus/{}/mdev_supported_types", parent);
}

std::uint64_t number_in(const std::string& text) {
  std::uint64_t value = 0;
  (void)std::from_chars(text.data(), text.data() + text.size(), value);  // Else 0.
  return value;
}

Error no_parent(const Root& root, const std::string& parent) {
  const auto known = root.list("/sys/class/mdev_bus").value_or(std::vector<std::string>{});
  return {.fault = Fault::missing,
          .id = "no-mdev-parent",
          .message = fmt::format("'{}' makes no mediated devices", printable(parent)),
          .hint = known.empty() ? "no driver that is loaded does; vGPUs need the vendor's driver"
                                : fmt::format("these do: {}", join(known, ", "))};
}

Error no_type(const Mdev& mdev, const std::vector<MdevType>& types) {
  std::vector<std::string> known;
  for (const auto& type : types) known.push_back(type.id);
  return {.fault = Fault::missing,
          .id = "no-mdev-type",
          .message = fmt::format("'{}' makes no mediated devices of type '{}'", mdev.parent,
                                 printable(mdev.type)),
          .hint = fmt::format("it makes {}", join(known, ", "))};
}

Result<> require_type(const Root& root, const Mdev& mdev) {
  const auto types = TRY(read_mdev_types(root, mdev.parent));
  const auto found = std::ranges::find(types, mdev.type, &MdevType::id);
  if (found == types.end()) return std::unexpected(no_type(mdev, types));
  if (found->available > 0) return {};
  return std::unexpected(with_hint(
      {.fault = Fault::state,
       .id = "no-mdev-instance",
       .message = fmt::format("'{}' has no room for another '{}'", mdev.parent, mdev.type)},
      fmt::format("end a guest that has one; {} lists those that are there", mdev_path(""))));
}

/// The kernel's own node for it, made when `create` returns.
Result<> require_node(const Root& root, const Mdev& mdev) {
  const auto path = mdev_path(mdev.uuid);
  const auto group = TRY(link_target(root, path + "/iommu_group"));
  if (root.exists(path) && !group.empty() && root.exists("/dev/vfio/" + group)) return {};
  return std::unexpected(
      with_hint({.fault = Fault::failed,
                 .id = "not-obeyed",
                 .message = fmt::format("'{}' took '{}', but there is no {}", mdev.parent,
                                        mdev.uuid, group.empty() ? path : "/dev/vfio/" + group)},
                "`modprobe vfio_mdev` on kernels before 5.19; else the end of `dmesg` says why"));
}

}  // namespace

std::string mdev_path(std::string_view uuid) {
  return fmt::format("/sys/bus/mdev/devices/{}", uuid);
}

Result<std::vector<MdevType>> read_mdev_types(const Root& root, const std::string& parent) {
  if (!is_name(parent) || !root.exists(types_path(parent)))
    return std::unexpected(no_parent(root, parent));
  std::vector<MdevType> types;
  for (const auto& id : TRY(root.list(types_path(parent)))) {
    const auto directory = fmt::format("{}/{}", types_path(parent), id);
    types.push_back(
        {.id = id,
         .name = root.read(directory + "/name").value_or(""),
         .available = number_in(root.read(directory + "/available_instances").value_or("0"))});
  }
  return types;
}

Result<> make_mdev(const Root& root, const Mdev& mdev, Journal& journal,
                   std::chrono::milliseconds patience) {
  TRY(require_type(root, mdev));
  const auto path = mdev_path(mdev.uuid);
  if (!is_name(mdev.uuid) || root.exists(path))
    return std::unexpected(with_hint(
        {.fault = Fault::state,
         .id = "mdev-exists",
         .message = fmt::format("there is a mediated device '{}' already", printable(mdev.uuid))},
        fmt::format("it is not this VM's: `echo 1 >{}/remove` if nobody needs it", path)));
  TRY(journal.record({.kind = Undo::Kind::write_value, .path = path + "/remove", .value = "1"}));
  TRY(write_within(root, fmt::format("{}/{}/create", types_path(mdev.parent), mdev.type), mdev.uuid,
                   patience),
      "making the mediated device '{}'", mdev.uuid);
  return require_node(root, mdev);
}

}  // namespace hv::vfio
