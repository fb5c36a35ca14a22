// SPDX-License-Identifier: MIT
#include "golden.h"

#include "launcher/plan/print.h"
#include "profiles/description.h"

#include <doctest/doctest.h>
#include <boost/json.hpp>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>

namespace {

namespace json = boost::json;
using hv::plan::Plan;
using Names = std::set<std::string>;

std::string outcome(const std::expected<Plan, hv::Errors>& plan) {
  if (plan) return hv::plan::as_text(*plan);
  std::string text;
  for (const auto& error : plan.error()) text += hv::describe(error) + "\n";
  return text;
}

/// For tests/integration/test_accept.py: the arguments, to run QEMU with them.
void write_argv(const GoldenCase& golden, const Plan& plan, const std::string& directory) {
  json::array descriptors;
  for (const auto& descriptor : plan.descriptors) {
    constexpr const char* kinds[] = {"lock",          "listener",    "connection", "tap",
                                     "vhost-net",     "vhost-vsock", "directory",  "file",
                                     "writable_file", "direct_file"};
    descriptors.push_back(json::object{{"number", descriptor.number},
                                       {"kind", kinds[static_cast<std::size_t>(descriptor.handle)]},
                                       {"path", descriptor.path}});
  }
  std::filesystem::create_directories(directory);
  std::ofstream(fmt::format("{}/{}@{}.json", directory, golden.name, golden.qemu_name))
      << json::object{{"qemu", golden.qemu_name},
                      {"architecture", plan.architecture},
                      {"argv", json::value_from(hv::plan::argv_of(plan))},
                      {"descriptors", std::move(descriptors)}};
}

/// What a command line defines, by the options that name it.
struct Defined {
  std::map<std::string, std::string> devices;  ///< Their drivers by their ids.
  Names nodes, chardevs, netdevs, objects, audiodevs, tpmdevs;
};

/// Notes a name, and fails if another has it.
void define(Names& names, const std::string& name) {
  CAPTURE(name);
  REQUIRE_FALSE(name.empty());
  CHECK_MESSAGE(names.insert(name).second, "two are called ", name);
}

Defined definitions(const std::vector<Parsed>& line) {
  Defined found;
  Names ids;  // One space of names for all kinds: error messages name them by id alone.
  const std::pair<const char*, Names*> kinds[] = {{"-chardev", &found.chardevs},
                                                  {"-netdev", &found.netdevs},
                                                  {"-object", &found.objects},
                                                  {"-audiodev", &found.audiodevs},
                                                  {"-tpmdev", &found.tpmdevs}};
  for (const auto& argument : line) {
    const auto id = argument.at("id");
    if (!id.empty()) define(ids, id);
    if (argument.option == "-device" && !id.empty()) found.devices[id] = argument.at("driver");
    if (argument.option == "-blockdev") define(found.nodes, argument.at("node-name"));
    for (const auto& [option, names] : kinds)
      if (argument.option == option) define(*names, id);
  }
  return found;
}

/// "port2.0" is a root port's own bus; "usb.0" the bus of the device "usb".
bool has_bus(const Defined& defined, const std::string& bus) {
  if (bus == "pcie.0" || bus == "ide.0") return true;  // The machine's own.
  if (const auto port = defined.devices.find(bus); port != defined.devices.end())
    return port->second == "pcie-root-port";
  return bus.ends_with(".0") && defined.devices.contains(bus.substr(0, bus.size() - 2));
}

void check_references(const std::vector<Parsed>& line) {
  const auto defined = definitions(line);
  const std::pair<const char*, const Names*> members[] = {
      {"drive", &defined.nodes},
      {"chardev", &defined.chardevs},
      {"netdev", &defined.netdevs},
      {"memdev", &defined.objects},
      {"memory-backend", &defined.objects},
      {"confidential-guest-support", &defined.objects},
      {"audiodev", &defined.audiodevs},
      {"tpmdev", &defined.tpmdevs},
      {"pflash0", &defined.nodes},
      {"pflash1", &defined.nodes}};
  Names places;
  for (const auto& argument : line) {
    CAPTURE(argument.option);
    for (const auto& [member, names] : members)
      if (const auto name = argument.at(member); !name.empty())
        CHECK_MESSAGE(names->contains(name), member, " ", name, " is not defined");
    if (argument.option == "-serial" && argument.implied.starts_with("chardev:"))
      CHECK(defined.chardevs.contains(argument.implied.substr(8)));
    const auto bus = argument.at("bus");
    if (bus.empty()) continue;
    CHECK_MESSAGE(has_bus(defined, bus), "no bus ", bus);
    auto address = argument.at("addr");
    if (bus == "pcie.0" && !address.contains('.')) address += ".0";
    const bool one_device = bus == "pcie.0" || bus.starts_with("port");
    if (one_device) define(places, bus + " " + address);
  }
}

/// Each descriptor has one number and one use.
void check_descriptors(const Plan& plan, const std::vector<Parsed>& line) {
  std::map<std::string, int> uses;
  for (const auto& argument : line)
    for (const auto* const key : {"fd", "vhostfd"})
      if (const auto number = argument.at(key); !number.empty()) ++uses[number];
  Names numbers;
  for (const auto& descriptor : plan.descriptors) {
    const auto number = std::to_string(descriptor.number);
    define(numbers, number);
    // A way to a directory is part of a path.
    if (descriptor.handle == hv::plan::Handle::directory)
      uses[number] += static_cast<int>(
          std::ranges::count_if(plan.arguments, [&](const hv::plan::Argument& argument) {
            return argument.value.contains("/proc/self/fd/" + number + "/");
          }));
    CHECK_GT(descriptor.number, 2);
    CHECK_EQ(uses[number], descriptor.handle == hv::plan::Handle::lock ? 0 : 1);
  }
  for (const auto& [number, count] : uses)
    CHECK_MESSAGE(numbers.contains(number), "descriptor ", number, " is not passed");
}

void check_causes(const Plan& plan) {
  for (const auto& argument : plan.arguments) {
    CAPTURE(argument.option);
    CAPTURE(argument.value);
    CHECK_FALSE(argument.cause.why.empty());
    CHECK_FALSE((argument.cause.pointer.empty() && argument.cause.rule.empty()));
  }
}

/// Arguments that are passed on unread may be anything.
bool is_extra(const hv::plan::Argument& argument) {
  return argument.cause.pointer.starts_with("/qemu/extra_args/");
}

void check_plan(const Plan& plan) {
  std::vector<Parsed> line;
  for (const auto& argument : plan.arguments)
    if (!is_extra(argument)) line.push_back(parse_argument(argument));
  check_causes(plan);
  check_references(line);
  check_descriptors(plan, line);
}

/// The pointers of all values of a document.
void collect(const json::value& value, const std::string& pointer, Names& pointers) {
  pointers.insert(pointer);
  if (const auto* const object = value.if_object())
    for (const auto& member : *object)
      collect(member.value(), pointer + "/" + std::string(member.key()), pointers);
  if (const auto* const list = value.if_array())
    for (const auto& element : *list) collect(element, pointer + "/*", pointers);
}

}  // namespace

