// SPDX-License-Identifier: MIT
#include "profiles/forms.h"

#include "launcher/base/text.h"
#include "profiles/profile.h"
#include "profiles/source.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <set>

namespace hv::profiles {
namespace {

constexpr std::string_view letters_and_digits =
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

/// A letter or digit, and then those or `others`.
bool is_word(std::string_view text, std::string_view others, std::size_t longest) {
  return !text.empty() && text.size() <= longest && letters_and_digits.contains(text.front()) &&
         std::ranges::all_of(
             text, [&](char c) { return letters_and_digits.contains(c) || others.contains(c); });
}

bool is_path(std::string_view text) {
  constexpr std::size_t longest = 4095;  // PATH_MAX without its NUL.
  return !text.empty() && text.size() <= longest && std::ranges::count(split(text, '/'), "..") == 0;
}

bool is_program(std::string_view text) {
  return text.contains('/') ? text.front() == '/' && is_path(text) : is_word(text, "._+-", 255);
}

bool is_bridge(std::string_view text) {
  constexpr std::size_t longest = 15;  // IFNAMSIZ without its NUL.
  return is_word(text, "._-", longest);
}

bool is_model(std::string_view text) {
  return is_word(text, "._+-", 127);
}

/// Of QEMU's, or an extension of RISC-V: "phys-bits", "x-vendor-cpuid-only", "zba".
bool is_property(std::string_view text) {
  return is_word(text, "._+-", 63);
}

bool is_base64(std::string_view text) {
  const auto end = std::min(text.find('='), text.size());
  return text.size() % 4 == 0 && text.size() - end <= 2 &&
         std::ranges::all_of(
             text.substr(0, end),
             [](char c) { return letters_and_digits.contains(c) || c == '+' || c == '/'; }) &&
         text.find_first_not_of('=', end) == std::string_view::npos;
}

constexpr std::string_view hex_digits = "0123456789abcdefABCDEF";

/// Whether it looks like `shape`, where x is a hexadecimal digit.
bool has_shape(std::string_view text, std::string_view shape) {
  return std::ranges::equal(text, shape, [&](char c, char kind) {
    return kind == 'x' ? hex_digits.contains(c) : c == kind;
  });
}

bool is_uuid(std::string_view text) {
  return has_shape(text, "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx");
}

bool is_pci_class(std::string_view text) {
  return has_shape(text, "xx") || has_shape(text, "xxxx") || has_shape(text, "xxxxxx");
}

/// Not a group address: the lowest bit of its first byte is 0.
bool is_mac(std::string_view text) {
  constexpr std::string_view even = "02468aceACE";
  return has_shape(text, "xx:xx:xx:xx:xx:xx") && even.contains(text[1]);
}

std::optional<std::uint64_t> whole_number(std::string_view digits) {
  std::uint64_t value = 0;
  const auto* const end = digits.data() + digits.size();
  const auto [stop, error] = std::from_chars(digits.data(), end, value);
  if (error != std::errc{} || stop != end) return std::nullopt;
  return value;
}

bool is_ipv4(std::string_view text) {
  in_addr parsed{};
  return ::inet_pton(AF_INET, std::string(text).c_str(), &parsed) == 1;
}

/// An IPv4 address, or an IPv6 address in brackets, and a port.
bool is_tcp(std::string_view text) {
  const auto colon = text.rfind(':');
  if (colon == std::string_view::npos) return false;
  const auto port = whole_number(text.substr(colon + 1));
  if (!port || *port == 0 || *port > 65535) return false;
  auto address = text.substr(0, colon);
  const bool six = address.starts_with('[') && address.ends_with(']');
  if (six) address = address.substr(1, address.size() - 2);
  std::array<unsigned char, sizeof(in6_addr)> parsed{};
  return ::inet_pton(six ? AF_INET6 : AF_INET, std::string(address).c_str(), parsed.data()) == 1;
}

bool is_sentence(std::string_view text) {
  return text.find_first_not_of(' ') != std::string_view::npos;
}

}  // namespace

const Form vm_name_form{
    .what = "a name: at most 64 letters, digits, '.', '_' or '-', the first a letter or a digit",
    .pattern = "^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$",
    .accepts = is_vm_name};
const Form path_form{
    .what = "a path without '..'", .pattern = "^(?!(.*/)?\\.\\.(/|$)).*$", .accepts = is_path};
const Form program_form{.what = "an absolute path, or the name of a program in PATH",
                        .pattern = "^(/.*|[A-Za-z0-9][A-Za-z0-9._+-]*|)$",
                        .accepts = is_program};
const Form uuid_form{.what = "a UUID like 5f1c3a52-7d0e-4c5b-9d62-0a6f4a1e9b77",
                     .pattern = "^([0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}|)$",
                     .accepts = is_uuid};
const Form bridge_form{.what = "the name of a bridge: at most 15 letters, digits, '.', '_' or '-'",
                       .pattern = "^([A-Za-z0-9][A-Za-z0-9._-]{0,14}|)$",
                       .accepts = is_bridge};
const Form model_form{.what = "a model's name: letters, digits, '.', '_', '+' or '-'",
                      .pattern = "^([A-Za-z0-9][A-Za-z0-9._+-]*|)$",
                      .accepts = is_model};
const Form property_form{.what = "the name of a property of QEMU's CPU",
                         .pattern = "^[A-Za-z0-9][A-Za-z0-9._+-]{0,62}$",
                         .accepts = is_property};
const Form base64_form{.what = "Base64",
                       .pattern = "^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2,3}={1,2})?$",
                       .accepts = is_base64};
const Form pci_address_form{
    .what = "a PCI address like 0000:65:00.0",
    .pattern = "^([0-9a-fA-F]{4}:)?[0-9a-fA-F]{2}:[01][0-9a-fA-F]\\.[0-7]$"};
const Form pci_id_form{.what = "a vendor and device like 8086:10d3",
                       .pattern = "^([0-9a-fA-F]{4}:[0-9a-fA-F]{4}|)$"};
const Form pci_class_form{.what = "a class of PCI devices: 2, 4 or 6 hexadecimal digits",
                          .pattern = "^([0-9a-fA-F]{2}([0-9a-fA-F]{2}){0,2}|)$",
                          .accepts = is_pci_class};
const Form mac_form{.what = "a MAC address of one station, like 52:54:00:12:34:56",
                    .pattern = "^([0-9a-fA-F][02468aceACE](:[0-9a-fA-F]{2}){5}|)$",
                    .accepts = is_mac};
const Form ipv4_form{.what = "an IPv4 address like 127.0.0.1",
                     .pattern = "^([0-9]{1,3}(\\.[0-9]{1,3}){3}|)$",
                     .accepts = is_ipv4};
const Form tcp_form{.what = "an address and a port, like 192.0.2.7:22 or [2001:db8::7]:22",
                    .pattern = "^([0-9.]+:[0-9]{1,5}|\\[[0-9a-fA-F:.]+\\]:[0-9]{1,5}|)$",
                    .accepts = is_tcp};
const Form number_set_form{.what = "a set of numbers like 0-1,3",
                           .pattern = "^[0-9]+(-[0-9]+)?(,[0-9]+(-[0-9]+)?)*$"};
const Form sentence_form{.what = "a reason", .pattern = "[^ ]", .accepts = is_sentence};

bool is_vm_name(std::string_view name) {
  return is_word(name, "._-", 64);
}

bool is_plain_text(std::string_view text) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if (byte < 0x20 || byte == 0x7f) return false;
    // C1 in UTF-8: C2 80 to C2 9F.
    if (byte == 0xc2 && i + 1 < text.size() && static_cast<unsigned char>(text[i + 1]) < 0xa0)
      return false;
  }
  return true;
}

