// SPDX-License-Identifier: MIT
//
// What the parts of `doctor` share.
#pragma once

#include "launcher/commands/load.h"
#include "launcher/commands/terminal.h"
#include "launcher/host/doctor.h"

#include <boost/json/fwd.hpp>

#include <optional>

namespace hv::commands {

/// One check as it is shown.
struct Remark {
  std::string id;
  std::string area;
  std::string title;
  host::Finding finding;
  Origin origin{};  ///< In a profile.
};

struct Report {
  std::string vm{};  ///< Empty: about the host.
  std::vector<Remark> remarks;

  [[nodiscard]] std::size_t count(host::Status status) const;
};

/// The host's facts, with QEMU's binaries, firmware and the programs. All
/// architectures' binaries are asked; only hvlaunch's own cache is written.
[[nodiscard]] host::DoctorFacts load_doctor_facts(const Context& context);

/// Without asking QEMU.
[[nodiscard]] host::DoctorFacts load_facts_for_guest(const Context& context);

[[nodiscard]] Report report_on_host(const host::DoctorFacts& facts);

/// All that the VM needs on this host now. The error: there is no such VM.
[[nodiscard]] Result<Report> report_on_vm(const Context& context, host::DoctorFacts facts,
                                          const std::string& vm);

[[nodiscard]] std::vector<Remark> remarks_of(const host::DoctorFacts& facts,
                                             const host::Strengths& needs);

[[nodiscard]] Remark make_remark(std::string_view id, std::string_view area, std::string_view title,
                                 host::Finding finding);
[[nodiscard]] Remark remark_of(const Error& error, host::Status status, std::string_view area,
                               std::string_view title);

// What a VM takes of the host exactly: doctor_taken.cpp.

/// Each with its group, what stands against passing it, and what the host loses.
void add_devices(const Context& context, const Loaded& loaded, std::vector<Remark>& remarks);
/// Huge pages and CPUs, as the plan takes them.
void add_taken(const plan::Plan& plan, std::vector<Remark>& remarks);

/// As people read it: areas, aligned, lines of at most `width` where words allow.
[[nodiscard]] std::string report_text(const Report& report, host::Charset charset, Colours colours,
                                      std::size_t width);

[[nodiscard]] boost::json::object report_as_json(const Report& report);

}  // namespace hv::commands
