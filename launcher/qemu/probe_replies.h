// SPDX-License-Identifier: MIT
//
// What the probe asks a QEMU, and how it reads the answers. Pure.
#pragma once

#include "launcher/qemu/capabilities.h"
#include "qmp/client.h"

#include <boost/json/value.hpp>

#include <span>
#include <vector>

namespace hv::qemu {

/// What QEMU returned, or why not.
using Reply = qmp::Result<boost::json::value>;

[[nodiscard]] Error error_of(const qmp::Error& error);

/// Whether QEMU has said no, instead of nothing.
[[nodiscard]] bool is_refusal(const Reply& reply);

/// What every QEMU is asked.
[[nodiscard]] std::span<const qmp::Request> first_round();
[[nodiscard]] Result<Capabilities> read_first(const std::vector<Reply>& replies);

/// What it is asked because of what it listed first; ends with `quit`.
[[nodiscard]] std::vector<qmp::Request> second_round(const Capabilities& found,
                                                     const Question& question);
[[nodiscard]] Result<> read_second(const std::vector<qmp::Request>& requests,
                                   const std::vector<Reply>& replies, Capabilities& found);

/// A CPU model's features.
[[nodiscard]] qmp::Request expansion_of(const Capabilities& found, const std::string& model);
[[nodiscard]] Result<ModelFeatures> read_model(const qmp::Request& request,
                                               const boost::json::value& reply);

/// The models that run here, of the reply to query-cpu-definitions. Names that
/// mean another model by machine type are left out.
[[nodiscard]] Result<std::vector<std::string>> read_runnable(const boost::json::value& reply);

}  // namespace hv::qemu
