// SPDX-License-Identifier: MIT
//
// Hyper-V's interfaces, as QEMU's docs/system/i386/hyperv.rst has them.
#include "launcher/plan/features.h"
#include "profiles/hyperv.h"

#include <algorithm>

namespace hv::plan {
namespace {

using profiles::Wish;

/// What `"hyperv": true` means. Without `avic`, a guest with `synic` inhibits
/// AVIC and APICv (AutoEOI); it costs nothing where there are none.
constexpr std::string_view usual[] = {"relaxed", "vapic",   "spinlocks", "vpindex",
                                      "runtime", "time",    "synic",     "stimer",
                                      "frequencies", "tlbflush", "ipi",  "avic"};

std::string property_of(std::string_view enlightenment) {
  auto property = fmt::format("hv-{}", enlightenment);
  std::ranges::replace(property, '_', '-');
  return property;
}

Lacks lack_of(FeatureResolver& features, std::string_view enlightenment) {
  const auto property = property_of(enlightenment);
  const auto& qemu = features.in().qemu();
  // Not qemu_has(): a QEMU that lists nothing is not asked for what Windows can do without.
  if (!qemu.has_property(qemu.cpu_type(), property))
    return qemu_lacks(fmt::format("the CPUs of {} have no property '{}'", qemu.binary, property),
                      "a newer QEMU may have it");
  return std::nullopt;
}

class HyperV {
 public:
  explicit HyperV(FeatureResolver& features) : features_(features) {}

  void give(std::string_view enlightenment, const std::string& pointer, std::string_view why) {
    if (has(enlightenment)) return;
    given_.emplace_back(enlightenment);
    // Retries before a waiting vCPU tells the host: what Hyper-V itself gives, 0x1fff.
    features_.set(property_of(enlightenment), enlightenment == "spinlocks" ? "8191" : "on", pointer,
                  std::string(why));
    for (const auto& [one, needed] : profiles::hyperv_needs)
      if (one == enlightenment)
        give(needed, pointer, fmt::format("'{}' needs it", property_of(enlightenment)));
  }

  [[nodiscard]] bool has(std::string_view enlightenment) const {
    return std::ranges::find(given_, enlightenment) != given_.end();
  }
  [[nodiscard]] const std::vector<std::string>& given() const { return given_; }

 private:
  FeatureResolver& features_;
  std::vector<std::string> given_;
};

/// As one of the list of enlightenments has it: given, and off.
bool is_off(const profiles::HyperV& wish, std::string_view enlightenment) {
  const auto found =
      std::ranges::find(wish.enlightenments, enlightenment, &profiles::Feature::name);
  return found != wish.enlightenments.end() && !found->on();
}

}  // namespace

void resolve_hyperv(FeatureResolver& features) {
  const auto& wish = features.in().profile().cpu_features.hyperv;
  HyperV hyperv(features);
  Lacks without_kvm;
  if (!features.machine().kvm())
    without_kvm = host_lacks("the guest runs without KVM, which gives it", "it takes KVM");
  for (const auto& one : wish.enlightenments) {
    if (!one.on()) continue;
    const auto lack = without_kvm ? without_kvm : lack_of(features, one.name);
    if (features.settle("hyperv." + one.name, one.wanted, lack))
      hyperv.give(one.name, one.wanted.pointer, "asked for");
  }
  const auto& enable = wish.enable;
  if (enable.value == Wish::off || !features.settle("hyperv", enable, without_kvm)) return;
  for (const auto enlightenment : usual)
    if (!is_off(wish, enlightenment) && !lack_of(features, enlightenment))
      hyperv.give(enlightenment, enable.pointer, "what every Windows gains from");
}

}  // namespace hv::plan
