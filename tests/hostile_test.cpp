// SPDX-License-Identifier: MIT
#include "golden.h"

#include <doctest/doctest.h>
#include <boost/json.hpp>

#include <algorithm>
#include <random>

namespace {

namespace json = boost::json;

/// What has a meaning to QEMU's parsers, to JSON, to a shell, or to nobody.
constexpr const char* pieces[] = {",",      ",,",
                                  "=",      "\"",
                                  "'",      "\\",
                                  "{",      "}",
                                  "[",      "]",
                                  ":",      "/",
                                  " ",      "#",
                                  "$(",     "`",
                                  ";",      "|",
                                  "&",      "*",
                                  "?",      "~",
                                  "-",      "a",
                                  "%s",     "file=",
                                  "json",   "on",
                                  "ä",      "雪",
                                  "😀",      "json:{",
                                  ",id=x",  ",readonly=off",
                                  "fd=3",   "/dev/stdin",
                                  "nbd://x"};

std::string hostile(std::mt19937& random, std::string_view start = "") {
  std::string text(start);
  for (auto left = 1 + random() % 12; left > 0; --left)
    text += pieces[random() % std::size(pieces)];
  return text;
}

struct Strings {
  std::string kernel, initrd, cmdline, iso, base, user_data, description, extra;
};

hv::profiles::Profile profile_of(const Strings& strings) {
  const auto& [kernel, initrd, cmdline, iso, base, user_data, description, extra] = strings;
  const json::object document = {
      {"name", "hostile"},
      {"description", description},
      {"cpus", 1},
      {"memory_mb", 512},
      {"kernel", kernel},
      {"initrd", initrd},
      {"cmdline", cmdline},
      {"iso_path", iso},
      {"disk_image_path", base},
      {"cloud_init", {{"user_data_path", user_data}}},
      {"display", {{"type", "vnc"}}},
      {"tpm", {{"enable", true}}},
      {"looking_glass", {{"enable", true}}},
      {"qemu", {{"extra_args", {{{"reason", description}, {"args", {"-fw_cfg", extra}}}}}}}};
  auto profile =
      hv::profiles::parse_profile({.name = "hostile.json", .text = json::serialize(document)});
  const auto problem = profile ? std::string() : hv::describe(profile.error().front());
  REQUIRE_MESSAGE(profile.has_value(), problem);
  return *std::move(profile);
}

/// As the plan must name a file: below `directory`, unless it is absolute.
std::string below(const std::string& directory, const std::string& path) {
  return path.starts_with('/') ? path : directory + "/" + path;
}

/// The file of a node, or of the node below it.
std::string file_of(const hv::plan::Plan& plan, std::string_view node, bool backing = false) {
  for (const auto& argument : plan.arguments) {
    if (argument.option != "-blockdev") continue;
    auto value = json::parse(argument.value).as_object();
    if (value.at("node-name").as_string() != node) continue;
    if (backing) value = json::object(value.at("backing").as_object());
    const std::string name(value.at("file").as_object().at("filename").as_string());
    for (const auto& descriptor : plan.descriptors)
      if (name == fmt::format("/dev/fdset/{}", descriptor.number)) return descriptor.path;
  }
  return {};
}

const hv::plan::Argument* find(const hv::plan::Plan& plan, std::string_view option) {
  const auto found = std::ranges::find(plan.arguments, option, &hv::plan::Argument::option);
  return found == plan.arguments.end() ? nullptr : &*found;
}

std::string value_of(const hv::plan::Plan& plan, std::string_view option) {
  const auto* const found = find(plan, option);
  return found == nullptr ? "" : found->value;
}

std::string user_data_of(const hv::plan::Plan& plan) {
  for (const auto& step : plan.steps)
    if (const auto* const seed = std::get_if<hv::plan::MakeSeed>(&step.action))
      return seed->user_data;
  return {};
}

}  // namespace

TEST_CASE("hostile strings reach QEMU as values, unchanged") {
  std::mt19937 random(20230);  // NOLINT(cert-msc51-cpp): the same strings at each run.
  auto golden = golden_case("x86_64-minimal");
  for (int round = 0; round < 500; ++round) {
    const Strings strings{.kernel = hostile(random),
                          .initrd = hostile(random),
                          .cmdline = hostile(random),
                          .iso = hostile(random),
                          .base = hostile(random),
                          .user_data = hostile(random),
                          .description = hostile(random),
                          .extra = hostile(random)};
    CAPTURE(round);
    golden.paths.state = hostile(random, "/");
    golden.paths.runtime = hostile(random, "/");
    golden.base_format = random() % 2 == 0 ? "qcow2" : "raw";
    const auto plan = plan_of(golden, profile_of(strings));
    REQUIRE(plan.has_value());
    const auto& state = golden.paths.state;
    const auto& runtime = golden.paths.runtime;

    CHECK_EQ(value_of(*plan, "-kernel"), below(state, strings.kernel));
    CHECK_EQ(value_of(*plan, "-initrd"), below(state, strings.initrd));
    CHECK_EQ(value_of(*plan, "-append"), strings.cmdline);
    CHECK_EQ(file_of(*plan, "disk0"), state + "/disks/hostile.qcow2");
    CHECK_EQ(file_of(*plan, "disk0", true), below(state, strings.base));
    CHECK_EQ(file_of(*plan, "cdrom"), below(state + "/isos", strings.iso));
    CHECK_EQ(file_of(*plan, "seed"), state + "/seeds/hostile.iso");
    CHECK_EQ(user_data_of(*plan), below(state, strings.user_data));
    const auto tpm = std::ranges::find(plan->descriptors, hv::plan::Handle::connection,
                                       &hv::plan::Descriptor::handle);
    REQUIRE(tpm != plan->descriptors.end());
    CHECK_EQ(tpm->path, runtime + "/hostile/tpm.sock");
    const auto display = std::ranges::find(plan->descriptors, hv::plan::Handle::directory,
                                           &hv::plan::Descriptor::handle);
    REQUIRE(display != plan->descriptors.end());
    CHECK_EQ(display->path, runtime + "/hostile/display");
    CHECK_EQ(parse_argument(*find(*plan, "-vnc")).at("vnc"),
             fmt::format("unix:/proc/self/fd/{}/vnc.sock", display->number));
    CHECK_EQ(plan->arguments.back().option, strings.extra);
  }
}

TEST_CASE("hostile strings add no option and no member") {
  std::mt19937 random(9);  // NOLINT(cert-msc51-cpp)
  auto golden = golden_case("x86_64-minimal");
  const auto shape_of = [&](const Strings& strings) {
    const auto plan = plan_of(golden, profile_of(strings));
    REQUIRE(plan.has_value());
    std::string shape;
    for (const auto& argument : plan->arguments) {
      const bool verbatim = argument.option == "-kernel" || argument.option == "-initrd" ||
                            argument.option == "-append" ||
                            argument.cause.pointer.starts_with("/qemu/");
      shape += verbatim ? "" : "\n" + argument.option;
      if (!verbatim)
        for (const auto& [name, value] : parse_argument(argument).members) shape += " " + name;
    }
    return shape;
  };
  const auto plain = shape_of({"k", "i", "c", "o", "b", "u", "d", "e"});
  for (int round = 0; round < 100; ++round) {
    CAPTURE(round);
    golden.paths.state = hostile(random, "/");
    golden.paths.runtime = hostile(random, "/");
    CHECK_EQ(shape_of({hostile(random), hostile(random), hostile(random), hostile(random),
                       hostile(random), hostile(random), hostile(random), hostile(random)}),
             plain);
  }
}
