// SPDX-License-Identifier: MIT
//
// A cache that somebody forged is refused, or means what it says: written out
// and read again it is the same.
#include "launcher/qemu/capabilities.h"
#include "tests/fuzz/fuzz.h"

using fuzz::require;
using namespace hv::qemu;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto read = capabilities_from_json(fuzz::text_of(data, size));
  if (!read) {
    require(!read.error().id.empty(), "an error has an id");
    return 0;
  }
  const auto text = to_json(*read);
  const auto again = capabilities_from_json(text);
  require(again.has_value(), "what was written can be read");
  require(to_json(*again) == text, "what was read is what was written");
  require(again->machines.size() == read->machines.size() &&
              again->properties.size() == read->properties.size(),
          "nothing is lost");
  for (const auto& machine : read->machines) {
    const auto* const found = read->find_machine(machine.name);
    require(found != nullptr, "a machine is found by its name");
  }
  for (const auto& type : read->types) require(read->has_type(type), "a type is found");
  for (const auto& [type, properties] : read->properties)
    for (const auto& property : properties) (void)read->has_property(type, property);
  return 0;
}
