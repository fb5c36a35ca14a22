// SPDX-License-Identifier: MIT
#include "launcher/plan/host_record.h"

#include <boost/describe/class.hpp>
#include <boost/json.hpp>
#include "launcher/base/json_overlay.h"

#include <algorithm>

namespace hv::host {
BOOST_DESCRIBE_STRUCT(ModuleParameter, (), (module, name, value))
BOOST_DESCRIBE_STRUCT(Encryption, (), (features, cbitpos, reduced_phys_bits, guests, min_sev_asid))
BOOST_DESCRIBE_STRUCT(CpuFacts, (),
                      (kernel, vendor, model, flags, parameters, vm_types, sev_features,
                       guest_memfd, private_memory, encryption))
}  // namespace hv::host

namespace hv::qemu {
BOOST_DESCRIBE_STRUCT(ModelFeatures, (), (name, on))
}  // namespace hv::qemu

namespace hv::plan {

namespace json = boost::json;

BOOST_DESCRIBE_STRUCT(HostRecord, (), (name, architecture, qemu_version, cpu, models))

namespace {

/// Raised when older versions of hvlaunch would misread what comes newly.
constexpr std::int64_t format = 1;

std::unexpected<Error> damaged(std::string_view why) {
  return fail(Fault::failed, "bad-host-record",
              "it is not what `hvlaunch caps --export` writes: {}", why);
}

std::vector<std::string> both(const std::vector<std::string>& one,
                              const std::vector<std::string>& other) {
  std::vector<std::string> common;
  std::ranges::set_intersection(one, other, std::back_inserter(common));
  return common;
}

std::vector<std::string> without(const std::vector<std::string>& all,
                                 const std::vector<std::string>& less) {
  std::vector<std::string> rest;
  std::ranges::set_difference(all, less, std::back_inserter(rest));
  return rest;
}

/// Whether all hosts run it, with nothing that one of them lacks.
bool fits(const qemu::ModelFeatures& model, const std::vector<HostRecord>& hosts,
          const std::vector<std::string>& common) {
  return model.name != "host" && model.name != "max" && std::ranges::includes(common, model.on) &&
         std::ranges::all_of(
             hosts, [&](const HostRecord& host) { return host.find_model(model.name) != nullptr; });
}

}  // namespace

const qemu::ModelFeatures* HostRecord::find_model(std::string_view model) const {
  const auto found = std::ranges::find(models, model, &qemu::ModelFeatures::name);
  return found != models.end() ? &*found : nullptr;
}

std::string to_json(const HostRecord& record) {
  auto object = json::value_from(record).as_object();
  object["format"] = format;
  return json::serialize(object);
}

Result<HostRecord> host_record_from_json(std::string_view text) {
  json::error_code error;
  const auto document = json::parse(text, error, {}, {.max_depth = 8});
  if (error) return damaged(error.message());
  const auto* const object = document.if_object();
  const auto* const version = object != nullptr ? object->if_contains("format") : nullptr;
  if (version == nullptr || *version != format) return damaged("no 'format' 1");
  auto record = json::try_value_to<HostRecord>(overlaid(json::value_from(HostRecord()), document));
  if (!record) return damaged("a member is of another type");
  if (record->architecture.empty() || record->models.empty()) return damaged("a member is missing");
  // Forged or edited by hand: what searches them relies on their order.
  std::ranges::sort(record->cpu.flags);
  for (auto& model : record->models) std::ranges::sort(model.on);
  return *std::move(record);
}

Result<Baseline> baseline_of(const std::vector<HostRecord>& hosts) {
  if (hosts.empty())
    return fail(Fault::missing, "no-baseline",
                "no hosts are listed that the guest may move between");
  std::vector<std::string> common;
  std::vector<std::string> all;
  for (const auto& host : hosts) {
    const auto* const own = host.find_model("host");
    if (own == nullptr)
      return fail(Fault::missing, "no-baseline", "host '{}' was recorded without KVM", host.name);
    if (host.architecture != "x86_64" || host.cpu.vendor != hosts.front().cpu.vendor)
      return fail(Fault::missing, "no-baseline",
                  "'{}' is {} by '{}', and '{}' is {} by '{}': no guest can move between them",
                  hosts.front().name, hosts.front().architecture, hosts.front().cpu.vendor,
                  host.name, host.architecture, host.cpu.vendor);
    common = &host == hosts.data() ? own->on : both(common, own->on);
    std::vector<std::string> united;
    std::ranges::set_union(all, own->on, std::back_inserter(united));
    all = std::move(united);
  }
  const qemu::ModelFeatures* best = nullptr;
  for (const auto& model : hosts.front().models)
    if (fits(model, hosts, common) && (best == nullptr || model.on.size() > best->on.size()))
      best = &model;
  if (best == nullptr)
    return fail(Fault::missing, "no-baseline", "no CPU model runs on all of the hosts listed");
  return Baseline{
      .model = best->name, .added = without(common, best->on), .dropped = without(all, common)};
}

}  // namespace hv::plan
