// SPDX-License-Identifier: MIT
//
// What the strings of a profile may look like, and what some of them mean.
#pragma once

#include "launcher/base/error.h"

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace hv::profiles {

/// A kind of string: said in words, as a regular expression, and as code.
struct Form {
  std::string_view what{};     ///< Completes "'x' is not …".
  std::string_view pattern{};  ///< Anchored, ECMA 262; may accept a little more than the code.
  bool (*accepts)(std::string_view) = nullptr;
};

inline constexpr Form any_text{};
extern const Form vm_name_form;
extern const Form path_form;
extern const Form program_form;
extern const Form uuid_form;
extern const Form bridge_form;
extern const Form model_form;
extern const Form property_form;
extern const Form base64_form;
extern const Form pci_address_form;
extern const Form pci_id_form;
extern const Form pci_class_form;
extern const Form mac_form;
extern const Form ipv4_form;
extern const Form tcp_form;
extern const Form number_set_form;
extern const Form sentence_form;

/// A string without control characters (C0, DEL, C1): nothing in it can end a
/// line of a configuration file, or move a cursor.
[[nodiscard]] bool is_plain_text(std::string_view text);

/// "0-3,8" as its numbers, in order and each once.
[[nodiscard]] Result<std::vector<std::uint64_t>> parse_number_set(std::string_view text);

/// "8G" as a number of `unit`s, "KiB", "MiB" or "GiB".
[[nodiscard]] Result<std::uint64_t> parse_size(std::string_view text, std::string_view unit);

/// The minimum that "AUTO_DETECT" (0) or "AUTO_DETECT_MIN_6" names; nothing for other text.
[[nodiscard]] std::optional<std::uint64_t> parse_automatic(std::string_view text);

}  // namespace hv::profiles
