// SPDX-License-Identifier: MIT
#include "launcher/measure/vmsa.h"

#include "launcher/measure/image.h"

#include <algorithm>
#include <array>
#include <concepts>

namespace hv::measure {
namespace {

template <std::unsigned_integral Number>
void put(std::string& page, std::size_t offset, Number value) {
  for (std::size_t i = 0; i < sizeof value; ++i)
    page[offset + i] = static_cast<char>(static_cast<std::uint64_t>(value) >> (8 * i));
}

struct Segment {
  std::size_t offset;
  std::uint16_t selector = 0;
  std::uint16_t attributes = 0;
  std::uint64_t base = 0;
};

void put(std::string& page, const Segment& segment) {
  put(page, segment.offset, segment.selector);
  put(page, segment.offset + 2, segment.attributes);
  put(page, segment.offset + 4, std::uint32_t{0xffff});
  put(page, segment.offset + 8, segment.base);
}

struct Register {
  std::size_t offset;
  std::uint64_t value;
};

struct Model {
  std::string_view name;
  std::uint32_t family;
  std::uint32_t model;
  std::uint32_t stepping;
};

/// QEMU's models of processors with SEV.
constexpr std::array models = {
    Model{"EPYC", 23, 1, 2},       Model{"EPYC-IBPB", 23, 1, 2},   Model{"EPYC-Rome", 23, 49, 0},
    Model{"EPYC-Milan", 25, 1, 1}, Model{"EPYC-Genoa", 25, 17, 0}, Model{"EPYC-Turin", 26, 0, 0},
};

/// "EPYC-Rome" of "EPYC-Rome-v2".
std::string_view without_version(std::string_view model) {
  const auto dash = model.rfind("-v");
  if (dash == std::string_view::npos || dash + 2 == model.size()) return model;
  const auto digits = model.substr(dash + 2);
  const bool version = std::ranges::all_of(digits, [](char c) { return c >= '0' && c <= '9'; });
  return version ? model.substr(0, dash) : model;
}

}  // namespace

std::string vmsa_page(const VcpuState& state) {
  std::string page(page_size, '\0');
  constexpr std::uint16_t data = 0x93;  // Present, writable, accessed.
  const Segment segments[] = {
      {.offset = 0x00, .attributes = data},  // ES
      {.offset = 0x10, .selector = 0xf000, .attributes = 0x9b, .base = state.start & 0xffff0000U},
      {.offset = 0x20, .attributes = data},  // SS
      {.offset = 0x30, .attributes = data},  // DS
      {.offset = 0x40, .attributes = data},  // FS
      {.offset = 0x50, .attributes = data},  // GS
      {.offset = 0x60},                      // GDTR
      {.offset = 0x70, .attributes = 0x82},  // LDTR
      {.offset = 0x80},                      // IDTR
      {.offset = 0x90, .attributes = 0x8b},  // TR
  };
  for (const auto& segment : segments) put(page, segment);

  const Register registers[] = {
      {0xd0, 0x1000},                  // EFER: SVME, which KVM sets for itself.
      {0x148, 0x40},                   // CR4: MCE, the same.
      {0x158, 0x10},                   // CR0
      {0x160, 0x400},                  // DR7
      {0x168, 0xffff0ff0},             // DR6
      {0x170, 0x2},                    // RFLAGS
      {0x178, state.start & 0xffffU},  // RIP
      {0x268, 0x0007040600070406},     // PAT
      {0x310, state.signature},        // RDX
      {0x3b0, state.features},         // SEV_FEATURES
      {0x3e8, 0x1},                    // XCR0
  };
  for (const auto& [offset, value] : registers) put(page, offset, value);
  if (state.fpu) {
    put(page, 0x408, std::uint32_t{0x1f80});  // MXCSR
    put(page, 0x410, std::uint16_t{0x37f});   // FCW
  }
  return page;
}

std::uint32_t signature_of(std::uint32_t family, std::uint32_t model, std::uint32_t stepping) {
  const auto base_family = std::min(family, 0xfU);
  return (family - base_family) << 20U | (model >> 4U & 0xfU) << 16U | base_family << 8U |
         (model & 0xfU) << 4U | (stepping & 0xfU);
}

Result<std::uint32_t> signature_of_model(std::string_view model) {
  const auto* const found = std::ranges::find(models, without_version(model), &Model::name);
  if (found == models.end())
    return std::unexpected(with_hint(
        {.fault = Fault::profile,
         .id = "unknown-cpu-signature",
         .message = fmt::format("the signature of CPU model '{}' is not known", model)},
        "take one of EPYC, EPYC-Rome, EPYC-Milan, EPYC-Genoa and EPYC-Turin: a guest that can be "
        "measured has a CPU that is the same everywhere"));
  return signature_of(found->family, found->model, found->stepping);
}

}  // namespace hv::measure