TEST_CASE("golden plans and errors") {
  const auto* const accept = std::getenv("HVLAUNCH_ACCEPT");
  const auto* const argv_directory = std::getenv("HVLAUNCH_GOLDEN_ARGV");
  const auto names = golden_names();
  CHECK_GE(names.size(), 150);
  for (const auto& name : names) {
    CAPTURE(name);
    const auto golden = golden_case(name);
    const auto plan = plan_of(golden);
    const auto text = outcome(plan);
    const auto expected = TESTS_DIR "/golden/" + name + "/expected";
    if (accept != nullptr) std::ofstream(expected, std::ios::binary) << text;
    CHECK_EQ(text, slurp(expected));
    CHECK_EQ(text, outcome(plan_of(golden_case(name))));
    if (!plan) continue;
    check_plan(*plan);
    if (argv_directory != nullptr) write_argv(golden, *plan, argv_directory);
  }
}

TEST_CASE("golden profiles on newer QEMUs") {
  const auto* const argv_directory = std::getenv("HVLAUNCH_GOLDEN_ARGV");
  std::size_t planned = 0;
  for (const auto& name : golden_names()) {
    CAPTURE(name);
    const auto golden = golden_case(name);
    if (!golden.qemu_name.starts_with("7.2-")) continue;
    for (const auto* const version : {"10.0", "11.1"}) {
      CAPTURE(version);
      const auto newer = with_qemu(golden, version);
      const auto plan = plan_of(newer);
      if (!plan) continue;  // What it cannot give may be another thing than 7.2 cannot.
      ++planned;
      check_plan(*plan);
      if (argv_directory != nullptr) write_argv(newer, *plan, argv_directory);
    }
  }
  CHECK_GE(planned, 200);
}

TEST_CASE("every field of a profile is in a golden profile") {
  Names used;
  for (const auto& name : golden_names()) {
    boost::system::error_code error;
    const auto document = json::parse(slurp(TESTS_DIR "/golden/" + name + "/profile.json"), error,
                                      {}, {.allow_comments = true, .allow_trailing_commas = true});
    if (!error) collect(document, "", used);
  }
  CHECK(used.contains("/labels/site"));
  for (const auto& field : hv::profiles::field_descriptions())
    if (field.pointer != "/labels/*")
      CHECK_MESSAGE(used.contains(field.pointer), "no golden profile has ", field.pointer);
}

TEST_CASE("every error that a plan can end in is in a golden case") {
  Names seen;
  for (const auto& name : golden_names())
    if (const auto plan = plan_of(golden_case(name)); !plan)
      for (const auto& error : plan.error()) seen.insert(error.id);
  for (const auto* const id : {"ambiguous-device",
                               "bad-value",
                               "conflict",
                               "cpu-forbidden",
                               "cpu-offline",
                               "firmware-memory",
                               "function-in-use",
                               "has-vfs",
                               "host-lacks-feature",
                               "incomplete-group",
                               "is-a-bridge",
                               "json-syntax",
                               "missing-member",
                               "no-bridge",
                               "no-confidential-host",
                               "no-confidential-qemu",
                               "no-cpu-kinds",
                               "no-cpu-model",
                               "no-device",
                               "no-device-here",
                               "no-firmware",
                               "no-flash",
                               "no-free-vf",
                               "no-guest-numa",
                               "no-hugepages",
                               "no-interrupt-remapping",
                               "no-iommu",
                               "no-kvm",
                               "no-machine-type",
                               "no-mdev-instance",
                               "no-mdev-parent",
                               "no-mdev-type",
                               "no-numa-node",
                               "no-room-for-vcpus",
                               "no-spice",
                               "no-sriov",
                               "no-such-cpu",
                               "no-vhost-net",
                               "qemu-lacks-feature",
                               "out-of-range",
                               "refused-option",
                               "too-few-pins",
                               "too-many-cpus",
                               "too-many-devices",
                               "too-many-vfs",
                               "unknown-member",
                               "unknown-zone",
                               "vcpu-of-several-nodes",
                               "wrong-type"})
    CHECK_MESSAGE(seen.contains(id), "no golden case ends in ", std::string(id));
}