Result<std::vector<std::uint64_t>> parse_number_set(std::string_view text) {
  constexpr std::uint64_t largest = 1023;
  std::set<std::uint64_t> numbers;
  for (const auto part : split(text, ',')) {
    const auto dash = part.find('-');
    const auto first = whole_number(part.substr(0, dash));
    const auto last = dash == std::string_view::npos ? first : whole_number(part.substr(dash + 1));
    if (!first || !last || *first > *last || *last > largest)
      return fail(Fault::profile, "bad-value", "'{}' is not {}, each at most {}", quotable(text),
                  number_set_form.what, largest);
    for (auto number = *first; number <= *last; ++number) numbers.insert(number);
  }
  return std::vector(numbers.begin(), numbers.end());
}

Result<std::uint64_t> parse_size(std::string_view text, std::string_view unit) {
  struct Scale {
    std::string_view suffix;
    unsigned shift;
  };
  static constexpr Scale scales[] = {{"K", 10}, {"M", 20}, {"G", 30}, {"T", 40}, {"P", 50}};
  const auto suffix_at = std::min(text.find_first_not_of("0123456789"), text.size());
  const auto number = whole_number(text.substr(0, suffix_at));
  auto suffix = text.substr(suffix_at);
  if (suffix.ends_with("iB")) suffix.remove_suffix(2);
  const auto* const scale = std::ranges::find(scales, suffix, &Scale::suffix);
  if (!number || scale == std::end(scales))
    return fail(Fault::profile, "bad-value", "'{}' is not a size like \"8G\" or \"512M\"",
                quotable(text));

  std::uint64_t bytes = 0;
  if (__builtin_mul_overflow(*number, std::uint64_t{1} << scale->shift, &bytes))
    return fail(Fault::profile, "out-of-range", "'{}' is larger than any memory or disk",
                quotable(text));
  const auto unit_bytes = std::uint64_t{1} << (unit == "GiB" ? 30U : unit == "MiB" ? 20U : 10U);
  if (bytes % unit_bytes != 0)
    return fail(Fault::profile, "out-of-range", "'{}' is not a whole number of {}", quotable(text),
                unit);
  return bytes / unit_bytes;
}

std::optional<std::uint64_t> parse_automatic(std::string_view text) {
  constexpr std::string_view word = "AUTO_DETECT";
  constexpr std::string_view with_minimum = "AUTO_DETECT_MIN_";
  if (text == word) return 0;
  if (!text.starts_with(with_minimum)) return std::nullopt;
  return whole_number(text.substr(with_minimum.size()));
}

}  // namespace hv::profiles
