// SPDX-License-Identifier: MIT
#include "launcher/commands/doctor.h"
#include "launcher/commands/load.h"
#include "launcher/run/prepare.h"

#include <algorithm>

namespace hv::commands {
namespace {

using host::DoctorFacts;
using host::Need;
using host::Status;
using host::Strength;
using profiles::Profile;

void add_all(std::vector<Remark>& remarks, const Errors& errors, Status status,
             std::string_view area, std::string_view title) {
  for (const auto& error : errors)
    remarks.push_back(remark_of(
        error, status, area,
        std::string(error.origin.pointer.empty() ? title
                                                 : std::string_view(error.origin.pointer))));
}

/// What the profile asks of the host.
host::Strengths strengths_of(const Profile& profile, const DoctorFacts& facts) {
  using profiles::Accelerator;
  host::Strengths needs = {{Need::guest, Strength::must}};
  const auto need = [&](bool wanted, Need what) {
    if (wanted) needs[what] = Strength::must;
  };
  if (profile.accelerator.value != Accelerator::tcg &&
      to_string(profile.arch.value) == facts.host.architecture)
    needs[Need::kvm] =
        profile.accelerator.value == Accelerator::kvm ? Strength::must : Strength::may;
  const bool bridged = profile.network.mode.value == profiles::NetworkMode::bridge;
  need(!profile.host_devices.empty(), Need::devices);
  need(bridged, Need::bridge);
  need(bridged && profile.network.vhost.value, Need::vhost);
  need(profile.disk.size_gib.value != 0, Need::disk);
  need(!profile.cloud_init.user_data.value.empty() && profile.cloud_init.seed_iso.value.empty(),
       Need::seed);
  need(profile.tpm.value, Need::tpm);
  return needs;
}

/// What is true of the plan itself.
void add_plan(const Context& context, const plan::Plan& plan, const Loaded& loaded,
              std::vector<Remark>& remarks) {
  constexpr std::string_view area = "Profile";
  remarks.push_back(make_remark(
      "plan", area, "plan",
      {Status::ok, fmt::format("{} guest, {} {}, {} MiB, {} by QEMU {}", plan.architecture,
                               plan.vcpus, plan.vcpus == 1 ? "vCPU" : "vCPUs", plan.memory_mib,
                               plan.accelerator, plan.qemu_version)}));
  for (const auto& [name, state, detail, pointer] : plan.features) {
    const bool lacks = state == "missing" || state == "inhibited";
    remarks.push_back(make_remark("feature", "CPU features", name,
                                  {lacks ? Status::unknown : Status::ok,
                                   detail.empty() ? state : fmt::format("{}: {}", state, detail),
                                   lacks ? "the warning about it has the cure" : ""}));
  }
  for (const auto& [id, message] : plan.warnings)
    remarks.push_back(
        make_remark(id, area, "warning", {Status::warn, message, "docs/errors.md explains " + id}));
  const run::Place place{context.root, context.paths, plan.vm};
  const auto errors = placed(run::check_files(place, plan), loaded);
  add_all(remarks, errors, Status::fail, "Files", "file");
  if (errors.empty() && !plan.files.empty())
    remarks.push_back(
        make_remark("files", "Files", "files",
                    {Status::ok, fmt::format("all {} can be read", plan.files.size())}));
}

}  // namespace

Remark make_remark(std::string_view id, std::string_view area, std::string_view title,
                   host::Finding finding) {
  return {.id = std::string(id),
          .area = std::string(area),
          .title = std::string(title),
          .finding = std::move(finding)};
}

Remark remark_of(const Error& error, Status status, std::string_view area, std::string_view title) {
  auto remedy = error.hint;
  if (remedy.empty()) remedy = "docs/errors.md explains " + error.id;
  auto remark = make_remark(error.id, area, title, {status, error.message, std::move(remedy)});
  remark.origin = error.origin;
  return remark;
}

std::vector<Remark> remarks_of(const DoctorFacts& facts, const host::Strengths& needs) {
  std::vector<Remark> remarks;
  for (auto& [check, finding] : examine(facts, needs))
    remarks.push_back(make_remark(check->id, check->area, check->title, finding));
  return remarks;
}

Report report_on_host(const DoctorFacts& facts) {
  return {.remarks = remarks_of(facts, host::host_needs())};
}

Result<Report> report_on_vm(const Context& context, DoctorFacts facts, const std::string& vm) {
  Report report{.vm = vm, .remarks = {}};
  const auto loaded = load_profile(context, vm);
  if (!loaded) {
    if (loaded.error().front().fault == Fault::no_such_vm)
      return std::unexpected(loaded.error().front());
    add_all(report.remarks, loaded.error(), Status::fail, "Profile", "profile");
    return report;
  }
  const auto& profile = loaded->profile;
  report.vm = profile.name.value;
  const auto planned = load_plan(context, vm);
  if (planned)
    add_plan(context, planned->plan, *loaded, report.remarks);
  else
    add_all(report.remarks, planned.error(), Status::fail, "Profile", "plan");
  const auto& amount = profile.memory_mib.value;
  facts.guest_memory_mib = planned ? planned->plan.memory_mib : amount.automatic ? 0 : amount.value;
  if (planned) add_taken(planned->plan, report.remarks);
  add_devices(context, *loaded, report.remarks);
  std::ranges::move(remarks_of(facts, strengths_of(profile, facts)),
                    std::back_inserter(report.remarks));
  return report;
}

}  // namespace hv::commands
