// SPDX-License-Identifier: MIT
#include "vfio/pci_address.h"

#include "vfio/sysfs.h"

namespace hv::vfio {

Result<PciAddress> parse_pci_address(std::string_view text) {
  const auto refused = [&] {
    return fail(Fault::profile, "bad-pci-address", "'{}' is not a PCI address like 0000:65:00.0",
                text);
  };
  const auto full = text.size() == 7 ? "0000:" + std::string(text) : std::string(text);
  if (full.size() != 12 || full[4] != ':' || full[7] != ':' || full[10] != '.') return refused();

  const std::string_view view = full;
  const auto domain = hex<std::uint16_t>(view.substr(0, 4));
  const auto bus = hex<std::uint8_t>(view.substr(5, 2));
  const auto device = hex<std::uint8_t>(view.substr(8, 2));
  const auto function = hex<std::uint8_t>(view.substr(11, 1));
  if (!domain || !bus || !device || !function) return refused();
  if (*device > 0x1f || *function > 7) return refused();
  return PciAddress{.domain = *domain, .bus = *bus, .device = *device, .function = *function};
}

std::string to_string(const PciAddress& address) {
  return fmt::format("{:04x}:{:02x}:{:02x}.{:x}", address.domain, address.bus, address.device,
                     address.function);
}

}  // namespace hv::vfio
